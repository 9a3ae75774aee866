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


def blurred(count: Float32[np.ndarray, "*axes"], axes: int | None = None) -> Float32[np.ndarray, "*axes"]:
    """Blur an array with [1, 2, 1] / 4 along its first axes (all if None); what would spill over an end is lost."""
    out = count
    for axis, size in enumerate(count.shape[:axes]):
        lines = out.reshape(int(np.prod(count.shape[:axis])), size, -1)
        out = _blurred_lines(readonly(lines)).reshape(count.shape)
    return out


@numba.njit(cache=True, nogil=True)
@no_type_check
def _blurred_lines(lines):
    outer, size, inner = lines.shape
    out = np.empty(lines.shape, np.float32)
    for i in range(outer):
        for j in range(size):
            low, high = max(j - 1, 0), min(j + 1, size - 1)
            low_weight, high_weight = np.float32(0.25 * (j > 0)), np.float32(0.25 * (j < size - 1))
            for k in range(inner):
                out[i, j, k] = (
                    np.float32(0.5) * lines[i, j, k] + low_weight * lines[i, low, k] + high_weight * lines[i, high, k]
                )
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
