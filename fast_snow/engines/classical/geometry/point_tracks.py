"""Which images carry structure from motion, by the points that were followed through them."""

from collections.abc import Sequence

import numpy as np

from fast_snow.point_matches import common
from fast_snow.types import TrackedPoints

_MIN_OVERLAP = 0.6
"""Of a keyframe's points are followed to the next one: three keyframes in a row share a third."""
_MIN_KEYFRAMES = 8
_MIN_MOTION = 1.0
"""Pixels; less is hardly more than the error of tracking."""


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
