"""Corners followed through consecutive images: the correspondences that structure from motion starts from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from fast_snow.point_matches import follow, new_corners
from fast_snow.types import ReadOnlyArrays

_MIN_OVERLAP = 0.6
"""Of a keyframe's points are followed to the next one: three keyframes in a row share a third."""
_MIN_KEYFRAMES = 8
_MIN_MOTION = 1.0
"""Pixels; less is hardly more than the error of tracking."""

GrayStack = UInt8[np.ndarray, "n h w"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackedPoints(ReadOnlyArrays):
    """The points seen in one image.

    Attributes:
        point_id: the same in every image in which the point is seen, ascending.
        uv: where it is, in pixels with integer centres.
    """

    point_id: Int64[np.ndarray, " p"]
    uv: Float32[np.ndarray, "p 2"]


def track_points(gray: GrayStack, *, max_points: int) -> Iterator[TrackedPoints]:
    """Follow corners from image to image (Lucas-Kanade, forward and back); lost ones are replaced by new corners.

    Args:
        gray: consecutive images of one size.
        max_points: how many points are followed at once.

    Yields:
        The points of each image.
    """
    point_id, uv, next_id = np.zeros(0, np.int64), np.zeros((0, 2), np.float32), 0
    for i, image in enumerate(gray):
        if len(uv) > 0:
            uv, kept = follow(gray[i - 1], image, uv)
            point_id = point_id[kept]
        corners = new_corners(image, uv, max_points)
        uv = np.concatenate([uv, corners])
        point_id = np.concatenate([point_id, np.arange(next_id, next_id + len(corners))])
        next_id += len(corners)
        yield TrackedPoints(point_id=point_id, uv=uv)


def common(a: TrackedPoints, b: TrackedPoints) -> tuple[Float64[np.ndarray, "k 2"], Float64[np.ndarray, "k 2"]]:
    """Return where the points seen in both images are in either."""
    _, i, j = np.intersect1d(a.point_id, b.point_id, assume_unique=True, return_indices=True)
    return a.uv[i].astype(np.float64), b.uv[j].astype(np.float64)


def choose_keyframes(points: Sequence[TrackedPoints], motion: float) -> list[int]:
    """Choose images far enough apart for their points to be triangulated, and close enough to share them.

    The first and the last image are keyframes, and each one to which points moved by `motion` from the last keyframe
    or which is the first to miss more than 40 % of its points. `motion` is halved while there are fewer than eight.

    Args:
        points: of each image.
        motion: median motion in pixels.

    Returns:
        Indices of the keyframes, ascending.
    """
    if len(points) <= _MIN_KEYFRAMES:
        return list(range(len(points)))
    chosen = _apart(points, motion)
    while len(chosen) < _MIN_KEYFRAMES and motion >= 2 * _MIN_MOTION:
        motion /= 2
        chosen = _apart(points, motion)
    return chosen


def _apart(points: Sequence[TrackedPoints], motion: float) -> list[int]:
    chosen = [0]
    for i in range(1, len(points)):
        before, now = common(points[chosen[-1]], points[i])
        lost = len(before) <= _MIN_OVERLAP * len(points[chosen[-1]].point_id)
        if lost or i == len(points) - 1 or np.median(np.linalg.norm(now - before, axis=1)) >= motion:
            chosen.append(i)
    return chosen
