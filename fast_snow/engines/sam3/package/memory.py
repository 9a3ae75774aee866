"""What the tracker remembers of a batch of objects, and no more than later frames can ask for.

Memory selection (`Sam3TrackerBase.frame_filter`) looks, nearest first, for frames whose score exceeds a threshold, and
uses the spatial memory of the nearest few and the object pointers of some more; the frame just before is always used.
Anything else is dropped, so that memory does not grow with the clip.
"""

from dataclasses import dataclass
from typing import Any

import torch

from fast_snow.engines.sam3.features import to_pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """How much of the past the network uses.

    Attributes:
        spatial: frames whose spatial memory is used beside the prompt's.
        pointers: frames whose object pointers are used.
        good_score: frames that score at most this are not used, but for the one just before.
    """

    spatial: int
    pointers: int
    good_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A batch of `m` objects in one frame.

    Attributes:
        spatial: spatial memory, in the network's precision; None once it cannot be used.
        pointer: object pointers.
        score: mean over the objects of predicted IoU times presence, which decides on the use of the frame.
    """

    spatial: torch.Tensor | None
    pointer: torch.Tensor
    score: float


class MemoryBank:
    """The memory of a batch of objects that were prompted in one frame."""

    def __init__(
        self,
        prompted_at: int,
        prompted: Remembered,
        *,
        position: torch.Tensor,
        limits: MemoryLimits,
        device: torch.device,
        on_host: bool,
    ) -> None:
        self._prompted_at, self._prompted = prompted_at, prompted
        self._position = position
        self._limits = limits
        self._device, self._on_host = device, on_host
        self._past: dict[int, Remembered] = {}
        self._first: dict[int, Remembered] = {}

    def remember(self, frame: int, remembered: Remembered) -> None:
        """Add a frame that was just tracked, and forget what no later frame can use.

        Args:
            frame: one step further from the prompt than the last.
            remembered: the objects in it.
        """
        self._past[frame] = self._placed(remembered)
        good = self._good(self._past, frame)
        for i in set(self._past) - {frame, *good[: self._limits.pointers]}:
            del self._past[i]
        for i in set(self._past) - {frame, *good[: self._limits.spatial]}:
            self._past[i] = _without_spatial(self._past[i])
        if remembered.score > self._limits.good_score and len(self._first) < self._limits.pointers:
            kept = self._past[frame]
            self._first[frame] = kept if len(self._first) < self._limits.spatial else _without_spatial(kept)

    def turn(self) -> None:
        """Prepare for going backwards from the prompt: the good frames that follow it stay in memory, as upstream."""
        self._past, self._first = self._first, {}

    def as_upstream(self) -> dict[str, dict[int, dict[str, Any]]]:
        """Return the memory in the form that `Sam3TrackerBase.track_step` takes."""
        return {
            "cond_frame_outputs": {self._prompted_at: self._entry(self._prompted)},
            "non_cond_frame_outputs": {frame: self._entry(each) for frame, each in self._past.items()},
        }

    @property
    def nbytes(self) -> int:
        """How much the memory takes."""
        every = {id(each): each for each in (self._prompted, *self._past.values(), *self._first.values())}
        held = [t for each in every.values() for t in (each.spatial, each.pointer) if t is not None]
        return sum(each.nbytes for each in held)

    def _good(self, past: dict[int, Remembered], newest: int) -> list[int]:
        good = [frame for frame, each in past.items() if each.score > self._limits.good_score]
        return sorted(good, key=lambda frame: abs(frame - newest))

    def _placed(self, remembered: Remembered) -> Remembered:
        if not self._on_host or remembered.spatial is None:
            return remembered
        return Remembered(
            spatial=to_pinned(remembered.spatial, self._device), pointer=remembered.pointer, score=remembered.score
        )

    def _entry(self, remembered: Remembered) -> dict[str, Any]:
        spatial = remembered.spatial
        count = len(remembered.pointer)
        return {
            "maskmem_features": None if spatial is None else spatial.to(self._device, non_blocking=True),
            "maskmem_pos_enc": [self._position.expand(count, -1, -1, -1)],
            "obj_ptr": remembered.pointer,
            "eff_iou_score": remembered.score,
        }


def _without_spatial(remembered: Remembered) -> Remembered:
    return Remembered(spatial=None, pointer=remembered.pointer, score=remembered.score)
