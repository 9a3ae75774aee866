"""What can be read off masks alone: area, bounding box, moments and a point inside."""

import numpy as np
from jaxtyping import Float32, Float64, Int32

from fast_snow.types import Masks
from fast_snow.types.values import offsets


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
