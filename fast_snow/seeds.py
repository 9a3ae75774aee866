"""Which detections may start an object: neither those too small to be observed, nor parts of another one."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int

from fast_snow.kernels.mask_iou import pairwise_overlap
from fast_snow.kernels.mask_measures import area
from fast_snow.types import NO_SOURCE, Detections

PART: Final = 0.1
"""A part takes at least this share of its object's area: a cup on a table is none, though it lies inside its mask."""


class Seeds(NamedTuple):
    """The detections of a window from which objects may start.

    Attributes:
        detections: per frame.
        too_small: how many others have too few pixels.
        nested: how many others are a part of one that stays.
    """

    detections: tuple[Detections, ...]
    too_small: int
    nested: int


def seeds(detections: Sequence[Detections], *, min_points: int, nested_thresh: float) -> Seeds:
    """Leave out the detections that should start no object.

    A detection with fewer than `min_points` pixels cannot be observed in its frame, whatever its depth; if it grows it
    is discovered later. Of two detections of one frame of which one lies inside the other as a part of it, the one with
    the higher product of score and root of area stays. Recorded objects all stay. Nested are two where more than
    `nested_thresh` of the smaller lies inside the larger.
    """
    kept: list[Detections] = []
    too_small = nested = 0
    for found in detections:
        large = (area(found.masks) >= min_points) | (found.source_id != NO_SOURCE)
        found = found[large]
        whole = _without_parts(found, nested_thresh)
        kept.append(found[whole])
        too_small += int(np.count_nonzero(~large))
        nested += int(np.count_nonzero(~whole))
    return Seeds(tuple(kept), too_small, nested)


def quality(found: Detections) -> Float64[np.ndarray, " m"]:
    """Return how good a prompt each detection is: the product of score and root of area."""
    return found.score * np.sqrt(area(found.masks))


def best(found: Detections, most: int | None) -> Int[np.ndarray, " k"]:
    """Return the indices of the best detections, in order: recorded ones go first, then by quality (None: all)."""
    return np.sort(np.lexsort((-quality(found), found.source_id == NO_SOURCE))[:most])


def _without_parts(found: Detections, nested_thresh: float) -> Bool[np.ndarray, " m"]:
    """Tell which detections stay where of two nested ones only the better does."""
    size = area(found.masks)
    smaller, larger = np.minimum(size[:, None], size[None, :]), np.maximum(size[:, None], size[None, :])
    intersection, _ = pairwise_overlap(found.masks, found.masks)
    part = (intersection > nested_thresh * smaller) & (smaller >= PART * larger)
    keep = found.source_id != NO_SOURCE
    for i in np.argsort(-quality(found), kind="stable").tolist():
        keep[i] |= not part[i, keep].any()
    return keep
