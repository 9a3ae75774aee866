"""Objects that move, whose pixels should not align one window with the next.

Depth of what moves is where an estimator is least sure: frames contradict each other there.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Int32

from fast_snow.kernels.masks import decode
from fast_snow.types import Geometry, Masks, Observations, Track

RECENT: Final = 30
"""Observations that tell whether an object moves now."""
LEAST: Final = 5
"""With fewer observations nothing is said."""
SIGNIFICANT: Final = 4.0
"""An object moves where its centroid went so many times as far as it strays from a straight, even course."""
REMAINING: Final = 0.1
"""Share of the measured pixels that must be left; with less, it is rather the whole estimate that drifts."""


def moves(seen: Observations) -> bool:
    """Tell whether an object moved significantly lately: along a straight course, against how it strays from it."""
    recent = seen[-RECENT:]
    if len(recent) < LEAST:
        return False
    t, centroid = recent.t.astype(np.float64), recent.centroid.astype(np.float64)
    t -= t.mean()
    course = t[:, None] * (t @ centroid / (t @ t))
    stray = centroid - centroid.mean(axis=0) - course
    went = float(np.linalg.norm(course[-1] - course[0]))
    return went > SIGNIFICANT * float(np.sqrt((stray**2).sum() / (len(recent) - 2)))


def without_movers(
    geometry: Geometry, seen: Iterable[tuple[Masks, Int32[np.ndarray, " _"]]], tracks: Iterable[Track]
) -> Geometry:
    """Take the confidence of what moves from a geometry; `seen` are the masks and the object ids of each frame.

    Where hardly anything would be left, the geometry is unchanged.
    """
    moving = [track.object_id for track in tracks if moves(track.observations)]
    if not moving:
        return geometry
    still = geometry.confidence.copy()
    for confidence, (masks, object_id) in zip(still, seen, strict=True):
        confidence[decode(masks[np.isin(object_id, moving)]).any(axis=0)] = 0
    measured = np.isfinite(geometry.depth) & (geometry.confidence > 0)
    if np.count_nonzero(measured & (still > 0)) < REMAINING * np.count_nonzero(measured):
        return geometry
    return replace(geometry, confidence=still)
