"""Masks on another grid."""

from typing import no_type_check

import numba
import numpy as np

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
def _resize(start, stop, offset, source_row, first_column, width):
    source_width = len(first_column) - 1
    height = len(source_row)
    count = len(offset) - 1
    out_offset = np.zeros(count + 1, np.int32)
    most = 0
    for mask in range(count):
        first = offset[mask]
        for row in range(height):
            while first < offset[mask + 1] and start[first] < source_row[row] * source_width:
                first += 1
            run = first
            while run < offset[mask + 1] and start[run] < (source_row[row] + 1) * source_width:
                run += 1
            most += run - first
    out_start = np.empty(most, np.int32)
    out_stop = np.empty(most, np.int32)
    runs = 0
    for mask in range(count):
        first = offset[mask]
        for row in range(height):
            origin = source_row[row] * source_width
            while first < offset[mask + 1] and start[first] < origin:
                first += 1
            run = first
            end = -1
            while run < offset[mask + 1] and start[run] < origin + source_width:
                left = first_column[start[run] - origin]
                right = first_column[stop[run] - origin]
                if left < right:
                    if left == end:
                        out_stop[runs - 1] = row * width + right
                    else:
                        out_start[runs] = row * width + left
                        out_stop[runs] = row * width + right
                        runs += 1
                    end = right
                run += 1
        out_offset[mask + 1] = runs
    return out_start[:runs].copy(), out_stop[:runs].copy(), out_offset
