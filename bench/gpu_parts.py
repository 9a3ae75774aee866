"""The speed of a GPU, of one tracking step and of everything together, beside that of each engine (`bench.engines`)."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.engines import Plan, export
from bench.gpu_correctness import on_gpu
from bench.made_up import moving_noise, prompts
from bench.random_models import Models
from bench.time_budget import Trial
from bench.timing import measure as timed
from bench.timing import now
from fast_snow import keyframes
from fast_snow.config import Config
from fast_snow.graph import fold, start
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.pipeline import Pipeline, Step, run
from fast_snow.protocols import silent
from fast_snow.residency import resident
from fast_snow.selection import geometry, segmenter
from fast_snow.selection.candidates import choose
from fast_snow.types import Window

AIM_FPS = 10.0
_PROFILED_OBJECTS = 16
_SHOWN = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The clip of the run from end to end."""

    frames: int = 100
    size: tuple[int, int] = (480, 854)
    objects: int = 30


def rates(models: Models, side: int = 8192) -> Iterator[Trial]:
    """Measure what the GPU itself does: the parameters of the machine in `bench.cost`."""
    if not on_gpu(models):
        return
    import torch

    def product() -> dict[str, Any]:
        a, b = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        return {"bf16_flop_per_s": 2 * side**3 / timed({"": lambda: torch.matmul(a, b)}, 8)[""].median}

    def copy() -> dict[str, Any]:
        a = torch.empty(2**31, device="cuda", dtype=torch.uint8)
        b = torch.empty_like(a)
        return {"bytes_per_s": 2 * a.nbytes / timed({"": lambda: b.copy_(a)}, 8)[""].median}

    def dispatch() -> dict[str, Any]:
        a, calls = torch.zeros(1, device="cuda"), 10_000

        def add() -> None:
            for _ in range(calls):
                a.add_(1)

        return {"seconds_per_call": timed({"": add}, 4)[""].median / calls}

    yield Trial("matrix product in bf16", product)
    yield Trial("copy in the GPU's memory", copy)
    yield Trial("dispatch of small calls", dispatch)


def profile(models: Models, plan: Plan, trace: Path | None) -> Iterator[Trial]:
    """Profile the start of some objects and one step of tracking them, the image features being there."""
    for name in models.openers:
        if name not in models.left_out:
            named = trace and trace.with_name(f"{trace.stem}_{name}.json.gz")
            yield Trial(f"{name}, {_PROFILED_OBJECTS} objects", partial(_profiled, models, plan, name, named))


def _profiled(models: Models, plan: Plan, name: str, trace: Path | None) -> dict[str, Any]:
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recording

    grid = plan.frame[0]
    window = moving_noise(2, grid)
    boxes = prompts(min(max(each.objects for each in plan.loads), _PROFILED_OBJECTS), grid)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu(models) else [])]
    with models.open_tracker(name) as tracker:
        session = tracker.start(window, grid)
        session.add(boxes)
        session.propagate()
        session.add(boxes)
        with recording(activities=activities) as recorded:
            begin = now()
            session.propagate()
            wall_s = now() - begin
        session.close()
    if trace is not None:
        recorded.export_chrome_trace(str(trace))
    events = recorded.key_averages()
    longest = sorted(events, key=lambda each: -(each.self_device_time_total or each.self_cpu_time_total))[:_SHOWN]
    return {
        "tracker": name,
        "wall_s": wall_s,
        "aten_calls": sum(each.count for each in events if each.key.startswith("aten::")),
        "device_s": sum(each.self_device_time_total for each in events) / 1e6,
        "trace": trace.name if trace else None,
        "longest": [
            {
                "name": each.key[:120],
                "calls": each.count,
                "device_s": each.self_device_time_total / 1e6,
                "cpu_s": each.self_cpu_time_total / 1e6,
            }
            for each in longest
        ],
    }


def exported(models: Models, plan: Plan) -> Iterator[Trial]:
    """Compile what can be compiled and compare it with torch; on a GPU machine, only what then runs on its GPU."""
    if on_gpu(models):
        from fast_snow.engines.compiled.onnx_runtime import has_cuda

        if not has_cuda():
            yield Trial("ONNX", lambda: {"skipped": "this ONNX Runtime does not use the GPU"})
            return
    for frame in plan.frame:
        yield Trial(f"{frame[0]}x{frame[1]}", partial(export, models, replace(plan, frame=(frame,))))


def end_to_end(models: Models, clip: Clip) -> Iterator[Trial]:
    """Run the pipeline on frames in memory: DA3 and FastSAM on their fastest backend, SAM3, tokens and graph."""
    yield Trial(f"{clip.frames} frames, {clip.objects} objects", partial(_end_to_end, models, clip))


def _eventful(config: Config, clip: Clip) -> Config:
    """Let FastSAM give at most as many detections as there are to be objects, and none count as discovered later.

    What random networks see would else decide how much work there is.
    """
    return replace(
        config,
        fastsam=replace(config.fastsam, max_det=clip.objects, iou_threshold=1.0, discovery_iou_thresh=0.0),
        window=replace(config.window, length=max(clip.frames, 2), overlap=1),
        depth_filter=replace(config.depth_filter, conf_thresh=0.0, min_points=1),
        tracker=replace(config.tracker, nested_thresh=1.0),
        fusion=replace(config.fusion, cross_run_iou_thresh=1.0),
    )


def _end_to_end(models: Models, clip: Clip) -> Mapping[str, Any]:
    config = _eventful(models.config, clip)
    for_geometry, _ = choose("geometry", "da3", geometry.candidates(config, None, clip.size, silent))
    for_segmenter, _ = choose("segmenter", "fastsam", segmenter.candidates(config, None, clip.size, silent))
    engines = EngineOpeners(
        geometry=for_geometry.opener(),
        segmenter=for_segmenter.opener(),
        tracker=lambda: models.open_tracker("sam3"),
    )
    window = Window(index=0, frames=moving_noise(clip.frames, clip.size), shared=0)
    with resident(engines) as kept:
        pipeline = Pipeline(
            perceive=lambda each, watch: perceive(each, engines=kept, config=config, progress=watch),
            picture=partial(keyframes.encode, every=10, jpeg_quality=90),
            fold=partial(fold, config=config),
            start=start(config),
            queue_length=1,
        )
        steps: list[Step] = []
        timing = timed({"clip": lambda: steps.extend(run(pipeline, [window]))}, 2)["clip"]
    wall_s, step = min(zip(timing.seconds, steps[1:], strict=True), key=lambda each: each[0])
    return {
        "engines": [for_geometry.name, for_segmenter.name, "sam3"],
        "frames": clip.frames,
        "frame": f"{clip.size[0]}x{clip.size[1]}",
        "prompts": step.state.health.first_pass_prompts + step.state.health.second_pass_prompts,
        "tracks": len(step.state.graph.tracks),
        "not_counted": "decoding, loading; the first run, which warms up",
        "wall_s": wall_s,
        "frames_per_second": clip.frames / wall_s,
        "aim_frames_per_second": AIM_FPS,
        "stage_s": asdict(step.seconds),
    }
