"""What the tracker remembers of an object, and no more than later frames can ask for.

Memory selection (`Sam3TrackerBase.frame_filter`) looks, nearest first, for frames whose score exceeds a threshold, and
uses the spatial memory of the nearest few and the object pointers of some more; the frame just before is always used.
Anything else is dropped, so that memory does not grow with the clip.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float

from fast_snow.engines.sam3.features import to_pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """Of how many frames the network uses spatial memory, beside the prompt's, and object pointers.

    Frames that score at most `good_score` are not used, but for the one just before.
    """

    spatial: int
    pointers: int
    good_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An object in one frame: spatial memory in the network's precision, None once it cannot be used, and its pointer.

    The score, predicted IoU times presence, decides on the use of the frame.
    """

    spatial: Float[torch.Tensor, "1 c h w"] | None
    pointer: Float[torch.Tensor, "1 p"]
    score: float


class Recalled(NamedTuple):
    """What a frame looks at: spatial memory, each with the rank of its frame, and pointers, with how far away each is.

    The nearest frame has rank 1, the prompt's 0.
    """

    spatial: list[tuple[int, Float[torch.Tensor, "1 c h w"]]]
    pointers: list[tuple[int, Float[torch.Tensor, "1 p"]]]


class MemoryBank:
    """The memory of an object."""

    def __init__(
        self, prompted_at: int, prompted: Remembered, *, limits: MemoryLimits, device: torch.device, on_host: bool
    ) -> None:
        self.prompted_at = prompted_at
        """The frame in which the object was prompted."""
        self._limits = limits
        self._device, self._on_host = device, on_host
        self._prompted = self._placed(prompted)
        self._past: dict[int, Remembered] = {}
        self._first: dict[int, Remembered] = {}

    def remember(self, frame: int, remembered: Remembered) -> None:
        """Add a frame, one step further from the prompt than the last, and forget what no later frame can use."""
        self._past[frame] = self._placed(remembered)
        good = self._good(frame)
        for i in set(self._past) - {frame, *good[: self._limits.pointers]}:
            del self._past[i]
        for i in set(self._past) - {frame, *good[: self._limits.spatial]}:
            self._past[i] = replace(self._past[i], spatial=None)
        if remembered.score > self._limits.good_score and len(self._first) < self._limits.pointers:
            kept = self._past[frame]
            self._first[frame] = kept if len(self._first) < self._limits.spatial else replace(kept, spatial=None)

    def turn(self) -> None:
        """Prepare for going backwards from the prompt: the good frames that follow it stay in memory, as upstream."""
        self._past, self._first = self._first, {}

    def recall(self, frame: int, *, num_frames: int, reverse: bool) -> Recalled:
        """Return what the next frame looks at, as upstream's `Sam3TrackerBase.frame_filter` and what it serves."""
        most = min(num_frames - 1, self._limits.pointers)
        chosen = self._good(frame)[:most]
        before = frame + 1 if reverse else frame - 1
        if before not in chosen:
            chosen = [before, *chosen]
        past = [(rank, self._past[i]) for rank, i in enumerate(chosen, start=1) if i in self._past]
        prompted = self._prompted
        spatial = [(rank, each.spatial) for rank, each in past if rank <= self._limits.spatial]
        pointers = [(rank, each.pointer) for rank, each in past if rank <= most and rank < len(chosen)]
        return Recalled(
            [(rank, each.to(self._device, non_blocking=True)) for rank, each in [(0, prompted.spatial), *spatial]],  # type: ignore[union-attr]
            [(abs(frame - self.prompted_at), prompted.pointer), *pointers],
        )

    @property
    def nbytes(self) -> int:
        """How much the memory takes."""
        every = {id(each): each for each in (self._prompted, *self._past.values(), *self._first.values())}
        held = [t for each in every.values() for t in (each.spatial, each.pointer) if t is not None]
        return sum(each.nbytes for each in held)

    def _good(self, newest: int) -> list[int]:
        good = [frame for frame, each in self._past.items() if each.score > self._limits.good_score]
        return sorted(good, key=lambda frame: abs(frame - newest))

    def _placed(self, remembered: Remembered) -> Remembered:
        """Bring the memory where it waits; it shares nothing with that of the batch in which it was made."""
        spatial = remembered.spatial
        assert spatial is not None, "of a frame that was just tracked"
        to_host = self._on_host and self._device.type == "cuda"
        own = to_pinned(spatial, self._device) if to_host else spatial.clone()
        return replace(remembered, spatial=own, pointer=remembered.pointer.clone())
