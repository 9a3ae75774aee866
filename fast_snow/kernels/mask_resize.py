"""Masks on another grid."""

from typing import no_type_check

import numba
import numpy as np

from fast_snow.kernels.growth import grown
from fast_snow.types import GridShape, Masks


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
    (height, width), (source_height, source_width) = shape, masks.shape
    source_row = (2 * np.arange(height) + 1) * source_height // max(2 * height, 1)
    source_column = (2 * np.arange(width) + 1) * source_width // max(2 * width, 1)
    first_column = np.searchsorted(source_column, np.arange(source_width + 1)).astype(np.int32)
    start, stop, offset = _resize(masks.start, masks.stop, masks.offset, source_row, first_column, width)
    return Masks(start=start, stop=stop, offset=offset, shape=shape)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _resize(
    start: np.ndarray,
    stop: np.ndarray,
    offset: np.ndarray,
    source_row: np.ndarray,
    first_column: np.ndarray,
    width: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the runs of each output row from those of its source row; `first_column` maps run bounds."""
    source_width, height, count = len(first_column) - 1, len(source_row), len(offset) - 1
    out_offset = np.zeros(count + 1, np.int32)
    out_start = np.empty(2 * len(start) + 16, np.int32)
    out_stop = np.empty(2 * len(start) + 16, np.int32)
    runs = 0
    for mask in range(count):
        first, last = offset[mask], offset[mask]
        for row in range(height):
            origin = source_row[row] * source_width
            while first < offset[mask + 1] and start[first] < origin:
                first += 1
            last = max(first, last)
            while last < offset[mask + 1] and start[last] < origin + source_width:
                last += 1
            while runs + last - first > len(out_start):
                out_start = grown(out_start)
                out_stop = grown(out_stop)
            to = slice(runs, runs + last - first)
            runs += _resize_row(start[first:last], stop[first:last], origin, first_column, out_start[to], out_stop[to])
            for run in range(to.start, runs):
                out_start[run] += row * width
                out_stop[run] += row * width
        out_offset[mask + 1] = runs
    return out_start[:runs].copy(), out_stop[:runs].copy(), out_offset


@numba.njit(cache=True, nogil=True)
@no_type_check
def _resize_row(
    start: np.ndarray,
    stop: np.ndarray,
    origin: int,
    first_column: np.ndarray,
    out_start: np.ndarray,
    out_stop: np.ndarray,
) -> int:
    """Write the runs of one row in output columns and return how many are left."""
    runs = 0
    for run in range(len(start)):
        left, right = first_column[start[run] - origin], first_column[stop[run] - origin]
        if left == right:
            continue
        if runs > 0 and out_stop[runs - 1] == left:
            out_stop[runs - 1] = right
        else:
            out_start[runs] = left
            out_stop[runs] = right
            runs += 1
    return runs
