"""What can be read off masks alone: area, bounding box, moments and a point inside."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Float64, Int32

from fast_snow.types import Masks

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)


def area(masks: Masks) -> Int32[np.ndarray, " m"]:
    """Count the pixels of each mask."""
    total = np.zeros(len(masks), np.int32)
    _area(masks.start, masks.stop, masks.offset, total)
    return total


def bounding_boxes(masks: Masks) -> Float32[np.ndarray, "m 4"]:
    """Box each mask.

    Args:
        masks: `m` masks.

    Returns:
        `(x0, y0, x1, y1)` in pixels, half-open; zeros for an empty mask.
    """
    box = np.zeros((len(masks), 4), np.float32)
    _boxes(masks.start, masks.stop, masks.offset, masks.shape[1], box)
    return box


def moments(masks: Masks) -> Float64[np.ndarray, "m 5"]:
    """Measure where each mask's pixels are, and how they spread.

    Args:
        masks: `m` masks.

    Returns:
        Mean u, mean v, and the central second moments uu, uv, vv, in pixels; NaN for an empty mask.
    """
    moment = np.full((len(masks), 5), np.nan)
    _moments(masks.start, masks.stop, masks.offset, masks.shape[1], moment)
    return moment


def inside_point(masks: Masks) -> Int32[np.ndarray, "m 2"]:
    """Find a pixel well inside each mask.

    It starts in the middle of the longest run of the row that halves the area, moves to the middle of the column
    stretch through that pixel, then to the middle of the run there: never outside, however concave the mask.

    Args:
        masks: `m` masks.

    Returns:
        Pixels `(u, v)`; `(-1, -1)` for an empty mask.
    """
    bounds = zip(masks.offset[:-1].tolist(), masks.offset[1:].tolist(), strict=True)
    points = [_inside_point(masks.start[a:b], masks.stop[a:b], masks.shape[1]) for a, b in bounds]
    return np.array(points, np.int32).reshape(-1, 2)


def _inside_point(
    start: Int32[np.ndarray, " r"], stop: Int32[np.ndarray, " r"], width: int
) -> tuple[np.integer | int, np.integer | int]:
    if not len(start):
        return -1, -1
    length, row, middle = stop - start, start // width, (start + (stop - start - 1) // 2) % width
    half = np.searchsorted(2 * np.cumsum(length, dtype=np.int64), length.sum())
    in_row = np.flatnonzero(row == row[half])
    longest = in_row[np.argmax(length[in_row])]
    pixel = row * width + middle[longest]
    crossing = np.flatnonzero((start <= pixel) & (pixel < stop))
    stretch = row[crossing] - np.arange(len(crossing))  # the same along rows that follow one another
    crossing = crossing[stretch == stretch[np.searchsorted(crossing, longest)]]
    run = crossing[(len(crossing) - 1) // 2]
    return middle[run], row[run]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _area(start, stop, offset, total):
    for mask in range(len(offset) - 1):
        for run in range(offset[mask], offset[mask + 1]):
            total[mask] += stop[run] - start[run]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _boxes(start, stop, offset, width, box):
    for mask in range(len(offset) - 1):
        first, last = offset[mask], offset[mask + 1]
        if first == last:
            continue
        left, right = width, 0
        for run in range(first, last):
            left = min(left, start[run] % width)
            right = max(right, (stop[run] - 1) % width + 1)
        box[mask, 0] = left
        box[mask, 1] = start[first] // width
        box[mask, 2] = right
        box[mask, 3] = start[last - 1] // width + 1


@numba.njit(cache=True, nogil=True)
@no_type_check
def _moments(start, stop, offset, width, moment):
    for mask in range(len(offset) - 1):
        first, last = offset[mask], offset[mask + 1]
        if first == last:
            continue
        # About the first run's middle, so that no digits are lost far from the image's corner.
        u0 = 0.5 * (start[first] % width + (stop[first] - 1) % width)
        v0 = float(start[first] // width)
        n = su = sv = suu = suv = svv = 0.0
        for run in range(first, last):
            length = float(stop[run] - start[run])
            u = 0.5 * (start[run] % width + (stop[run] - 1) % width) - u0
            v = start[run] // width - v0
            n += length
            su += length * u
            sv += length * v
            suu += length * (u * u + (length * length - 1.0) / 12.0)
            suv += length * u * v
            svv += length * v * v
        u, v = su / n, sv / n
        moment[mask, 0], moment[mask, 1] = u0 + u, v0 + v
        moment[mask, 2], moment[mask, 3], moment[mask, 4] = suu / n - u * u, suv / n - u * v, svv / n - v * v
