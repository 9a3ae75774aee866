"""Masklets that are a part of another one: a face of a box, the shirt of a person.

Detections that are nested in one frame start one object (`discovery.seeds`). A part that was detected where its whole
was not starts one of its own, and only the masklets tell.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from fast_snow.discovery import PART, quality
from fast_snow.fusion import MaskletName
from fast_snow.kernels.mask_iou import pairwise_iou, pairwise_overlap
from fast_snow.kernels.masks import decode
from fast_snow.types import NO_SOURCE, Detections, TrackedFrame

BITE: Final = 0.07
"""By so much a whole is more convex than what a part leaves of it; taking a ball off the crate that it lies on leaves a
crate."""
LOOKS: Final = 10
"""Frames, spread evenly, in which convexity is measured."""


class WithoutParts(NamedTuple):
    """The masklets of a window without those that are a part of another, and how many these were."""

    frames: tuple[TrackedFrame, ...]
    parts: int


def without_parts(
    tracked: Sequence[TrackedFrame], detections: Sequence[Detections], *, nested_thresh: float, iou_thresh: float
) -> WithoutParts:
    """Drop the masklets that are a part of a larger one.

    A masklet is a part where more than `nested_thresh` of all its pixels lie in one other masklet, as at least `PART`
    of that one's pixels; where that one is by `BITE` more convex than what the part leaves of it; and where it is
    better than all that lies in it so. Convexity is the share of its convex hull that a mask fills. Better is what has
    the larger sum of the `quality` of its detections: a mask that has spilt over several things has few. Recorded
    identities are no parts, and have none.

    Args:
        tracked: the masklets of each frame of a window.
        detections: of each frame.
        nested_thresh: as above.
        iou_thresh: a detection is of the masklet that it overlaps most, if by this IoU or more.
    """
    shared = _Shared.of(tracked)
    inside = shared.both > nested_thresh * shared.total[:, None]
    smaller = (shared.area < shared.area.T) & (shared.area >= PART * shared.area.T)
    nested = [(shared.names[part], shared.names[whole]) for part, whole in np.argwhere(inside & smaller).tolist()]
    if not nested:
        return WithoutParts(tuple(tracked), 0)
    spoken = _spoken_for(tracked, detections, iou_thresh)
    spilt = {whole for part, whole in nested if spoken[part] >= spoken[whole]}
    parts = {part for part, whole in nested if whole not in spilt and _leaves_a_bite(tracked, part, whole)}
    frames = tuple(each[np.array([name not in parts for name in each.names], np.bool_)] for each in tracked)
    return WithoutParts(frames, len(parts))


class _Shared(NamedTuple):
    """How many pixels the masklets of a window that no input records share.

    Attributes:
        names: of the masklets.
        total: pixels of each in all frames.
        area: pixels of each in the frames in which another is seen.
        both: pixels that are in another, too.
    """

    names: list[MaskletName]
    total: Float64[np.ndarray, " m"]
    area: Float64[np.ndarray, "m m"]
    both: Float64[np.ndarray, "m m"]

    @staticmethod
    def of(tracked: Sequence[TrackedFrame]) -> "_Shared":
        free = [each[these] for each in tracked if (these := each.source_id == NO_SOURCE).any()]
        names = sorted({name for each in free for name in each.names})
        number = {name: i for i, name in enumerate(names)}
        shared = _Shared(names, np.zeros(len(names)), *np.zeros((2, len(names), len(names))))
        for each in free if len(names) > 1 else []:
            of = np.array([number[name] for name in each.names], np.intp)
            both, _ = pairwise_overlap(each.masks, each.masks)
            shared.total[of] += both.diagonal()
            shared.area[np.ix_(of, of)] += both.diagonal()[:, None]
            shared.both[np.ix_(of, of)] += both
        return shared


def _spoken_for(
    tracked: Sequence[TrackedFrame], detections: Sequence[Detections], iou_thresh: float
) -> Mapping[MaskletName, float]:
    """Return the sum of the quality of each masklet's detections."""
    total: defaultdict[MaskletName, float] = defaultdict(float)
    for seen, found in zip(tracked, detections, strict=True):
        iou, names = pairwise_iou(found.masks, seen.masks), seen.names
        for overlap, good in zip(iou, quality(found).tolist(), strict=True):
            if overlap.max(initial=0.0) >= iou_thresh:
                total[names[int(overlap.argmax())]] += good
    return total


def _leaves_a_bite(tracked: Sequence[TrackedFrame], part: MaskletName, whole: MaskletName) -> bool:
    seen = [each for each in tracked if {part, whole} <= set(each.names)]
    pixels, hull = np.zeros(2), np.zeros(2)
    for i in np.unique(np.linspace(0, len(seen) - 1, LOOKS).round().astype(np.intp)):
        names = seen[i].names
        inner, outer = decode(seen[i].masks[np.array([names.index(part), names.index(whole)])])
        pixels += np.count_nonzero(outer), np.count_nonzero(outer & ~inner)
        hull += _hull(outer), _hull(outer & ~inner)
    together, rest = pixels / np.maximum(hull, 1.0)
    return bool(together >= rest + BITE)


def _hull(mask: Bool[np.ndarray, "h w"]) -> float:
    """Return the area of the convex hull of a mask's pixels, in pixels."""
    row = np.flatnonzero(mask.any(axis=1))
    if not len(row):
        return 0.0
    left, right = mask[row].argmax(axis=1), mask.shape[1] - mask[row][:, ::-1].argmax(axis=1)
    corners = np.concatenate([np.stack([u, v], axis=1) for u in (left, right) for v in (row, row + 1)])
    return float(cv2.contourArea(cv2.convexHull(corners.astype(np.int32))))
