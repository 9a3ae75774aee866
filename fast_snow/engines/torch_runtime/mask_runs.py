"""Masks leave the device as runs: a dense stack of 200 masks at 1080p is 400 MB, its runs are a few hundred kB."""

import numpy as np
import torch
from jaxtyping import Bool, Float

from fast_snow.types import GridShape, Masks


def encode(inside: Bool[torch.Tensor, "m h w"]) -> Masks:
    """Run-length encode dense masks where they are; the arrays are in host memory and belong to the caller."""
    count, height, width = inside.shape
    outside = inside.new_zeros((count, height, 1))
    begins = inside & ~torch.cat([outside, inside[..., :-1]], dim=2)
    ends = inside & ~torch.cat([inside[..., 1:], outside], dim=2)
    start = begins.flatten().nonzero().flatten()
    stop = ends.flatten().nonzero().flatten() + 1
    size = height * width
    mask = start // max(size, 1)
    runs = torch.bincount(mask, minlength=count)
    offset = np.zeros(count + 1, np.int32)
    offset[1:] = runs.cumsum(0).cpu().numpy()
    return Masks(
        start=(start - mask * size).to(torch.int32).cpu().numpy(),
        stop=(stop - mask * size).to(torch.int32).cpu().numpy(),
        offset=offset,
        shape=(height, width),
    )


def encode_logits(logits: Float[torch.Tensor, "m h w"], shape: GridShape) -> Masks:
    """Bring mask logits to a grid by bilinear interpolation and encode where they are positive; empty masks stay."""
    on_grid = torch.nn.functional.interpolate(logits[:, None].float(), size=shape, mode="bilinear", align_corners=False)
    return encode(on_grid[:, 0] > 0)
