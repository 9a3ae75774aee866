"""The engines of trained models one by one: how long they load, how long a frame takes, how much memory they need.

Run from the root of the repository: `python -m bench.engines --json out/engines.json`. Weights are random: the work per
frame is that of trained ones, what is found is not. An engine whose package, GPU or compiled network is missing is
skipped by name. Times of a frame are those of a whole window divided by its frames; p50 and p95 are over windows.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.random_models import MODELS, Models, full, tiny
from bench.timing import Timing, hardware, now
from bench.timing import measure as timed
from fast_snow.config import Config
from fast_snow.engines.da3.preprocessing import network_size
from fast_snow.evaluation.environment import forget_peak, peak_bytes, peak_gpu_bytes
from fast_snow.protocols import TrackingSession, silent
from fast_snow.selection import geometry, segmenter
from fast_snow.types import BoxPrompt, DepthOrigin, Frames, Geometry, GridShape

Engine = Any
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        frame: heights and widths of the video's frames.
        chunk: frames per forward pass of DA3.
        objects: how many objects a tracker tracks.
        objects_in_turn: the same where it takes one after the other.
        window: frames of a window.
        runs: windows that are timed, after one that is not.
    """

    frame: tuple[GridShape, ...] = ((480, 854), (720, 1280), (1080, 1920))
    chunk: tuple[int, ...] = (4, 16)
    objects: tuple[int, ...] = (1, 16, 64, 128)
    objects_in_turn: tuple[int, ...] = (1, 16)
    window: int = 16
    runs: int = 5


TRIAL = Plan(frame=((48, 64),), chunk=(2,), objects=(1, 3), objects_in_turn=(1,), window=3, runs=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one engine did in one setting.

    Attributes:
        engine: its name.
        setting: what it was given.
        skipped: why it was not measured; empty where it was.
        load_s: from the call to the first usable moment.
        first_s: the first window, which warms up.
        frame_p50_s: seconds per frame of the median window.
        frame_p95_s: of a slow one.
        frames_per_second: of the median window.
        peak_bytes: of GPU memory that torch held; without a GPU, of the process while the engine was open.
        more: figures of this engine alone.
    """

    engine: str
    setting: Mapping[str, Any]
    skipped: str = ""
    load_s: float | None = None
    first_s: float | None = None
    frame_p50_s: float | None = None
    frame_p95_s: float | None = None
    frames_per_second: float | None = None
    peak_bytes: int | None = None
    more: Mapping[str, Any] | None = None


def measure(models: Models, plan: Plan) -> Iterator[Measured]:
    """Measure every engine that is there, one setting after the other."""
    for name, reason in models.left_out.items():
        yield Measured(engine=name, setting={}, skipped=reason)
    for frame in plan.frame:
        yield from _segmenters(models, plan, frame)
    for chunk in plan.chunk if "da3" not in models.left_out else ():
        yield from _geometries(models.config, plan, plan.frame[-1], chunk)
    for name, opened in _trackers(models).items():
        for count in plan.objects if name == "sam3" else plan.objects_in_turn:
            yield _measured_tracker(name, opened, plan, count)


def _segmenters(models: Models, plan: Plan, frame: GridShape) -> Iterator[Measured]:
    config = models.config
    window = moving_noise(plan.window, frame)
    scene = flat(plan.window, network_size(*frame, config.da3.process_res))
    for each in segmenter.candidates(config, None, frame, silent):
        if each.family in {"fastsam", "sam2"} - models.left_out.keys():
            setting: dict[str, Any] = {"frame": f"{frame[0]}x{frame[1]}"}
            if each.family == "sam2":
                setting["points"] = config.sam2.points_per_side**2
            else:
                setting["detections"] = config.fastsam.max_det
            yield _measured(each.name, setting, each.missing, each.opener, lambda engine: engine(window, scene), plan)


def _geometries(config: Config, plan: Plan, frame: GridShape, chunk: int) -> Iterator[Measured]:
    window = moving_noise(plan.window, frame)
    chunked = replace(config, da3=replace(config.da3, chunk_size=chunk, chunk_overlap=1))
    for each in geometry.candidates(chunked, None, frame, silent):
        if each.family == "da3":
            size = network_size(*frame, config.da3.process_res)
            setting = {"network": f"{size[0]}x{size[1]}", "chunk": chunk, "overlap": 1}
            yield _measured(each.name, setting, each.missing, each.opener, lambda engine: engine(window), plan)


def _trackers(models: Models) -> dict[str, Callable[[], AbstractContextManager[Engine]]]:
    def transformers() -> AbstractContextManager[Engine]:
        from fast_snow.engines.sam3.transformers.tracker import open_tracker

        return open_tracker(models.config.sam3, device=models.config.runtime.device)

    def edgetam() -> AbstractContextManager[Engine]:
        from fast_snow.engines.edgetam.tracker import open_tracker

        return open_tracker(models.config.edgetam, device=models.config.runtime.device)

    found = {"sam3": lambda: models.open_sam3(models.config.sam3), "sam3-hf": transformers, "edgetam": edgetam}
    return {name: opened for name, opened in found.items() if name not in models.left_out}


def _measured(
    name: str,
    setting: Mapping[str, Any],
    missing: Sequence[str],
    opener: Callable[[], Callable[[], AbstractContextManager[Engine]]],
    work: Callable[[Engine], object],
    plan: Plan,
) -> Measured:
    if missing:
        return Measured(engine=name, setting=setting, skipped="; ".join(missing))
    forget_peak()
    began = now()
    with opener()() as engine:
        load_s = now() - began
        timing = timed({name: lambda: work(engine)}, plan.runs)[name]
    return _summary(name, setting, load_s, timing, plan.window, None)


def _measured_tracker(
    name: str, open_tracker: Callable[[], AbstractContextManager[Engine]], plan: Plan, count: int
) -> Measured:
    """Track twice in each session: what the second round saves are the image features, which it finds there."""
    frame, grid = plan.frame[-1], network_size(*plan.frame[-1], 504)
    window, boxes = moving_noise(plan.window, frame), prompts(count, grid)
    forget_peak()
    began = now()
    with open_tracker() as tracker:
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

        both = timed({name: work}, plan.runs)[name]
    alone = tracked_alone[1:]
    seconds = tuple(all_ - second for all_, second in zip(both.seconds, alone, strict=True))
    per_frame = float(np.median(alone)) / plan.window
    more = {
        "tracking_alone_frame_s": per_frame,
        "features_frame_s": float(np.median(seconds)) / plan.window - per_frame,
    }
    return _summary(name, {"objects": count}, load_s, replace(both, seconds=seconds), plan.window, more)


def _summary(
    name: str,
    setting: Mapping[str, Any],
    load_s: float,
    timing: Timing,
    frames: int,
    more: Mapping[str, Any] | None,
) -> Measured:
    p50, p95 = (float(np.percentile(timing.seconds, q)) / frames for q in (50, 95))
    return Measured(
        engine=name,
        setting=setting,
        load_s=load_s,
        first_s=timing.warm_up_s,
        frame_p50_s=p50,
        frame_p95_s=p95,
        frames_per_second=1 / p50,
        peak_bytes=peak_gpu_bytes() or peak_bytes(),
        more=more,
    )


def moving_noise(count: int, size: GridShape) -> Frames:
    """Draw a picture of coloured patches that moves to the left."""
    random = np.random.default_rng(0)
    cell = 8
    height, width = size
    patches = random.integers(0, 256, (height // cell + 1, width // cell + 1 + count, 3), dtype=np.uint8)
    picture = patches.repeat(cell, axis=0).repeat(cell, axis=1)[:height]
    t = np.arange(count)
    return Frames(
        image=np.stack([picture[:, cell * k : cell * k + width] for k in t]),
        t=t.astype(np.int32),
        time_s=t / 10,
        source_frame=t.astype(np.int64),
    )


def flat(count: int, grid: GridShape) -> Geometry:
    """Return a wall in front of a camera that rests."""
    height, width = grid
    intrinsics = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    return Geometry(
        depth=np.ones((count, height, width), np.float32),
        confidence=np.ones((count, height, width), np.float32),
        intrinsics=np.repeat(intrinsics[None], count, axis=0),
        T_camera_world=np.repeat(np.eye(4)[None], count, axis=0),
        metric=False,
        origin=DepthOrigin.NETWORK,
    )


def prompts(count: int, grid: GridShape) -> tuple[BoxPrompt, ...]:
    """Spread boxes over the first frame."""
    height, width = grid
    columns = int(np.ceil(np.sqrt(count)))
    size = np.array([width, height] * 2) / columns
    return tuple(
        BoxPrompt(
            frame=0,
            box_xyxy=(size * np.array([k % columns, k // columns, k % columns + 0.8, k // columns + 0.8])).astype(
                np.float32
            ),
        )
        for k in range(count)
    )


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
        models = replace(
            models, config=replace(models.config, runtime=replace(models.config.runtime, device=told.device))
        )
        plan = TRIAL if told.tiny else Plan()
        parity = export(models, plan)
        figures = []
        for each in measure(models, plan):
            figures.append(each)
            show(each)
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


def show(each: Measured) -> None:
    """Print one line."""
    setting = " ".join(f"{name}={value}" for name, value in each.setting.items())
    if each.frame_p50_s is None or each.frame_p95_s is None or each.peak_bytes is None or each.load_s is None:
        print(f"{each.engine:<18} {setting:<34} skipped: {each.skipped}", flush=True)
        return
    print(
        f"{each.engine:<18} {setting:<34} load {each.load_s:6.2f} s  frame p50 {1e3 * each.frame_p50_s:9.2f} ms"
        f"  p95 {1e3 * each.frame_p95_s:9.2f} ms  {1 / each.frame_p50_s:8.2f} fps  {each.peak_bytes / 2**30:6.2f} GiB",
        flush=True,
    )


if __name__ == "__main__":
    main()
