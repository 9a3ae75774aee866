"""Arrays that grow: what a kernel writes before it knows how much there will be."""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
@no_type_check
def grown(array: np.ndarray) -> np.ndarray:
    """Return a copy of a one-dimensional array with twice the room; the new half is not set."""
    larger = np.empty(2 * len(array), array.dtype)
    for i in range(len(array)):  # a slice compiles ten times longer
        larger[i] = array[i]
    return larger
