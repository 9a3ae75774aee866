"""What SAM 3.1's tracker remembers of the objects of a state, and no more than later frames can ask for.

Attention takes the frame in which the state began, the spatial memory of the nearest few frames and the object pointers
of some more. Where objects join later, that frame is one of the nearest few: its memory goes as theirs does.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from fast_snow.engines.sam3.features import to_pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """Of how many frames the network uses spatial memory, beside that in which the state began, and object pointers."""

    spatial: int
    pointers: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Remembered:
    """All objects of a state in one frame: spatial memory of each bucket, the coarsest map, their codes, and pointers.

    Memory and map, `(pixels, 1, channels)`, are None once they cannot be used.
    """

    spatial: torch.Tensor | None
    position: torch.Tensor
    image: torch.Tensor | None
    image_position: torch.Tensor
    pointers: torch.Tensor


class SharedMemory:
    """The memory of objects that share buckets."""

    def __init__(self, limits: MemoryLimits, device: torch.device, *, on_host: bool) -> None:
        self.slots: Any = None
        """Upstream's `MultiplexState`: which object has which slot; None until the first objects join."""
        self.objects = 0
        """How many there are."""
        self._limits = limits
        self._device, self._on_host = device, on_host
        self._began: dict[int, Remembered] = {}
        self._past: dict[int, Remembered] = {}
        self._position: torch.Tensor | None = None

    def remember(self, frame: int, remembered: Remembered) -> None:
        """Add a frame, one step further than the last, and forget what no later frame can use."""
        kept = self._placed(remembered)
        if not self._began:
            self._began[frame] = kept
            return
        self._past[frame] = kept
        for i in list(self._past):
            if abs(frame - i) >= self._limits.pointers:
                del self._past[i]
            elif abs(frame - i) >= self._limits.spatial:
                self._past[i] = replace(self._past[i], spatial=None, image=None)

    def as_upstream(self) -> dict[str, dict[int, dict[str, Any]]]:
        """Return the memory in the form that upstream's `track_step` takes."""
        return {
            "cond_frame_outputs": {frame: self._entry(each) for frame, each in self._began.items()},
            "non_cond_frame_outputs": {frame: self._entry(each) for frame, each in self._past.items()},
        }

    @property
    def nbytes(self) -> int:
        """How much the memory takes, without the image features, which belong to the frames."""
        every = [*self._began.values(), *self._past.values()]
        return sum(t.nbytes for each in every for t in (each.spatial, each.pointers) if t is not None)

    def _placed(self, remembered: Remembered) -> Remembered:
        if self._position is None:
            self._position = remembered.position[:1].clone()
        spatial = remembered.spatial
        if self._on_host and spatial is not None:
            spatial = to_pinned(spatial, self._device)
        return replace(remembered, spatial=spatial, position=self._position)

    def _entry(self, remembered: Remembered) -> dict[str, Any]:
        spatial = remembered.spatial
        return {
            "maskmem_features": None if spatial is None else spatial.to(self._device, non_blocking=True),
            "maskmem_pos_enc": [remembered.position.expand(len(remembered.pointers), -1, -1, -1)],
            "image_features": remembered.image,
            "image_pos_enc": remembered.image_position,
            "obj_ptr": remembered.pointers,
        }
