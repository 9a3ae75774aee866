"""Image features of the frames of a window: computed once, kept where they fit, shared by all objects and passes."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float

from fast_snow.config import FeatureStore, Offload
from fast_snow.engines.sam3.images import NetworkImages
from fast_snow.engines.torch_runtime.memory import free_bytes

Encode = Callable[[Float[torch.Tensor, "1 3 s s"]], Sequence[torch.Tensor]]
"""Turns a normalised image into feature maps `(1, channels, height, width)`."""

_SHARE = 0.5
"""Features may take this share of what is free; the rest is for tracking."""
_STATE_BYTES, _STATE_SHARE = 1 << 30, 0.1
"""What SAM3 remembers of some 120 objects at full size, and the share of what is free that it may take."""


class KeptFeatures:
    """Feature maps that wait on the device, in pinned host memory, or are computed again.

    Those of the frame in work are on the device always: prompt, memory and objects may ask for them one after another.
    """

    def __init__(self, store: FeatureStore, *, frames: int, device: torch.device) -> None:
        self.store = store
        """Where they wait; `auto` until the first frame, which tells how much a frame takes."""
        self._frames, self._device = frames, device
        self._waiting: dict[int, Sequence[torch.Tensor]] = {}
        self._in_work: tuple[int, Sequence[torch.Tensor]] | None = None

    def of(self, frame: int) -> Sequence[torch.Tensor] | None:
        """Return the maps of a frame on the device, which must not be changed; None where they must be computed."""
        if self._in_work is not None and self._in_work[0] == frame:
            return self._in_work[1]
        self._in_work = None  # before the next frame takes its place
        if frame not in self._waiting:
            return None
        maps = [each.to(self._device, non_blocking=True) for each in self._waiting[frame]]
        self._in_work = (frame, maps)
        return maps

    def keep(self, frame: int, maps: Sequence[torch.Tensor]) -> None:
        """Keep the maps of a frame that were just computed."""
        if self.store == "auto":
            self.store = _what_fits(sum(each.nbytes for each in maps) * self._frames, self._device)
        if self.store != "recompute":
            self._waiting[frame] = [to_pinned(each, self._device) for each in maps] if self.store == "host" else maps
        self._in_work = (frame, maps)

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()
        self._in_work = None


class Features:
    """Feature maps per frame, computed when first asked for."""

    def __init__(self, images: NetworkImages, encode: Encode, kept: KeptFeatures) -> None:
        self._images: NetworkImages | tuple[()] = images
        self._encode, self._kept = encode, kept
        self.computed = 0
        """How many times the network ran."""

    def __len__(self) -> int:
        return len(self._images)

    def of(self, frame: int) -> Sequence[torch.Tensor]:
        """Return the feature maps of a frame on the device; they belong to the store and must not be changed."""
        maps = self._kept.of(frame)
        if maps is None:
            maps = self._encode(self._images[frame][None])
            self.computed += 1
            self._kept.keep(frame, maps)
        return maps

    def close(self) -> None:
        """Forget all features and frames."""
        self._kept.clear()
        self._images = ()


def to_pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor of a GPU to pinned host memory without waiting; later work on the GPU's stream sees it whole."""
    if device.type != "cuda":
        return tensor
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return pinned.copy_(tensor, non_blocking=True)


def state_waits_on_host(setting: Offload, device: torch.device) -> bool:
    """Tell whether the memory of objects waits in host memory; `auto`: where the device has no room for it."""
    if setting != "auto":
        return setting
    free = free_bytes(device)
    return free is not None and free * _STATE_SHARE < _STATE_BYTES


def _what_fits(size: int, device: torch.device) -> FeatureStore:
    free = free_bytes(device)
    host = _free_host_bytes()
    if size <= _SHARE * (host if free is None else free):
        return "device"
    return "host" if free is not None and size <= _SHARE * host else "recompute"


def _free_host_bytes() -> int:
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as table:
            return next(int(line.split()[1]) << 10 for line in table if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux: half of what there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
