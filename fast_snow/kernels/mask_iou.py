"""Intersection over union of masks.

Almost every mask has few runs per row. Such a mask is laid out as a few *layers*: its first run of every row, its
second, and so on. The overlap of two layers is a loop over their common rows without a branch: it runs in SIMD lanes;
the overlap of two masks is the sum over pairs of layers. A mask with many runs in some row is merged run by run.
"""

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32

from fast_snow.errors import InputError
from fast_snow.kernels.threads import over_masks
from fast_snow.types import Masks

MOST_LAYERS = 16
"""With more runs than this in one row, layers cost more than merging."""


class _Layers(NamedTuple):
    """Masks as layers.

    Attributes:
        area: pixels of each mask.
        layers: of each mask, shape `(m,)`; 0 where there are too many.
        first_row: first row of each mask.
        box: rows and columns of each layer, `(y0, y1, x0, x1)` half-open, shape `(m, MOST_LAYERS, 4)`.
        origin: where the table of each mask begins; one layer after the other, one entry per row.
        left: first column of the run; 0 in a row without one.
        right: one past its last column; 0 in a row without one.
    """

    area: np.ndarray
    layers: np.ndarray
    first_row: np.ndarray
    box: np.ndarray
    origin: np.ndarray
    left: np.ndarray
    right: np.ndarray


def pairwise_iou(a: Masks, b: Masks) -> Float32[np.ndarray, "a b"]:
    """Compute the IoU of every mask of `a` with every mask of `b`.

    Args:
        a: masks.
        b: masks on the same grid.

    Returns:
        Values in [0, 1]; 0 where both masks are empty.

    Raises:
        InputError: if the grids differ.
    """
    if a.shape != b.shape:
        raise InputError(f"masks: got grids of {a.shape} and {b.shape}, expected one grid; resize one of them")
    iou = np.zeros((len(a), len(b)), np.float32)
    a_runs, b_runs = (a.start, a.stop, a.offset), (b.start, b.stop, b.offset)
    a_layers, b_layers = _Layers(*_layers(*a_runs, a.shape[1])), _Layers(*_layers(*b_runs, b.shape[1]))

    def compare(first: int, last: int) -> None:
        _compare(first, last, a_runs, a_layers, b_runs, b_layers, iou)

    over_masks(compare, np.diff(a.offset).astype(np.int64) * len(b))
    return iou


@numba.njit(cache=True, nogil=True)
@no_type_check
def _layers(start: np.ndarray, stop: np.ndarray, offset: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    """Lay masks out; see `_Layers` for what is returned."""
    m = len(offset) - 1
    area = np.zeros(m, np.int64)
    count = np.zeros(m, np.int64)
    first_row = np.zeros(m, np.int64)
    box = np.zeros((m, MOST_LAYERS, 4), np.int64)
    origin = np.zeros(m + 1, np.int64)
    for mask in range(m):
        first, last = offset[mask], offset[mask + 1]
        for run in range(first, last):
            area[mask] += stop[run] - start[run]
        origin[mask + 1] = origin[mask]
        if first < last:
            first_row[mask] = start[first] // width
            count[mask] = _box_layers(start[first:last], stop[first:last], width, box[mask])
            origin[mask + 1] += count[mask] * (start[last - 1] // width + 1 - first_row[mask])
    left = np.zeros(origin[m], np.int32)
    right = np.zeros(origin[m], np.int32)
    for mask in range(m):
        if count[mask] > 0:
            runs = slice(offset[mask], offset[mask + 1])
            table = slice(origin[mask], origin[mask + 1])
            _fill(start[runs], stop[runs], width, first_row[mask], count[mask], left[table], right[table])
    return area, count, first_row, box, origin, left, right


@numba.njit(cache=True, nogil=True)
@no_type_check
def _box_layers(start: np.ndarray, stop: np.ndarray, width: int, box: np.ndarray) -> int:
    """Box the layers of one mask and return how many there are, 0 where they are too many."""
    layer, layers, row = -1, 0, -1
    for run in range(len(start)):
        v = start[run] // width
        layer = layer + 1 if v == row else 0
        row = v
        if layer == MOST_LAYERS:
            return 0
        left, right = start[run] - row * width, stop[run] - row * width
        if layer == layers:
            layers += 1
            box[layer] = row, row + 1, left, right
        else:
            box[layer, 1] = row + 1
            box[layer, 2] = min(box[layer, 2], left)
            box[layer, 3] = max(box[layer, 3], right)
    return layers


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill(
    start: np.ndarray, stop: np.ndarray, width: int, first_row: int, count: int, left: np.ndarray, right: np.ndarray
) -> None:
    rows = len(left) // count
    layer, row = 0, -1
    for run in range(len(start)):
        v = start[run] // width
        layer = layer + 1 if v == row else 0
        row = v
        left[layer * rows + row - first_row] = start[run] - row * width
        right[layer * rows + row - first_row] = stop[run] - row * width


@numba.njit(cache=True, nogil=True)
@no_type_check
def _compare(
    first: int,
    last: int,
    a_runs: tuple[np.ndarray, ...],
    a: _Layers,
    b_runs: tuple[np.ndarray, ...],
    b: _Layers,
    iou: np.ndarray,
) -> None:
    """Write rows `first:last` of the matrix."""
    for i in range(first, last):
        for j in range(len(b.layers)):
            if a.area[i] == 0 or b.area[j] == 0:
                continue
            both = _overlap_of_layers(a, i, b, j) if a.layers[i] * b.layers[j] > 0 else _merged(a_runs, i, b_runs, j)
            iou[i, j] = both / (a.area[i] + b.area[j] - both)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _overlap_of_layers(a: _Layers, i: int, b: _Layers, j: int) -> int:
    """Count the pixels in mask `i` of `a` and mask `j` of `b`."""
    a_rows = (a.origin[i + 1] - a.origin[i]) // a.layers[i]
    b_rows = (b.origin[j + 1] - b.origin[j]) // b.layers[j]
    both = 0
    for k in range(a.layers[i]):
        for n in range(b.layers[j]):
            one, other = a.box[i, k], b.box[j, n]
            top, bottom = max(one[0], other[0]), min(one[1], other[1])
            if top < bottom and one[2] < other[3] and other[2] < one[3]:
                here = a.origin[i] + k * a_rows + top - a.first_row[i]
                there = b.origin[j] + n * b_rows + top - b.first_row[j]
                a_part, b_part = slice(here, here + bottom - top), slice(there, there + bottom - top)
                both += _overlap(a.left[a_part], a.right[a_part], b.left[b_part], b.right[b_part])
    return both


@numba.njit(cache=True, nogil=True)
@no_type_check
def _overlap(a_left: np.ndarray, a_right: np.ndarray, b_left: np.ndarray, b_right: np.ndarray) -> int:
    """Add up the overlaps of two runs per row."""
    both = np.int32(0)
    for row in range(len(a_left)):
        both += max(np.int32(0), min(a_right[row], b_right[row]) - max(a_left[row], b_left[row]))
    return np.int64(both)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _merged(a_runs: tuple[np.ndarray, ...], i: int, b_runs: tuple[np.ndarray, ...], j: int) -> int:
    """Count the pixels in mask `i` of `a` and mask `j` of `b`, run by run."""
    a_start, a_stop, a_offset = a_runs
    b_start, b_stop, b_offset = b_runs
    run, other = a_offset[i], b_offset[j]
    both = 0
    while run < a_offset[i + 1] and other < b_offset[j + 1]:
        both += max(0, min(a_stop[run], b_stop[other]) - max(a_start[run], b_start[other]))
        if a_stop[run] <= b_stop[other]:
            run += 1
        else:
            other += 1
    return both
