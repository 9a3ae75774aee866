"""Frames and masks as SAM3 and its kin take them: squares of one size, whatever the shape of the video."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, UInt8

from fast_snow.engines.torch_runtime.squares import HALF, Normalization, square
from fast_snow.kernels.masks import decode
from fast_snow.types import ImageStack, Masks


@dataclass(frozen=True, slots=True, eq=False)
class NetworkImages:
    """The frames of a window, brought to the network's input one by one when they are asked for.

    At 1008 pixels a prepared frame takes 12 MB, as decoded it is in memory already; transformers keeps its frames in
    these too.
    """

    levels: ImageStack | UInt8[torch.Tensor, "n height width 3"]
    side: int
    device: torch.device
    normalization: Normalization

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, t: int) -> Float32[torch.Tensor, "3 side side"]:
        """Return a frame as the network takes it; the tensor belongs to the caller."""
        waiting = self.levels[t]
        levels = waiting if isinstance(waiting, torch.Tensor) else torch.tensor(waiting, device=self.device)
        return square(levels, self.side, self.normalization)


def network_images(
    images: ImageStack, *, side: int, device: torch.device, on_host: bool, normalization: Normalization = HALF
) -> NetworkImages:
    """Put the frames of a window where they wait: in host memory, shared and not copied, or on the device."""
    return NetworkImages(images if on_host else torch.tensor(images, device=device), side, device, normalization)


def network_mask(mask: Masks, *, side: int, device: torch.device) -> Float32[torch.Tensor, "1 1 side side"]:
    """Bring a mask, a set of one, to the network's input: 1 inside, where at least half of a pixel is covered."""
    dense = torch.tensor(decode(mask), device=device)[:, None].float()
    if dense.shape[-2:] == (side, side):
        return dense
    stretched = torch.nn.functional.interpolate(
        dense, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return (stretched >= 0.5).float()
