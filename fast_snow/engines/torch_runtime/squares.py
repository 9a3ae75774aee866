"""Frames as networks of the SAM family take them: squares of one size, whatever the shape of the video."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float32, UInt8
from torchvision.transforms.v2 import InterpolationMode, functional

Channels = tuple[float, float, float]


class Normalization(NamedTuple):
    """What is subtracted from levels from 0 to 255, and what then divides them, in each channel."""

    mean: Channels
    std: Channels


HALF: Final = Normalization(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
"""Mean and standard deviation 0.5, of levels in [0, 1]."""
IMAGENET: Final = Normalization(
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), std=(0.229 * 255, 0.224 * 255, 0.225 * 255)
)


def square(
    levels: UInt8[torch.Tensor, "height width 3"], side: int, normalization: Normalization
) -> Float32[torch.Tensor, "3 side side"]:
    """Stretch a frame to a square and normalize it where it is; the result belongs to the caller."""
    stretched = functional.resize(
        levels.permute(2, 0, 1), [side, side], interpolation=InterpolationMode.BILINEAR, antialias=True
    )
    mean, std = (torch.tensor(each, device=levels.device)[:, None, None] for each in normalization)
    return (stretched.float() - mean) / std
