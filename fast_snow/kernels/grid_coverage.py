"""How much of each cell of a coarse grid a mask covers: tau of a STEP token."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int64

from fast_snow.types import Masks

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)


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
    row_bound, row_cell = _cells(masks.shape[0], grid_size)
    column_bound, column_cell = _cells(masks.shape[1], grid_size)
    inside = np.zeros((len(masks), grid_size, grid_size), np.int32)
    _count(masks.start, masks.stop, masks.offset, row_cell, column_cell, column_bound, inside)
    pixels = np.diff(row_bound)[:, None] * np.diff(column_bound)
    share: Float32[np.ndarray, "m g g"] = (inside / np.maximum(pixels, 1)).astype(np.float32)
    return share


def _cells(pixels: int, grid_size: int) -> tuple[Int64[np.ndarray, " g_plus_1"], Int64[np.ndarray, " pixels"]]:
    """Return the bounds of the cells along one side, and the cell of each pixel."""
    bound = np.arange(grid_size + 1) * pixels // grid_size
    return bound, np.repeat(np.arange(grid_size), np.diff(bound))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _count(start, stop, offset, row_cell, column_cell, column_bound, inside):
    """Count the pixels of each mask in each cell; a run costs the same however many cells it spans."""
    width, grid_size = len(column_cell), inside.shape[1]
    for mask in range(len(offset) - 1):
        begun = np.zeros((grid_size, grid_size + 1), np.int32)  # runs that begin in a cell less those that ended before
        for run in range(offset[mask], offset[mask + 1]):
            row = start[run] // width
            left, right = start[run] - row * width, stop[run] - row * width
            i, j, k = row_cell[row], column_cell[left], column_cell[right - 1]
            begun[i, j] += 1
            begun[i, k + 1] -= 1
            inside[mask, i, j] -= left - column_bound[j]
            inside[mask, i, k] -= column_bound[k + 1] - right
        for i in range(grid_size):
            spanning = 0
            for j in range(grid_size):
                spanning += begun[i, j]
                inside[mask, i, j] += spanning * (column_bound[j + 1] - column_bound[j])
