"""What upstream's network must be told differently to be exported, for as long as that takes.

Each patch computes exactly what upstream computes, without what a graph cannot hold: caches, values read back from
tensors, and branches on the number of frames.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partialmethod
from typing import Any, Final
from unittest.mock import patch

import torch

from fast_snow.engines.da3.preprocessing import PATCH
from fast_snow.engines.da3.quiet_import import dpt, dualdpt, rope, vision_transformer

_NEVER: Final = sys.maxsize
"""From this many frames on upstream reorders them by the one that the others refer to; below, the first is that."""


@contextmanager
def exportable(frame: tuple[int, int]) -> Iterator[None]:
    """Patch upstream such that its network can be exported for one size (multiples of 14); leaving restores it."""
    backbone = vision_transformer.DinoVisionTransformer
    with ExitStack() as scope:

        def replace(owner: object, name: str, new: object) -> None:
            scope.enter_context(patch.object(owner, name, new))

        replace(rope.PositionGetter, "__call__", partialmethod(_positions, frame))
        replace(rope.RotaryPositionEmbedding2D, "forward", partialmethod(_rotate, frame))
        replace(backbone, "interpolate_pos_encoding", _constant_embedding(backbone.interpolate_pos_encoding, frame))
        replace(vision_transformer, "THRESH_FOR_REF_SELECTION", _NEVER)
        replace(dualdpt, "custom_interpolate", _interpolate)
        replace(dpt, "custom_interpolate", _interpolate)
        yield


Traced = Any
"""A whole number, which tracing replaces by a tensor."""


def _positions(
    _getter: object, frame: tuple[int, int], batch_size: Traced, _height: Traced, _width: Traced, device: torch.device
) -> torch.Tensor:
    """Return row and column of every patch, (batch_size, patches, 2): without cache and Cartesian product."""
    height, width = frame[0] // PATCH, frame[1] // PATCH
    rows = torch.arange(height, device=device)[:, None].expand(height, width)
    columns = torch.arange(width, device=device)[None, :].expand(height, width)
    grid = torch.stack([rows, columns], dim=-1).reshape(1, height * width, 2)
    return grid.expand(batch_size, -1, -1)


def _rotate(
    embedding: Any,  # noqa: ANN401 (upstream's module)
    frame: tuple[int, int],
    tokens: torch.Tensor,
    positions: torch.Tensor,
) -> torch.Tensor:
    """Rotate tokens by their position; the table's length is known from the frame, not read from the positions.

    The table's angles are fp32 also where tokens are half precision: upstream's automatic precision has them so.
    """
    longest = max(frame) // PATCH + 2
    with patch.object(embedding, "frequency_cache", {}):
        table = embedding._compute_frequency_components(tokens.shape[-1] // 2, longest, tokens.device, torch.float32)
    cosine, sine = (each.to(tokens.dtype) for each in table)
    vertical, horizontal = tokens.chunk(2, dim=-1)
    return torch.cat(
        [
            embedding._apply_1d_rope(vertical, positions[..., 0], cosine, sine),
            embedding._apply_1d_rope(horizontal, positions[..., 1], cosine, sine),
        ],
        dim=-1,
    )


def _constant_embedding(original: Callable[..., torch.Tensor], frame: tuple[int, int]) -> Callable[..., torch.Tensor]:
    """Return a method that answers what the original answers for the frame, computed once per network and precision."""
    known: dict[tuple[int, torch.dtype], torch.Tensor] = {}

    def interpolate(backbone: Any, tokens: torch.Tensor, _height: Traced, _width: Traced) -> torch.Tensor:  # noqa: ANN401
        key = (id(backbone), tokens.dtype)
        if key not in known:
            count = (frame[0] // PATCH) * (frame[1] // PATCH) + 1
            like = torch.empty((1, count, backbone.embed_dim), dtype=tokens.dtype)
            known[key] = original(backbone, like, *frame).detach()
        return known[key]

    return interpolate


def _interpolate(
    image: torch.Tensor,
    size: Sequence[Traced] | None = None,
    scale_factor: int | float | None = None,
    mode: str = "bilinear",
    align_corners: bool = True,
) -> torch.Tensor:
    """Interpolate in one piece: upstream splits the batch above 1.6e9 values, which is a branch on its length."""
    wanted = size or [side * (scale_factor or 1) for side in image.shape[-2:]]
    fixed = [int(side) for side in wanted]
    return torch.nn.functional.interpolate(image, size=fixed, mode=mode, align_corners=align_corners)
