"""Colour models: how much likelier a colour is inside an object than around it, in bins of `kernels.colours`."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Float32, Int

from fast_snow.types import readonly

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

FINE = 16
"""Bins per channel of a colour model."""
COARSE = 8
"""Bins per channel where a model also knows places."""
_FLOOR = 1e-4
_LIMIT = 3.0


def histogram(bins: Int[np.ndarray, "*shape"], weight: Float[np.ndarray, "*shape"]) -> Float32[np.ndarray, " bins"]:
    """Count fine colour bins, each pixel by its weight, with a little spill into neighbouring bins."""
    count = np.bincount(bins.ravel(), weight.ravel(), FINE**3).reshape(FINE, FINE, FINE)
    return blurred(count.astype(np.float32)).ravel()


def blurred(count: Float32[np.ndarray, "*axes"], skip: int = 0) -> Float32[np.ndarray, "*axes"]:
    """Blur an array with [1, 2, 1] / 4 along its axes but the first `skip`; what would spill over an end is lost.

    Axes of one member are left as they are.
    """
    sizes = np.array(count.shape[skip:], np.int64)
    return _blurred(readonly(count.reshape(-1)), readonly(sizes[sizes > 1])).reshape(count.shape)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _blurred(values, sizes):
    half, quarter = np.float32(0.5), np.float32(0.25)
    out = values.copy()
    for axis in range(len(sizes)):
        size, stride = sizes[axis], np.prod(sizes[axis + 1 :])
        before = out.copy()
        # Everywhere as if there were no ends, which is fast, then at both ends of each line.
        inner, middle = out[stride:-stride], before[stride:-stride]
        low, high = before[: -2 * stride], before[2 * stride :]
        for i in range(len(inner)):
            inner[i] = half * middle[i] + quarter * low[i] + quarter * high[i]
        for first in range(0, len(values), size * stride):
            last = first + (size - 1) * stride
            for i in range(stride):
                out[first + i] = half * before[first + i] + quarter * before[first + stride + i]
                out[last + i] = half * before[last + i] + quarter * before[last - stride + i]
    return out


def log_odds(
    inside: Float32[np.ndarray, " bins"], outside: Float32[np.ndarray, " bins"]
) -> Float32[np.ndarray, " bins"]:
    """Return, per bin, the logarithm of how much likelier it is inside than outside; 0 where neither was seen."""
    p = inside / max(float(inside.sum()), 1.0)
    q = outside / max(float(outside.sum()), 1.0)
    return np.clip(np.log((p + _FLOOR) / (q + _FLOOR)), -_LIMIT, _LIMIT).astype(np.float32)


def sigmoid(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return the logistic function."""
    return 1.0 / (1.0 + np.exp(-x))
