"""How much of each cell of a coarse grid a mask covers: tau of a STEP token."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32

from fast_snow.types import Masks


def coverage(masks: Masks, grid_size: int) -> Float32[np.ndarray, "m g g"]:
    """Measure the share of every grid cell's pixels that is inside each mask.

    Cell `(i, j)` covers rows `⌊i·h/g⌋ … ⌊(i+1)·h/g⌋-1` and columns alike.

    Args:
        masks: `m` masks on an `h × w` grid.
        grid_size: `g`, the number of cells per side, at least 1.

    Returns:
        Shares in [0, 1]; 0 for cells without pixels (a pixel grid smaller than `g`).

    Reference:
        SNOW, arXiv 2512.16461, section 3: tau of a STEP token.
    """
    height, width = masks.shape
    row_bound = np.arange(grid_size + 1) * height // grid_size
    column_bound = np.arange(grid_size + 1) * width // grid_size
    row_cell = np.repeat(np.arange(grid_size), np.diff(row_bound))
    column_cell = np.repeat(np.arange(grid_size), np.diff(column_bound))
    inside = np.zeros((len(masks), grid_size, grid_size), np.int32)
    _count(masks.start, masks.stop, masks.offset, row_cell, column_cell, column_bound, inside)
    pixels = np.diff(row_bound)[:, None] * np.diff(column_bound)
    return (inside / np.maximum(pixels, 1)).astype(np.float32)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _count(start, stop, offset, row_cell, column_cell, column_bound, inside):
    width = len(column_cell)
    for mask in range(len(offset) - 1):
        for run in range(offset[mask], offset[mask + 1]):
            row = start[run] // width
            left, right = start[run] - row * width, stop[run] - row * width
            for cell in range(column_cell[left], column_cell[right - 1] + 1):
                inside[mask, row_cell[row], cell] += min(right, column_bound[cell + 1]) - max(left, column_bound[cell])
