"""Frames and masks as SAM3 takes them: squares of one size, whatever the shape of the video."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float32, UInt8
from torchvision.transforms.v2 import InterpolationMode, functional

from fast_snow.kernels.masks import decode
from fast_snow.types import ImageStack, Masks

_MIDDLE: Final = 127.5
"""Grey levels become `level / 127.5 - 1`: mean and standard deviation 0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkImages:
    """The frames of a window, brought to the network's input one by one when they are asked for.

    At 1008 pixels a prepared frame takes 12 MB, as decoded it is in memory already; transformers keeps its frames in
    these too.

    Attributes:
        levels: decoded frames, where they wait.
        side: of the network's input in pixels.
        device: where the network computes.
    """

    levels: ImageStack | UInt8[torch.Tensor, "n height width 3"]
    side: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, t: int) -> Float32[torch.Tensor, "3 side side"]:
        """Return a frame as the network takes it; the tensor belongs to the caller."""
        waiting = self.levels[t]
        levels = waiting if isinstance(waiting, torch.Tensor) else torch.tensor(waiting, device=self.device)
        square = functional.resize(
            levels.permute(2, 0, 1), [self.side, self.side], interpolation=InterpolationMode.BILINEAR, antialias=True
        )
        return (square.float() - _MIDDLE) / _MIDDLE


def network_images(images: ImageStack, *, side: int, device: torch.device, on_host: bool) -> NetworkImages:
    """Put the frames of a window where they wait.

    Args:
        images: as decoded; shared, not copied, where they wait in host memory.
        side: of the network's input in pixels.
        device: where the network computes.
        on_host: whether they wait in host memory rather than the device's.

    Returns:
        The frames.
    """
    return NetworkImages(images if on_host else torch.tensor(images, device=device), side, device)


def network_mask(mask: Masks, *, side: int, device: torch.device) -> Float32[torch.Tensor, "1 1 side side"]:
    """Bring a mask on the analysis grid to the network's input: 1 inside, where at least half of a pixel is covered.

    Args:
        mask: a set of one.
        side: of the network's input in pixels.
        device: where the network computes.

    Returns:
        0 or 1; the tensor belongs to the caller.
    """
    dense = torch.tensor(decode(mask), device=device)[:, None].float()
    if dense.shape[-2:] == (side, side):
        return dense
    square = torch.nn.functional.interpolate(
        dense, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return (square >= 0.5).float()
