"""Points found again in another image: followed where they move little, matched by appearance where they move far."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

Gray = UInt8[np.ndarray, "h w"]
Points = Float32[np.ndarray, "p 2"]
Features = tuple[Float32[np.ndarray, "_ 2"], Float32[np.ndarray, "_ 128"]]
"""Where features are, and their descriptors."""

ENOUGH = 100
"""Points that two neighbouring images share by being followed; with fewer, features are matched."""
_MAX_POINTS = 300
_ENOUGH_CHAINED = 150
"""The same of points that are followed through images between: those on objects are among them."""
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


def chained_matches(images: Sequence[Gray]) -> tuple[Points, Points]:
    """Return points of the first image and where they are in the last.

    They are followed through the images between. Where too few survive, features of the first and the last are matched
    as well.

    Args:
        images: of one size, in order, at least two.
    """
    start = new_corners(images[0], np.zeros((0, 2), np.float32), _MAX_POINTS)
    uv = start
    for before, now in pairwise(images):
        uv, kept = follow(before, now, uv)
        start = start[kept]
    if len(uv) >= _ENOUGH_CHAINED or min(images[0].shape) < _MIN_SIDE:
        return start, uv
    a, b = find_features(images[0]), find_features(images[-1])
    i, j = match_features(a, b)
    return np.concatenate([start, a[0][i]]), np.concatenate([uv, b[0][j]])


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
