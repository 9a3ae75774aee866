"""The engines of trained models one by one: how long they load, how long a frame takes, how much memory they need.

Run from the root of the repository: `python -m bench.engines --json out/engines.json`. Weights are random: the work per
frame is that of trained ones, what is found is not. An engine whose package, GPU or compiled network is missing is
skipped by name. Times of a frame are those of a whole window divided by its frames; p50 and p95 are over windows.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.made_up import flat, moving_noise, prompts
from bench.measured import Measured, summary
from bench.random_models import MODELS, Models, full, tiny
from bench.time_budget import Trial
from bench.timing import hardware, now
from bench.timing import measure as timed
from fast_snow.config import Config
from fast_snow.engines.da3.preprocessing import network_size
from fast_snow.engines.hardware import gpu_count
from fast_snow.peak_memory import forget_peak
from fast_snow.protocols import TrackingSession, silent
from fast_snow.selection import geometry, segmenter
from fast_snow.selection.candidates import Candidate
from fast_snow.types import Frames, Geometry, GridShape

PACKAGES = (
    "torch",
    "torchvision",
    "ultralytics",
    "depth-anything-3",
    "sam3",
    "transformers",
    "timm",
    "onnxruntime",
    "tensorrt",
)


class Load(NamedTuple):
    """What a tracker is given to do.

    Attributes:
        tracker: its name.
        objects: how many it tracks.
        starts: frames in which they are prompted.
    """

    tracker: str
    objects: int
    starts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        frame: heights and widths of the video's frames.
        chunk: frames per forward pass of DA3.
        loads: what trackers are given to do.
        window: frames of a window.
        runs: windows that are timed, after one that is not.
    """

    frame: tuple[GridShape, ...] = ((480, 854), (720, 1280), (1080, 1920))
    chunk: tuple[int, ...] = (4, 16)
    loads: tuple[Load, ...] = (
        *(Load("sam3", objects) for objects in (1, 16, 64, 128)),
        *(Load("sam3-hf", objects) for objects in (1, 16)),
    )
    window: int = 16
    runs: int = 5


TINY = Plan(
    frame=((48, 64),),
    chunk=(2,),
    loads=(Load("sam3", 1), Load("sam3", 3, 2), Load("sam3-hf", 1), Load("edgetam", 1)),
    window=3,
    runs=1,
)


def segmentation(models: Models, plan: Plan) -> Iterator[Trial]:
    """Return FastSAM on each backend, and SAM 2.1 at its points, on each size of frame."""
    config = models.config
    work = {"fastsam": {"detections": config.fastsam.max_det}, "sam2": {"points": config.sam2.points_per_side**2}}
    for frame in plan.frame:
        grid = network_size(*frame, models.config.da3.process_res)
        inputs = partial(_window_and_scene, plan.window, frame, grid)
        for each in segmenter.candidates(models.config, None, frame, silent):
            if each.family in work.keys() - models.left_out.keys():
                setting = {"frame": f"{frame[0]}x{frame[1]}", **work[each.family]}
                yield _trial(each, setting, inputs, models.config, plan)


def depth(models: Models, plan: Plan) -> Iterator[Trial]:
    """Return DA3 on each backend, with each number of frames in one pass; a window is one pass at least."""
    frame = plan.frame[-1]
    size = network_size(*frame, models.config.da3.process_res)
    for chunk in plan.chunk if "da3" not in models.left_out else ():
        setting = {"network": f"{size[0]}x{size[1]}", "chunk": chunk, "overlap": 1}
        config = replace(models.config, da3=replace(models.config.da3, chunk_size=chunk, chunk_overlap=1))
        longer = replace(plan, window=max(plan.window, chunk))
        for each in geometry.candidates(config, None, frame, silent):
            if each.family == "da3":
                yield _trial(each, setting, partial(_window, longer.window, frame), config, longer)


def _window(count: int, frame: GridShape) -> tuple[Frames]:
    return (moving_noise(count, frame),)


def _window_and_scene(count: int, frame: GridShape, grid: GridShape) -> tuple[Frames, Geometry]:
    return moving_noise(count, frame), flat(count, grid)


def tracking(models: Models, plan: Plan) -> Iterator[Trial]:
    """Return each tracker with what it is given to do."""
    for load in plan.loads:
        if load.tracker not in models.left_out:
            name = f"{load.tracker}, objects {load.objects}, prompt frames {load.starts}"
            yield Trial(name, lambda load=load: _measured_tracker(models, plan, load))  # type: ignore[misc]


def idle(candidate: Candidate[Any], config: Config, gpus: int) -> tuple[str, ...]:
    """Return why an engine is not measured: what it lacks, or that it would leave the GPU idle."""
    on_gpu = gpus > 0 and config.runtime.device != "cpu"
    return candidate.missing or (candidate.caveats if on_gpu else ())


def _trial(
    candidate: Candidate[Any],
    setting: Mapping[str, Any],
    inputs: Callable[[], tuple[object, ...]],
    config: Config,
    plan: Plan,
) -> Trial:
    name = ", ".join((candidate.name, *(f"{key} {value}" for key, value in setting.items())))
    skipped = "; ".join(idle(candidate, config, gpu_count()))
    if skipped:
        return Trial(name, lambda: Measured(engine=candidate.name, setting=setting, skipped=skipped))
    return Trial(name, lambda: _measured(candidate, setting, inputs(), plan))


def _measured(
    candidate: Candidate[Any], setting: Mapping[str, Any], inputs: tuple[object, ...], plan: Plan
) -> Measured:
    forget_peak()
    began = now()
    with candidate.opener()() as engine:
        load_s = now() - began
        timing = timed({candidate.name: lambda: engine(*inputs)}, plan.runs)[candidate.name]
    return summary(candidate.name, setting, load_s, timing, plan.window, None)


def _measured_tracker(models: Models, plan: Plan, load: Load) -> Measured:
    """Track twice in each session: what the second round saves are the image features, which it finds there."""
    frame, grid = plan.frame[-1], network_size(*plan.frame[-1], 504)
    window = moving_noise(plan.window, frame)
    boxes = prompts(load.objects, grid, starts=load.starts, window=plan.window)
    forget_peak()
    began = now()
    with models.open_tracker(load.tracker) as tracker:
        load_s = now() - began
        tracked_alone: list[float] = []

        def work() -> None:
            session: TrackingSession = tracker.start(window, grid)
            session.add(boxes)
            session.propagate()
            begin = now()
            session.add(boxes)
            session.propagate()
            tracked_alone.append(now() - begin)
            session.close()

        both = timed({load.tracker: work}, plan.runs)[load.tracker]
    alone = tracked_alone[1:]
    seconds = tuple(all_ - second for all_, second in zip(both.seconds, alone, strict=True))
    per_frame = float(np.median(alone)) / plan.window
    more = {
        "tracking_alone_frame_s": per_frame,
        "features_frame_s": float(np.median(seconds)) / plan.window - per_frame,
    }
    setting = {"objects": load.objects, "prompt frames": load.starts}
    return summary(load.tracker, setting, load_s, replace(both, seconds=seconds), plan.window, more)


def export(models: Models, plan: Plan) -> Mapping[str, Any]:
    """Compile what can be compiled for the frames of a plan; returns how far each network is from torch."""
    from fast_snow.engines.compiled.artefacts import this_machine
    from fast_snow.errors import FastSnowError
    from fast_snow.export import preparing

    machine = this_machine()
    target = "onnx" if machine is None or machine.tensorrt is None else "tensorrt"
    report: dict[str, Any] = {}
    for model in ("fastsam", "da3"):
        for frame in plan.frame if model not in models.left_out else ():
            try:
                made = preparing.compile_networks(models.config, model=model, shape=frame, target=target)
            except (FastSnowError, ImportError) as error:
                report[f"{model} {frame[0]}x{frame[1]}"] = f"failed: {error}"
                continue
            report |= {
                each.path.name: {name: asdict(far) for name, far in each.manifest.parity.items()} for each in made
            }
    return report


def main() -> None:
    """Measure and print; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=MODELS, help="models to measure")
    parser.add_argument("--tiny", action="store_true", help="small networks and few frames, to try the script")
    told = parser.parse_args()
    write = tiny if told.tiny else full
    with tempfile.TemporaryDirectory() as folder, write(Path(folder), told.device, told.only) as models:
        plan = TINY if told.tiny else Plan()
        parity = export(models, plan)
        figures = [Measured(engine=name, setting={}, skipped=reason) for name, reason in models.left_out.items()]
        for settings in (segmentation, depth, tracking):
            for each in settings(models, plan):
                figures.append(each.measure())
                print(figures[-1], flush=True)
    if told.json is not None:
        document = {
            "weights": "random",
            "size": "tiny" if told.tiny else "full",
            "hardware": hardware(*PACKAGES),
            "parity_with_torch": parity,
            "engines": [asdict(each) for each in figures],
        }
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
