"""Image features of the frames of a window: computed once, kept where they fit, shared by all objects and passes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torchvision.transforms.v2 import functional as transforms

from fast_snow.config import FeatureStore
from fast_snow.engines.torch_runtime.memory import free_bytes

Encode = Callable[[Float[torch.Tensor, "1 3 s s"]], Sequence[torch.Tensor]]
"""Turns a normalised image into feature maps `(1, channels, height, width)`."""

_SHARE = 0.5
"""Features may take this share of what is free; the rest is for tracking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePlace:
    """Where frames and features are.

    Attributes:
        device: where the network computes.
        store: where features wait; `auto` decides after the first frame.
        frames_on_host: whether frames wait in host memory.
    """

    device: torch.device
    store: FeatureStore
    frames_on_host: bool


class Features:
    """Feature maps per frame, computed when first asked for."""

    def __init__(
        self, images: UInt8[np.ndarray, "n height width 3"], encode: Encode, *, side: int, place: FeaturePlace
    ) -> None:
        self._frames = _Frames(images, side, place)
        self._encode = encode
        self._place = place
        self.store: Literal["device", "host", "recompute"] | None = None if place.store == "auto" else place.store
        self._kept: dict[int, Sequence[torch.Tensor]] = {}
        self.computed = 0
        """How many times the network ran."""

    def __len__(self) -> int:
        return len(self._frames)

    def of(self, frame: int) -> Sequence[torch.Tensor]:
        """Return the feature maps of a frame on the device; they belong to the store and must not be changed."""
        if frame in self._kept:
            return [each.to(self._place.device, non_blocking=True) for each in self._kept[frame]]
        maps = self._encode(self._frames.normalised(frame))
        self.computed += 1
        if self.store is None:
            self.store = _what_fits(sum(each.nbytes for each in maps) * len(self), self._place.device)
        if self.store == "recompute":
            self._kept.clear()  # the last frame stays: prompt, memory and the first step may all ask for it
        self._kept[frame] = [to_pinned(each, self._place.device) for each in maps] if self.store == "host" else maps
        return maps

    def close(self) -> None:
        """Forget all features and frames."""
        self._kept.clear()
        self._frames.close()


class _Frames:
    """The images of a window, brought to the network's input one by one."""

    def __init__(self, images: UInt8[np.ndarray, "n height width 3"], side: int, place: FeaturePlace) -> None:
        self._images: Sequence[np.ndarray | torch.Tensor] = list(images)
        self._side = side
        self._device = place.device
        if not place.frames_on_host:
            self._images = [self._resized(each) for each in images]

    def __len__(self) -> int:
        return len(self._images)

    def normalised(self, frame: int) -> Float[torch.Tensor, "1 3 s s"]:
        """Return a frame in [-1, 1], as SAM3's image processor makes it: bilinear, antialiased, in 8 bits."""
        image = self._images[frame]
        resized = image if isinstance(image, torch.Tensor) else self._resized(image)
        return (resized.float() / 255 - 0.5) / 0.5

    def close(self) -> None:
        self._images = []

    def _resized(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[torch.Tensor, "1 3 s s"]:
        channels_first = torch.tensor(image).to(self._device).permute(2, 0, 1)[None]
        return transforms.resize(channels_first, [self._side, self._side], antialias=True)


def to_pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor of a GPU to pinned host memory without waiting; later work on the GPU's stream sees it whole."""
    if device.type != "cuda":
        return tensor
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return pinned.copy_(tensor, non_blocking=True)


def _what_fits(size: int, device: torch.device) -> Literal["device", "host", "recompute"]:
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
