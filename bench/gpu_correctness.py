"""Whether trackers answer on a GPU, in each precision, what they answer in fp32 and on the CPU."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from bench.engines import Plan
from bench.made_up import moving_noise, prompts
from bench.random_models import Models
from bench.time_budget import Trial
from fast_snow.config import Precision
from fast_snow.engines.hardware import gpu_count
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.types import TrackedFrame

_COMPARED_FRAMES, _COMPARED_OBJECTS = 6, 4
_ON_CPU_FRAMES = 2
"""A frame of the full network takes half a minute on a CPU of two cores."""


def on_gpu(models: Models) -> bool:
    """Tell whether engines compute on a GPU."""
    return gpu_count() > 0 and models.config.runtime.device != "cpu"


def correctness(models: Models, plan: Plan) -> Iterator[Trial]:
    """Compare each tracker in each precision with itself in fp32, then on the GPU with itself on the CPU."""
    trackers = [name for name in models.openers if name not in models.left_out]
    precisions: tuple[Precision, ...] = ("bf16", "fp16") if on_gpu(models) else ("auto",)
    for precision in precisions:
        for name in trackers:
            compare = partial(_agreement, models, plan, name, frames=_COMPARED_FRAMES, precision=precision)
            yield Trial(f"{name}: {precision} against fp32", compare)
    for name in trackers if on_gpu(models) else ():
        compare = partial(_agreement, models, plan, name, frames=_ON_CPU_FRAMES, device="cpu")
        yield Trial(f"{name}: fp32 on the GPU against the CPU", compare)


def _agreement(
    models: Models, plan: Plan, name: str, *, frames: int, precision: Precision = "fp32", device: str = ""
) -> dict[str, Any]:
    grid = plan.frame[0]
    window = moving_noise(min(plan.window, frames), grid)
    boxes = prompts(min(max(each.objects for each in plan.loads), _COMPARED_OBJECTS), grid)
    answers: list[Sequence[TrackedFrame]] = []
    logits: list[list[Any]] = []
    for chosen, where in (("fp32", ""), (precision, device)):
        with models.open_tracker(name, precision=chosen, device=where) as tracker, _decoded() as decoded:  # type: ignore[arg-type]
            session = tracker.start(window, grid)
            session.add(boxes)
            answers.append(session.propagate())
            session.close()
        logits.append(decoded)
    return {
        "tracker": name,
        "relative_error_of_logits": [float((b - a).norm() / a.norm()) for a, b in zip(*logits, strict=True)],
        "mean_iou_per_frame": [_overlap(*pair) for pair in zip(*answers, strict=True)],
        "masks_per_frame": [[len(a.local_id), len(b.local_id)] for a, b in zip(*answers, strict=True)],
    }


@contextmanager
def _decoded() -> Iterator[list[Any]]:
    """Collect the logits of every mask that is decoded: random weights may leave none above zero."""
    from torch.nn.modules.module import register_module_forward_hook

    collected: list[Any] = []

    def note(module: object, _inputs: object, output: Any) -> None:  # noqa: ANN401 (whatever a module returns)
        if type(module).__name__.endswith("MaskDecoder"):
            collected.append(output[0].float().cpu())

    handle = register_module_forward_hook(note)
    try:
        yield collected
    finally:
        handle.remove()


def _overlap(a: TrackedFrame, b: TrackedFrame) -> float | None:
    """Return the mean IoU of the objects that both answers hold; None where they share none."""
    shared, in_a, in_b = np.intersect1d(a.local_id, b.local_id, return_indices=True)
    if not len(shared):
        return None
    return float(np.diagonal(pairwise_iou(a.masks[in_a], b.masks[in_b])).mean())
