"""What can be read off masks alone: area, bounding box, moments and a point inside."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Float64, Int32

from fast_snow.types import Masks
from fast_snow.types.values import offsets

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)


def area(masks: Masks) -> Int32[np.ndarray, " m"]:
    """Count the pixels of each mask."""
    pixels: Int32[np.ndarray, " m"] = np.diff(offsets(masks.stop - masks.start)[masks.offset])
    return pixels


def bounding_boxes(masks: Masks) -> Float32[np.ndarray, "m 4"]:
    """Box each mask.

    Args:
        masks: `m` masks.

    Returns:
        `(x0, y0, x1, y1)` in pixels, half-open; zeros for an empty mask.
    """
    box = np.zeros((len(masks), 4), np.float32)
    some = np.flatnonzero(np.diff(masks.offset))
    first, last = masks.offset[some], masks.offset[some + 1] - 1
    row, column = np.divmod(masks.start, max(masks.shape[1], 1))
    box[some, 0], box[some, 1] = np.minimum.reduceat(column, first), row[first]
    box[some, 2] = np.maximum.reduceat(column + masks.stop - masks.start, first)
    box[some, 3] = row[last] + 1
    return box


def moments(masks: Masks) -> Float64[np.ndarray, "m 5"]:
    """Measure where each mask's pixels are, and how they spread.

    Args:
        masks: `m` masks.

    Returns:
        Mean u, mean v, and the central second moments uu, uv, vv, in pixels; NaN for an empty mask.
    """
    runs = np.diff(masks.offset)
    owner = np.repeat(np.arange(len(masks)), runs)
    row, column = np.divmod(masks.start, max(masks.shape[1], 1))
    length = (masks.stop - masks.start).astype(np.float64)
    # About the first run's middle, so that no digits are lost far from the image's corner.
    middle = np.column_stack([column + 0.5 * (length - 1), row])
    origin = np.full((len(masks), 2), np.nan)
    origin[runs > 0] = middle[masks.offset[:-1][runs > 0]]
    u, v = (middle - origin[owner]).T
    products = (
        length * u,
        length * v,
        length * (u * u + (length * length - 1.0) / 12.0),
        length * u * v,
        length * v * v,
    )
    pixels = np.where(runs > 0, np.bincount(owner, length, len(masks)), np.nan)
    mu, mv, uu, uv, vv = (np.bincount(owner, each, len(masks)) / pixels for each in products)
    return np.column_stack([origin[:, 0] + mu, origin[:, 1] + mv, uu - mu * mu, uv - mu * mv, vv - mv * mv])


def inside_point(masks: Masks) -> Int32[np.ndarray, "m 2"]:
    """Find a pixel well inside each mask.

    It starts in the middle of the longest run of the row that halves the area, moves to the middle of the column
    stretch through that pixel, then to the middle of the run there: never outside, however concave the mask.

    Args:
        masks: `m` masks.

    Returns:
        Pixels `(u, v)`; `(-1, -1)` for an empty mask.
    """
    point = np.full((len(masks), 2), -1, np.int32)
    _points(masks.start, masks.stop, masks.offset, masks.shape[1], point)
    return point


@numba.njit(cache=True, nogil=True)
@no_type_check
def _points(start, stop, offset, width, point):
    for mask in range(len(offset) - 1):
        first, last = offset[mask], offset[mask + 1]
        if first == last:
            continue
        run = _median_run(start, stop, first, last, width)
        column = (start[run] + stop[run] - 1) // 2 % width
        run = _middle_of_column(start, stop, first, last, run, column, width)
        point[mask, 0] = (start[run] + stop[run] - 1) // 2 % width
        point[mask, 1] = start[run] // width


@numba.njit(cache=True, nogil=True)
@no_type_check
def _median_run(start, stop, first, last, width):
    """Return the longest run of the row in which half of the area is reached."""
    pixels = 0
    for run in range(first, last):
        pixels += stop[run] - start[run]
    seen = 0
    middle = first
    while 2 * (seen + stop[middle] - start[middle]) < pixels:
        seen += stop[middle] - start[middle]
        middle += 1
    row = start[middle] // width
    while middle > first and start[middle - 1] // width == row:
        middle -= 1
    longest = middle
    for run in range(middle, last):
        if start[run] // width != row:
            break
        if stop[run] - start[run] > stop[longest] - start[longest]:
            longest = run
    return longest


@numba.njit(cache=True, nogil=True)
@no_type_check
def _middle_of_column(start, stop, first, last, seed, column, width):
    """Return the run half way up the unbroken stretch of `column` through the run `seed`."""
    top = bottom = start[seed] // width
    for run in range(seed - 1, first - 1, -1):
        pixel = (top - 1) * width + column
        if start[run] <= pixel < stop[run]:
            top -= 1
    for run in range(seed + 1, last):
        pixel = (bottom + 1) * width + column
        if start[run] <= pixel < stop[run]:
            bottom += 1
    pixel = (top + bottom) // 2 * width + column
    run = first
    while stop[run] <= pixel:
        run += 1
    return run
