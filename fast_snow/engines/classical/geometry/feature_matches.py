"""Features matched by their appearance, where images are too far apart for points to be followed."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from fast_snow.point_matches import ENOUGH, Features, common, find_features, match_features
from fast_snow.types import TrackedPoints

_GAPS = (1, 2)


def with_matches(points: Sequence[TrackedPoints], gray: UInt8[np.ndarray, "n h w"]) -> list[TrackedPoints]:
    """Add matched features to the points of neighbouring images that share few.

    Args:
        points: followed through the images.
        gray: the images.

    Returns:
        The points of each image and, under ids of their own, the features it shares with one of the two before.
    """
    weak = {i for i in range(1, len(points)) if len(common(points[i - 1], points[i])[0]) < ENOUGH}
    wanted = sorted({j for i in weak for j in (i, *(i - gap for gap in _GAPS)) if j >= 0})
    next_id = 1 + max((int(each.point_id.max(initial=-1)) for each in points), default=-1)
    features: dict[int, Features] = {}
    ids: dict[int, Int64[np.ndarray, " f"]] = {}
    for i in wanted:
        features[i] = find_features(gray[i])
        ids[i] = np.arange(next_id, next_id + len(features[i][0]))
        next_id += len(ids[i])
        matched = np.zeros(len(ids[i]), dtype=bool)
        for j in (i - gap for gap in _GAPS if i in weak and i - gap in features):
            mine, other = match_features(features[i], features[j])
            new = ~matched[mine] & ~np.isin(ids[j][other], ids[i])
            ids[i][mine[new]] = ids[j][other[new]]
            matched[mine] = True
    return [_joined(each, features[i][0], ids[i]) if i in features else each for i, each in enumerate(points)]


def _joined(points: TrackedPoints, uv: Float32[np.ndarray, "f 2"], ids: Int64[np.ndarray, " f"]) -> TrackedPoints:
    """Return points and features, by ascending id."""
    point_id = np.concatenate([points.point_id, ids])
    order = np.argsort(point_id, kind="stable")
    return TrackedPoints(point_id=point_id[order], uv=np.concatenate([points.uv, uv])[order])
