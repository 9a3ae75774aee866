"""Joints of neighbouring windows: the similarity between their worlds, how good it is, and whether it may be used.

Where a joint fails its gate, two worlds are no better known than two videos': nothing is glued, a new segment begins.
"""

import math
import warnings
from typing import Final

import numpy as np

from fast_snow.alignment import Similarity, align_windows, disagreement
from fast_snow.errors import FastSnowError, FastSnowWarning
from fast_snow.types import Geometry, Joint

MAX_RESIDUAL: Final = 0.25
"""A joint fails where the median pixel's two points are farther apart than this share of its depth: noise of depth of a
tenth, or a fifth of the pixels wrong, stays far below; windows of different places are at 0.4 and more."""
MAX_DRIFT: Final = 1.0
"""A joint fails where a shared camera's two places are farther apart than this multiple of the median depth."""


def join_windows(
    previous: Geometry, current: Geometry, shared: int, *, conf_thresh: float, t: int
) -> tuple[Similarity | None, Joint]:
    """Join the worlds of two neighbouring windows, which are as in `align_windows`, where their shared frames allow it.

    Returns `T_previous_current`, and how good it is; no similarity where the joint fails. The first frame that
    `current` adds is `t`.

    Warns:
        FastSnowWarning: the joint fails; or too few pixels are trusted, as `align_windows`.
    """
    try:
        T_previous_current = align_windows(previous, current, shared, conf_thresh=conf_thresh)
    except FastSnowError as error:
        _warn(t, str(error))
        return None, Joint(t=t, scale=math.nan, residual=math.nan, drift=math.nan, joined=False)
    apart, drift = disagreement(T_previous_current, previous, current, shared, conf_thresh=conf_thresh)
    residual = float(np.median(apart)) if len(apart) else math.nan
    joined = not (residual > MAX_RESIDUAL or drift > MAX_DRIFT)  # what is not known does not fail
    if not joined:
        _warn(t, f"their depths disagree by {residual:.0%}, their cameras by {drift:.0%} of the depth")
    joint = Joint(t=t, scale=T_previous_current.scale, residual=residual, drift=drift, joined=joined)
    return (T_previous_current if joined else None), joint


def _warn(t: int, why: str) -> None:
    warnings.warn(
        f"frames from {t} on cannot be joined to those before ({why}): a new segment begins, with a world and objects"
        " of its own",
        FastSnowWarning,
        stacklevel=3,
    )
