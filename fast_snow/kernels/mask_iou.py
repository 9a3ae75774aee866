"""Intersection over union of masks."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32

from fast_snow.errors import InputError
from fast_snow.types import Masks


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
    _pairwise_iou(a.start, a.stop, a.offset, b.start, b.stop, b.offset, iou)
    return iou


@numba.njit(cache=True, nogil=True)
@no_type_check
def _pairwise_iou(a_start, a_stop, a_offset, b_start, b_stop, b_offset, iou):
    for row in range(len(a_offset) - 1):
        for column in range(len(b_offset) - 1):
            i, j = a_offset[row], b_offset[column]
            both, a_area, b_area = 0, 0, 0
            for run in range(i, a_offset[row + 1]):
                a_area += a_stop[run] - a_start[run]
            for run in range(j, b_offset[column + 1]):
                b_area += b_stop[run] - b_start[run]
            while i < a_offset[row + 1] and j < b_offset[column + 1]:
                both += max(0, min(a_stop[i], b_stop[j]) - max(a_start[i], b_start[j]))
                if a_stop[i] <= b_stop[j]:
                    i += 1
                else:
                    j += 1
            if a_area + b_area > 0:
                iou[row, column] = both / (a_area + b_area - both)
