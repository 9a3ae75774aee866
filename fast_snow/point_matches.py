"""Points found again in another image: followed where they move little, matched by appearance where they move far."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from fast_snow.types import GridShape, TrackedPoints

Gray = UInt8[np.ndarray, "h w"]
Points = Float32[np.ndarray, "p 2"]
Pair = tuple[Float64[np.ndarray, "_ 2"], Float64[np.ndarray, "_ 2"]]
"""Points that two images share, in either."""
Features = tuple[Float32[np.ndarray, "_ 2"], Float32[np.ndarray, "_ 128"]]
"""Where features are, and their descriptors."""

ENOUGH = 100
"""Points that two neighbouring images share by being followed; with fewer, features are matched."""
_CORNER_QUALITY = 0.005
_MAX_RETURN_ERROR = 0.5
"""Pixels; a point that does not come back to where it started was lost on the way."""
_PATCH = (21, 21)
_LEVELS = 3
_MIN_SIDE = 32
"""Smaller images hold no corner that could be followed."""
_FEATURES = 1500
_RATIO = 0.8
"""Largest ratio of the distances to the best and the second best match."""


def track_points(images: Iterable[Sequence[Gray]], *, max_points: int) -> Iterator[TrackedPoints]:
    """Follow up to `max_points` corners from image to image; lost ones are replaced by new corners.

    The images are consecutive ones of one size, in groups: points are followed through all, and yielded of the last of
    each.
    """
    point_id, uv, next_id = np.zeros(0, np.int64), np.zeros((0, 2), np.float32), 0
    before: Gray | None = None
    for group in images:
        for image in group:
            if before is not None:
                uv, kept = follow(before, image, uv)
                point_id = point_id[kept]
            before = image
        corners = new_corners(group[-1], uv, max_points)
        uv = np.concatenate([uv, corners])
        point_id = np.concatenate([point_id, np.arange(next_id, next_id + len(corners))])
        next_id += len(corners)
        yield TrackedPoints(point_id=point_id, uv=uv)


def common(a: TrackedPoints, b: TrackedPoints) -> Pair:
    """Return where the points seen in both images are in either."""
    _, i, j = np.intersect1d(a.point_id, b.point_id, assume_unique=True, return_indices=True)
    return a.uv[i].astype(np.float64), b.uv[j].astype(np.float64)


def rescaled(points: TrackedPoints, old: GridShape, new: GridShape) -> TrackedPoints:
    """Return points of an image of size `old` as they are on one of size `new`; pixel centres are integers."""
    if old == new:
        return points
    scale = np.array(new[::-1]) / np.array(old[::-1])
    return TrackedPoints(point_id=points.point_id, uv=((points.uv + 0.5) * scale - 0.5).astype(np.float32))


def follow(before: Gray, now: Gray, uv: Points) -> tuple[Float32[np.ndarray, "q 2"], Bool[np.ndarray, " p"]]:
    """Return where the points that can be followed (Lucas-Kanade, forward and back) are now, and which ones they are.

    Reference:
        Bouguet, Pyramidal implementation of the affine Lucas Kanade feature tracker, 2001.
    """
    if len(uv) == 0:
        return uv, np.zeros(0, bool)
    height, width = now.shape
    moved, tracked = _lucas_kanade(before, now, uv[:, None])
    back, returned = _lucas_kanade(now, before, moved)
    moved = moved[:, 0]
    near = np.linalg.norm(back[:, 0] - uv, axis=1) < _MAX_RETURN_ERROR
    inside = (moved >= 0).all(axis=1) & (moved[:, 0] <= width - 1) & (moved[:, 1] <= height - 1)
    kept = (tracked[:, 0] == 1) & (returned[:, 0] == 1) & near & inside
    return moved[kept], kept


def _lucas_kanade(before: Gray, now: Gray, uv: Float32[np.ndarray, "p 1 2"]) -> tuple[np.ndarray, np.ndarray]:
    moved, tracked, _ = cv2.calcOpticalFlowPyrLK(before, now, uv, np.empty_like(uv), winSize=_PATCH, maxLevel=_LEVELS)
    return np.asarray(moved), np.asarray(tracked)


def new_corners(image: Gray, uv: Points, max_points: int) -> Float32[np.ndarray, "c 2"]:
    """Return corners away from the points `uv`, so many that there are `max_points` in all.

    Reference:
        Shi and Tomasi, Good features to track, CVPR 1994.
    """
    if len(uv) >= max_points or min(image.shape) < _MIN_SIDE:
        return np.zeros((0, 2), np.float32)
    spacing = max(3, round(0.4 * np.sqrt(image.size / max_points)))
    free = np.full(image.shape, 255, np.uint8)
    for u, v in np.rint(uv).astype(int).tolist():
        cv2.circle(free, (u, v), spacing, 0, -1)
    corners = cv2.goodFeaturesToTrack(image, max_points - len(uv), _CORNER_QUALITY, spacing, mask=free)
    return np.zeros((0, 2), np.float32) if corners is None else corners[:, 0].astype(np.float32)


def find_features(image: Gray) -> Features:
    """Return features that survive large shifts.

    Reference:
        Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004.
    """
    keypoints, descriptors = cv2.SIFT.create(_FEATURES).detectAndCompute(image, None)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([each.pt for each in keypoints], np.float32), np.asarray(descriptors, np.float32)


def match_features(a: Features, b: Features) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Return which features of two images are each other's best match, and clearly so."""
    if min(len(a[0]), len(b[0])) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    matcher = cv2.BFMatcher.create(cv2.NORM_L2)
    clear = [best for best, second in matcher.knnMatch(a[1], b[1], 2) if best.distance < _RATIO * second.distance]
    back = {best.queryIdx: best.trainIdx for best in matcher.match(b[1], a[1])}
    mutual = [(each.queryIdx, each.trainIdx) for each in clear if back[each.trainIdx] == each.queryIdx]
    pairs = np.array(mutual, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
