"""Masks on another grid."""

import numpy as np
from jaxtyping import Int64

from fast_snow.types import GridShape, Masks
from fast_snow.types.values import offsets


def resize(masks: Masks, shape: GridShape) -> Masks:
    """Bring masks to another grid by nearest pixel centre.

    An output pixel `(v, u)` is inside where the source pixel under its centre is: row `⌊(2v+1)·H / 2h⌋` and column
    `⌊(2u+1)·W / 2w⌋` for a source of `H × W` and an output of `h × w`.

    Args:
        masks: `m` masks.
        shape: height and width of the output grid.

    Returns:
        `m` masks; one that vanishes stays as an empty entry.
    """
    if shape == masks.shape:
        return masks
    first_row, first_column = (_first_from(*sides) for sides in zip(masks.shape, shape, strict=True))
    # 1. Bound each run in output columns and copy it to every output row that is taken from its row.
    row, column = np.divmod(masks.start, max(masks.shape[1], 1))
    left, right = first_column[column], first_column[column + masks.stop - masks.start]
    copies = np.where(left < right, np.diff(first_row)[row], 0)
    run = np.repeat(np.arange(len(row)), copies)
    owner = np.repeat(np.arange(len(masks)), np.diff(masks.offset))[run]
    origin = (first_row[row[run]] + np.arange(len(run)) - np.repeat(np.cumsum(copies) - copies, copies)) * shape[1]
    # 2. Bring the copies into raster order and join those between which a gap has vanished.
    order = np.argsort(owner * shape[0] * shape[1] + origin + left[run], kind="stable")
    owner, origin, run = owner[order], origin[order], run[order]
    start, stop = origin + left[run], origin + right[run]
    apart = np.ones(len(run) + 1, np.bool_)
    apart[1:-1] = (start[1:] != stop[:-1]) | (origin[1:] != origin[:-1]) | (owner[1:] != owner[:-1])
    return Masks(
        start=start[apart[:-1]].astype(np.int32),
        stop=stop[apart[1:]].astype(np.int32),
        offset=offsets(np.bincount(owner[apart[:-1]], minlength=len(masks))),
        shape=shape,
    )


def _first_from(source: int, size: int) -> Int64[np.ndarray, " source_plus_1"]:
    """Return, for each row or column of the source, the first one of the output that is taken from it or a later."""
    return np.searchsorted((2 * np.arange(size) + 1) * source // max(2 * size, 1), np.arange(source + 1))
