"""Edge-aware smoothing: values spread over even surfaces and stop at the edges of a guide image.

Each row, then each column, is solved exactly for the least-squares balance of two wishes: stay near the input, and near
the neighbours as far as the guide shows no edge between them.

Reference: D. Min et al. Fast Global Image Smoothing Based on Weighted Least Squares. IEEE TIP 23(12), 2014, sec. III.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.types import readonly

Crop = tuple[slice, slice]
"""Rows and columns of an image."""


class Affinity(NamedTuple):
    """How alike each pixel is to its right and to its lower neighbour, in [0, 1]; 0 along the far border."""

    right: Float32[np.ndarray, "h w"]
    below: Float32[np.ndarray, "h w"]

    def crop(self, window: Crop) -> "Affinity":
        """Return the affinity of a part of the image."""
        return Affinity(self.right[window], self.below[window])


def affinity(guide: Float32[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w 3"], sigma: float) -> Affinity:
    """Measure how alike neighbouring pixels of a guide image are.

    Args:
        guide: three channels.
        sigma: difference, summed over the channels, at which likeness falls to 1/e.

    Returns:
        Likeness to the right and to the lower neighbour.
    """
    rate = np.float32(1.0 / sigma)
    if guide.dtype == np.uint8:
        return Affinity(*_affinity_of_bytes(readonly(guide), rate))
    return Affinity(*_affinity(readonly(guide.astype(np.float32)), rate))


def smooth(values: Float32[np.ndarray, "h w"], alike: Affinity, strength: float) -> Float32[np.ndarray, "h w"]:
    """Spread values between alike neighbours.

    Args:
        values: one channel.
        alike: of a guide image of the same size.
        strength: weight of likeness against the input; values spread over about its root in pixels.

    Returns:
        Smoothed values, within the range of the input.
    """
    return _smooth(readonly(values), readonly(alike.right), readonly(alike.below), np.float32(strength))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _affinity(guide, rate):
    height, width, channels = guide.shape
    right = np.zeros((height, width), np.float32)
    below = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            across = np.float32(0.0)
            down = np.float32(0.0)
            for c in range(channels):
                if x + 1 < width:
                    across += abs(guide[y, x + 1, c] - guide[y, x, c])
                if y + 1 < height:
                    down += abs(guide[y + 1, x, c] - guide[y, x, c])
            if x + 1 < width:
                right[y, x] = np.exp(-across * rate)
            if y + 1 < height:
                below[y, x] = np.exp(-down * rate)
    return right, below


@numba.njit(cache=True, nogil=True)
@no_type_check
def _affinity_of_bytes(guide, rate):
    """Do the same for whole numbers, of which there are few differences."""
    height, width, _ = guide.shape
    table = np.exp(-np.arange(3 * 255 + 1).astype(np.float32) * rate)
    right = np.zeros((height, width), np.float32)
    below = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            across = down = 0
            for c in range(3):
                level = np.int32(guide[y, x, c])
                across += abs(level - np.int32(guide[y, min(x + 1, width - 1), c]))
                down += abs(level - np.int32(guide[min(y + 1, height - 1), x, c]))
            if x + 1 < width:
                right[y, x] = table[across]
            if y + 1 < height:
                below[y, x] = table[down]
    return right, below


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _smooth(values, right, below, strength):
    out = values.copy()
    _solve_rows(out, right, strength)
    _solve_columns(out, below, strength)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _solve_rows(out, right, strength):
    """Solve each row's tridiagonal system in place (Thomas algorithm)."""
    height, width = out.shape
    one = np.float32(1.0)
    carry = np.zeros(width, np.float32)
    for y in range(height):
        before = np.float32(0.0)
        for x in range(width):
            after = strength * right[y, x]
            last = max(x - 1, 0)  # before is 0 at the first pixel
            inverse = one / (one + before + after - before * carry[last])
            out[y, x] = (out[y, x] + before * out[y, last]) * inverse
            carry[x] = after * inverse
            before = after
        for x in range(width - 2, -1, -1):
            out[y, x] += carry[x] * out[y, x + 1]


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _solve_columns(out, below, strength):
    """Solve each column's system in place, all columns side by side for the cache's sake."""
    height, width = out.shape
    one = np.float32(1.0)
    carry = np.zeros((height, width), np.float32)
    for x in range(width):
        after = strength * below[0, x]
        out[0, x] /= one + after
        carry[0, x] = after / (one + after)
    for y in range(1, height):
        for x in range(width):
            before, after = strength * below[y - 1, x], strength * below[y, x]
            inverse = one / (one + before + after - before * carry[y - 1, x])
            out[y, x] = (out[y, x] + before * out[y - 1, x]) * inverse
            carry[y, x] = after * inverse
    for y in range(height - 2, -1, -1):
        for x in range(width):
            out[y, x] += carry[y, x] * out[y + 1, x]
