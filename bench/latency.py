"""Fast-SNOW from end to end: how long a frame takes, stage by stage, over the length of a clip and its objects.

Run from the root of the repository: `python -m bench.latency --json out/latency.json`. The clips are rendered scenes in
memory, 320 x 240. *Recorded*: depth, poses and masks are given, so that all time is Fast-SNOW's own; *classical*: the
engines without weights do all. Each setting runs once unmeasured, then as often as told, side by side with the others
of its table. Latency is that of windows: the frames of one window are done together and share its time.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from bench.timing import Timing, hardware, measure
from fast_snow.config import Config, DepthFilterConfig, EnginesConfig
from fast_snow.evaluation.systems import SystemRun, run_fast_snow
from fast_snow.inputs import Input, from_recording
from fast_snow.peak_memory import forget_peak, peak_bytes
from fast_snow.synthetic.render import as_recording, render
from fast_snow.synthetic.scene import CRATE, Pattern, SceneConfig, SceneObject

SIZE = 240, 320
FRAMES = (30, 60, 120, 240)
OBJECTS = (2, 8, 32)
USUAL_FRAMES, USUAL_OBJECTS = 60, 8
CONFIGS: Mapping[str, Config] = {
    "recorded": Config(
        engines=EnginesConfig(geometry="recorded", segmenter="recorded", tracker="recorded"),
        depth_filter=DepthFilterConfig(min_points=10),
    ),
    "classical": Config(
        engines=EnginesConfig(geometry="classical", segmenter="classical", tracker="classical"),
        depth_filter=DepthFilterConfig(min_points=10),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is run.

    Attributes:
        engines: recorded or classical.
        frames: of the clip.
        objects: in the scene.
    """

    engines: str
    frames: int
    objects: int


def settings(frames: Sequence[int], objects: Sequence[int], engines: Sequence[str]) -> tuple[Setting, ...]:
    """Return each length with the usual objects, then each number of objects at the usual length, once."""
    usual_frames = USUAL_FRAMES if USUAL_FRAMES in frames else frames[0]
    usual_objects = USUAL_OBJECTS if USUAL_OBJECTS in objects else objects[0]
    pairs = [(count, usual_objects) for count in frames] + [(usual_frames, count) for count in objects]
    return tuple(
        Setting(engines=engine, frames=count, objects=number)
        for engine in engines
        for count, number in dict.fromkeys(pairs)
    )


def crowd(count: int) -> tuple[SceneObject, ...]:
    """Return boxes on the floor, as large as lets so many stand in rows without touching."""
    columns = int(np.ceil(np.sqrt(count)))
    step = 3.0 / columns
    patterns, half = tuple(Pattern), 0.3 * step
    return tuple(
        replace(
            CRATE,
            object_id=k + 1,
            half_size=(half, half, half),
            pattern=patterns[k % len(patterns)],
            color=tuple(np.random.default_rng(k).uniform(0.2, 0.9, 3).tolist()),
            path=((0.0, -1.5 + (k % columns + 0.5) * step, -0.9 + (k // columns + 0.5) * step, half),),
        )
        for k in range(count)
    )


def clip(setting: Setting, config: Config) -> Input:
    """Render a scene; for engines that are to find everything, only its images are an input."""
    scene = render(SceneConfig(size=SIZE, frames=setting.frames, objects=crowd(setting.objects)))
    source = from_recording(as_recording(scene), config.sampling)
    return source if setting.engines == "recorded" else replace(source, recording=None)


def figures(setting: Setting, timing: Timing, made: Sequence[SystemRun], peak: int) -> dict[str, Any]:
    """Return what is kept of the measured runs of one setting; stages are seconds per frame."""
    frame_s = np.concatenate([run.frame_s for run in made])
    stages = [asdict(run.seconds) for run in made]
    return {
        **asdict(setting),
        "windows_of": CONFIGS[setting.engines].window.length,
        "tracks": len(made[0].graph.tracks),
        "wall": timing.as_json(),
        "frames_per_second": setting.frames / timing.median,
        "frame_p50_s": float(np.percentile(frame_s, 50)),
        "frame_p95_s": float(np.percentile(frame_s, 95)),
        "stage_s": {name: float(np.median([each[name] for each in stages])) / setting.frames for name in stages[0]},
        "peak_bytes": peak,
    }


def measured(chosen: Sequence[Setting], runs: int) -> list[dict[str, Any]]:
    """Measure settings side by side."""
    made: dict[Setting, list[SystemRun]] = {each: [] for each in chosen}
    peaks: dict[Setting, list[int]] = {each: [] for each in chosen}

    def work(setting: Setting) -> Callable[[], None]:
        config = CONFIGS[setting.engines]
        source = clip(setting, config)

        def once() -> None:
            forget_peak()
            made[setting].append(run_fast_snow(source, config))
            peaks[setting].append(peak_bytes())

        return once

    timing = measure({str(k): work(each) for k, each in enumerate(chosen)}, runs)
    return [figures(each, timing[str(k)], made[each][1:], max(peaks[each][1:])) for k, each in enumerate(chosen)]


def main(
    json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    runs: int = 5,
    frames: tuple[int, ...] = FRAMES,
    objects: tuple[int, ...] = OBJECTS,
    engines: tuple[str, ...] = tuple(CONFIGS),
) -> None:
    """Measure and print; write everything to `json_path`, if given."""
    results = []
    for engine in engines:
        for each in measured(settings(frames, objects, (engine,)), runs):
            results.append(each)
            stages = "  ".join(f"{name} {1e3 * value:.2f}" for name, value in each["stage_s"].items())
            print(
                f"{engine:<10} {each['frames']:4d} frames {each['objects']:3d} objects  "
                f"{each['frames_per_second']:7.1f} fps  ms per frame: {stages}",
                flush=True,
            )
    if json_path is not None:
        report = {"hardware": hardware("numpy", "numba", "opencv-python-headless", "pycolmap"), "results": results}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
