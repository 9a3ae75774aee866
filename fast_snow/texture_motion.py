"""How masklets turn and grow between neighbouring frames, read off the texture inside their masks.

Corners inside a mask are followed from one frame to the next (Lucas-Kanade, forward and back). About an upright axis
the near side of a body passes across its outline: each row of the mask is taken for a slice of a cylinder, whose turn
follows from how fast. What is flat, or wider than its body, turns by more than that. About the line of sight the
corners themselves turn. As a thing comes closer they move apart, whatever its mask does.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8

from fast_snow.kernels.mask_erosion import erode
from fast_snow.kernels.mask_measures import moments
from fast_snow.kernels.masks import decode
from fast_snow.types import GridShape, ImageStack, TrackedFrame

_FEWEST: Final = 6
"""Corners that tell of a turn."""
_MOST: Final = 60
_QUALITY: Final = 0.01
"""A corner has at least this share of the strength of its mask's strongest."""
_APART: Final = np.ones((7, 7), np.uint8)
"""A corner is the strongest in such a square."""
_RETURN_ERROR: Final = 1.0
"""Pixels by which a corner that is followed forward and back may miss where it began."""
_PATCH: Final = (15, 15)
_LEVELS: Final = 3
_LEAST_SIDE: Final = 32
"""Smaller images hold no corner that could be followed."""
_MARGIN: Final = 3
"""Pixels: corners nearer to the outline move with it, and with what hides the object, as much as with the texture."""
_LEAST_APART: Final = 3.0
"""Pixels between two corners from which on they tell how much they move apart."""
_PAIRS: Final = 10
"""Of such corners, so many tell of growth."""
_EDGE: Final = 0.1
"""Near its edge a cylinder's surface passes too slowly to tell: the square of its rate counts as at least so much."""

_Gray = UInt8[np.ndarray, "h w"]
_Points = Float32[np.ndarray, "p 2"]


def with_texture_motion(
    tracked: Sequence[TrackedFrame], images: ImageStack, grid: GridShape
) -> tuple[TrackedFrame, ...]:
    """Return masklets with how each has turned and grown since the frame before, where it was there too.

    Args:
        tracked: the masklets of consecutive frames.
        images: RGB, of these frames.
        grid: size of the masks.
    """
    if min(grid) < _LEAST_SIDE or not any(len(each) for each in tracked):
        return tuple(tracked)
    moved = list(tracked[:1])
    before = _gray(images[0], grid)
    for earlier, later, image in zip(tracked, tracked[1:], images[1:], strict=False):
        now = _gray(image, grid)
        motion = _motion(earlier, later, before, now)
        moved.append(replace(later, rotation=motion[:, :3].copy(), growth=motion[:, 3:].copy()))
        before = now
    return tuple(moved)


def _gray(image: UInt8[np.ndarray, "height width 3"], grid: GridShape) -> _Gray:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(gray, grid[::-1], interpolation=cv2.INTER_AREA))


def _motion(earlier: TrackedFrame, later: TrackedFrame, before: _Gray, now: _Gray) -> Float32[np.ndarray, "m 5"]:
    """Return the rotation (3) and the growth (2) of each masklet of the later frame."""
    motion = np.full((len(later), 5), np.nan, np.float32)
    index = {name: i for i, name in enumerate(earlier.names)}
    pairs = [(index[name], j) for j, name in enumerate(later.names) if name in index]
    if not pairs:
        return motion
    one, other = np.array(pairs).T
    masks, masks_now = earlier.masks[one], later.masks[other]
    corners = _corners(before, decode(erode(masks, 1)))
    shift = (moments(masks_now) - moments(masks))[:, :2]
    count = [len(each) for each in corners]
    points = np.concatenate(corners).astype(np.float32)
    moved, kept = _followed(before, now, points, np.repeat(shift, count, axis=0).astype(np.float32))
    inner, dense, dense_now, first = decode(erode(masks, _MARGIN)), decode(masks), decode(masks_now), 0
    for k, n in enumerate(count):
        its = np.arange(first, first + n)
        first += n
        if n >= _FEWEST:
            its = its[kept[its]]
            u, v = np.round(moved[its]).astype(np.int64).T
            its = its[dense_now[k][v, u]]
            turn = _turn(points[its], moved[its] - shift[k], dense[k]) if len(its) >= _FEWEST else (0.0, 0.0)
            u, v = points[its].astype(np.int64).T
            within = its[inner[k][v, u]]
            growth = _growth(points[within], moved[within])
            motion[other[k]] = np.round([*turn, len(its) / n, *growth], 4)
    return motion


def _corners(image: _Gray, inside: Bool[np.ndarray, "m h w"]) -> list[Int64[np.ndarray, "_ 2"]]:
    """Return the strongest corners inside each mask, as u and v."""
    strength = cv2.cornerMinEigenVal(image, 3)
    v, u = np.nonzero((strength >= cv2.dilate(strength, _APART)) & (strength > 0))
    places, strong = np.stack([u, v], axis=1), strength[v, u]
    corners = []
    for mask in inside:
        its = np.flatnonzero(mask[v, u])
        its = its[np.argsort(-strong[its], kind="stable")[:_MOST]]
        corners.append(places[its[strong[its] >= _QUALITY * strong[its].max(initial=0.0)]])
    return corners


def _followed(before: _Gray, now: _Gray, points: _Points, shift: _Points) -> tuple[_Points, Bool[np.ndarray, " p"]]:
    """Return where points are now, and which of them can be followed forward and back; each is sought at its shift."""
    if not len(points):
        return points, np.zeros(0, bool)

    def follow(one: _Gray, other: _Gray, start: _Points, guess: _Points) -> tuple[_Points, np.ndarray]:
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            one, other, start, guess.copy(), winSize=_PATCH, maxLevel=_LEVELS, flags=cv2.OPTFLOW_USE_INITIAL_FLOW
        )
        return np.asarray(moved), np.asarray(status)[:, 0] == 1

    moved, found = follow(before, now, points, points + shift)
    back, returned = follow(now, before, moved, moved - shift)
    inside = (moved >= 0).all(axis=1) & (moved <= np.array(now.shape[::-1]) - 1).all(axis=1)
    return moved, found & returned & inside & (np.linalg.norm(back - points, axis=1) < _RETURN_ERROR)


def _turn(points: _Points, moved: np.ndarray, mask: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """Return the turn about the upright axis, clockwise from above, and about the line of sight, clockwise as seen.

    Args:
        points: corners.
        moved: where they are later, but for how the outline moves.
        mask: of the object.
    """
    rows = mask[points[:, 1].astype(np.int64)]
    width = rows.sum(axis=1)
    middle = rows @ np.arange(mask.shape[1]) / width
    half = (width + 1) / 2
    rate = half * np.sqrt(np.maximum(1 - ((points[:, 0] - middle) / half) ** 2, _EDGE))
    yaw = _weighted_median((points - moved)[:, 0] / rate, rate)
    (x, y), (a, b) = (points - np.median(points, axis=0)).T, (moved - np.median(moved, axis=0)).T
    return yaw, _weighted_median(np.arctan2(x * b - y * a, x * a + y * b), np.hypot(x, y))


def _growth(points: _Points, moved: _Points) -> tuple[float, float]:
    """Return the logarithms by which distances between corners grow: all of them, and their upright parts alone.

    Of either it is the median, in which the long ones count more; NaN where too few are long enough.
    """
    if len(points) < _FEWEST:
        return np.nan, np.nan
    one, other = np.triu_indices(len(points), 1)
    apart, later = (each.astype(np.float64)[one] - each.astype(np.float64)[other] for each in (points, moved))
    length, length_later = np.linalg.norm(apart, axis=1), np.linalg.norm(later, axis=1)
    height = np.abs(apart[:, 1])
    height_later = later[:, 1] * np.sign(apart[:, 1])  # negative where they change sides
    found = []
    for before, now in ((length, length_later), (height, height_later)):
        long = before > _LEAST_APART
        ratio = _weighted_median(now[long] / before[long], before[long]) if np.count_nonzero(long) >= _PAIRS else 0.0
        found.append(float(np.log(ratio)) if ratio > 0 else np.nan)
    if not np.isfinite(found).all():
        return np.nan, np.nan
    return found[0], found[1]


def _weighted_median(values: Float64[np.ndarray, " p"], weights: Float[np.ndarray, " p"]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
