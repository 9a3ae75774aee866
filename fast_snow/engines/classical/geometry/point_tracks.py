"""Corners followed through consecutive images: the correspondences that structure from motion starts from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from fast_snow.types import ReadOnlyArrays

_CORNER_QUALITY = 0.005
_MAX_RETURN_ERROR = 0.5
"""Pixels; a point that does not come back to where it started was lost on the way."""
_PATCH = (21, 21)
_LEVELS = 3
_MIN_SIDE = 32
"""Smaller images hold no corner that could be followed."""
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

    Reference:
        Shi and Tomasi, Good features to track, CVPR 1994; Bouguet, Pyramidal implementation of the affine Lucas Kanade
        feature tracker, 2001.
    """
    spacing = max(3, round(0.4 * np.sqrt(gray.shape[1] * gray.shape[2] / max_points)))
    point_id, uv, next_id = np.zeros(0, np.int64), np.zeros((0, 2), np.float32), 0
    for i, image in enumerate(gray):
        if len(uv) > 0:
            uv, kept = _follow(gray[i - 1], image, uv)
            point_id = point_id[kept]
        corners = _new_corners(image, uv, max_points - len(uv), spacing)
        uv = np.concatenate([uv, corners])
        point_id = np.concatenate([point_id, np.arange(next_id, next_id + len(corners))])
        next_id += len(corners)
        yield TrackedPoints(point_id=point_id, uv=uv)


def _follow(
    before: UInt8[np.ndarray, "h w"], now: UInt8[np.ndarray, "h w"], uv: Float32[np.ndarray, "p 2"]
) -> tuple[Float32[np.ndarray, "q 2"], np.ndarray]:
    """Return where the points that can be followed are now, and which ones they are."""
    height, width = now.shape
    moved, tracked = _lucas_kanade(before, now, uv[:, None])
    back, returned = _lucas_kanade(now, before, moved)
    moved = moved[:, 0]
    near = np.linalg.norm(back[:, 0] - uv, axis=1) < _MAX_RETURN_ERROR
    inside = (moved >= 0).all(axis=1) & (moved[:, 0] <= width - 1) & (moved[:, 1] <= height - 1)
    kept = (tracked[:, 0] == 1) & (returned[:, 0] == 1) & near & inside
    return moved[kept], kept


def _lucas_kanade(
    before: UInt8[np.ndarray, "h w"], now: UInt8[np.ndarray, "h w"], uv: Float32[np.ndarray, "p 1 2"]
) -> tuple[np.ndarray, np.ndarray]:
    moved, tracked, _ = cv2.calcOpticalFlowPyrLK(before, now, uv, np.empty_like(uv), winSize=_PATCH, maxLevel=_LEVELS)
    return np.asarray(moved), np.asarray(tracked)


def _new_corners(
    image: UInt8[np.ndarray, "h w"], uv: Float32[np.ndarray, "p 2"], count: int, spacing: int
) -> Float32[np.ndarray, "c 2"]:
    if count <= 0 or min(image.shape) < _MIN_SIDE:
        return np.zeros((0, 2), np.float32)
    free = np.full(image.shape, 255, np.uint8)
    for u, v in np.rint(uv).astype(int).tolist():
        cv2.circle(free, (u, v), spacing, 0, -1)
    corners = cv2.goodFeaturesToTrack(image, count, _CORNER_QUALITY, spacing, mask=free)
    return np.zeros((0, 2), np.float32) if corners is None else corners[:, 0].astype(np.float32)


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
