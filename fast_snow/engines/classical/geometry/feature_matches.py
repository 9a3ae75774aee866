"""Features matched by their appearance, where images are too far apart for points to be followed."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from fast_snow.engines.classical.geometry.point_tracks import TrackedPoints, common

_ENOUGH = 100
"""Points that two neighbouring images share by being followed; with fewer, features are matched."""
_FEATURES = 1500
_RATIO = 0.8
"""Largest ratio of the distances to the best and the second best match."""
_GAPS = (1, 2)

Features = tuple[Float32[np.ndarray, "_ 2"], Float32[np.ndarray, "_ 128"]]
"""Where features are, and their descriptors."""


def with_matches(points: Sequence[TrackedPoints], gray: UInt8[np.ndarray, "n h w"]) -> list[TrackedPoints]:
    """Add matched features to the points of neighbouring images that share few.

    Args:
        points: followed through the images.
        gray: the images.

    Returns:
        The points of each image and, under ids of their own, the features it shares with one of the two before.

    Reference:
        Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004.
    """
    weak = {i for i in range(1, len(points)) if len(common(points[i - 1], points[i])[0]) < _ENOUGH}
    wanted = sorted({j for i in weak for j in (i, *(i - gap for gap in _GAPS)) if j >= 0})
    next_id = 1 + max((int(each.point_id.max(initial=-1)) for each in points), default=-1)
    features: dict[int, Features] = {}
    ids: dict[int, Int64[np.ndarray, " f"]] = {}
    for i in wanted:
        features[i] = _features(gray[i])
        ids[i] = np.arange(next_id, next_id + len(features[i][0]))
        next_id += len(ids[i])
        matched = np.zeros(len(ids[i]), dtype=bool)
        for j in (i - gap for gap in _GAPS if i in weak and i - gap in features):
            mine, other = _matched(features[i], features[j])
            new = ~matched[mine] & ~np.isin(ids[j][other], ids[i])
            ids[i][mine[new]] = ids[j][other[new]]
            matched[mine] = True
    return [_joined(each, features[i][0], ids[i]) if i in features else each for i, each in enumerate(points)]


def _features(image: UInt8[np.ndarray, "h w"]) -> Features:
    keypoints, descriptors = cv2.SIFT.create(_FEATURES).detectAndCompute(image, None)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([each.pt for each in keypoints], np.float32), np.asarray(descriptors, np.float32)


def _matched(a: Features, b: Features) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Return which features of two images are each other's best match, and clearly so."""
    if min(len(a[0]), len(b[0])) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    matcher = cv2.BFMatcher.create(cv2.NORM_L2)
    clear = [best for best, second in matcher.knnMatch(a[1], b[1], 2) if best.distance < _RATIO * second.distance]
    back = {best.queryIdx: best.trainIdx for best in matcher.match(b[1], a[1])}
    mutual = [(each.queryIdx, each.trainIdx) for each in clear if back[each.trainIdx] == each.queryIdx]
    pairs = np.array(mutual, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _joined(points: TrackedPoints, uv: Float32[np.ndarray, "f 2"], ids: Int64[np.ndarray, " f"]) -> TrackedPoints:
    """Return points and features, by ascending id."""
    point_id = np.concatenate([points.point_id, ids])
    order = np.argsort(point_id, kind="stable")
    return TrackedPoints(point_id=point_id[order], uv=np.concatenate([points.uv, uv])[order])
