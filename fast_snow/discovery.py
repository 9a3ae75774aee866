"""Which detections may start an object, which are new, and how to prompt for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.optimize import linear_sum_assignment

from fast_snow.fusion import corrected
from fast_snow.kernels.mask_iou import pairwise_iou, pairwise_overlap
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.masks import shift
from fast_snow.types import NO_SOURCE, Detections, MaskPrompt, TrackedFrame

PART: Final = 0.1
"""A part takes at least this share of its object's area: a cup on a table is none, though it lies inside its mask."""
EXPECTED: Final = 5
"""Frames for which a lost object is expected where it was last seen."""


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


class Prompts(NamedTuple):
    """The objects that a tracker is asked for, and how many more there were."""

    prompts: tuple[MaskPrompt, ...]
    left_out: int


def prompts_of_frame(detections: Detections, frame: int, *, most: int | None = None) -> Prompts:
    """Return one prompt per detection of frame `frame` of a window, for the `most` best (None: all).

    The first pass starts from those of the first frame.
    """
    prompts = tuple(_prompt(detections, frame, i) for i in best(detections, most).tolist())
    return Prompts(prompts, len(detections) - len(prompts))


def _prompt(found: Detections, frame: int, i: int) -> MaskPrompt:
    return MaskPrompt(frame=frame, mask=found.masks[np.array([i])])


class _Sighting(NamedTuple):
    """One detection of a new object, and how good a prompt it would be."""

    frame: int
    detection: int
    quality: float


def discover(
    detections: Sequence[Detections], tracked: Sequence[TrackedFrame], *, iou_thresh: float, most: int | None = None
) -> Prompts:
    """Find the objects that the first pass missed and prompt for each once, at its best frame.

    A detection is new where its IoU with every tracked mask of its frame is below `iou_thresh`. New detections of
    neighbouring frames that overlap by at least as much, once the image's common motion is taken out, are one
    candidate: without that link an object seen in N frames would be added N times. A candidate's best detection has the
    highest product of score and root of area. Between recorded identities not IoU decides, but whether they are equal.
    The `most` best candidates are prompted (None: all), in the order of their frames.
    """
    ended: list[_Sighting] = []
    alive: list[_Sighting] = []
    before: Detections | None = None
    for frame, (found, known) in enumerate(zip(detections, tracked, strict=True)):
        index = np.flatnonzero(is_new(found, known, iou_thresh))
        new = found[index]
        link = {}
        if before is not None:
            link = _link(before, new, _common_motion(tracked[frame - 1], known), iou_thresh)
        seen = [_Sighting(frame, int(i), float(q)) for i, q in zip(index, quality(new), strict=True)]
        ended += [each for earlier, each in enumerate(alive) if earlier not in link.values()]
        alive = [
            max(alive[link[now]], each, key=lambda s: s.quality) if now in link else each
            for now, each in enumerate(seen)
        ]
        before = new
    candidates = sorted(ended + alive, key=lambda each: (-each.quality, each))
    chosen = sorted(candidates[:most])
    prompts = tuple(_prompt(detections[each.frame], each.frame, each.detection) for each in chosen)
    return Prompts(prompts, len(candidates) - len(prompts))


def is_new(found: Detections, known: TrackedFrame, iou_thresh: float) -> Bool[np.ndarray, " m"]:
    """Tell which detections of one frame overlap every masklet by an IoU below `iou_thresh`."""
    overlap = corrected(pairwise_iou(found.masks, known.masks), found.source_id, known.source_id)
    return overlap.max(axis=1, initial=0.0) < iou_thresh


def _common_motion(before: TrackedFrame, now: TrackedFrame) -> tuple[int, int]:
    """Return the median shift in pixels of what is tracked in both frames: mostly the camera's motion."""
    shared = sorted(set(before.names) & set(now.names))
    if not shared:
        return 0, 0
    corners = [bounding_boxes(frame.masks)[[frame.names.index(name) for name in shared]] for frame in (before, now)]
    du, dv = np.rint(np.median((corners[1] - corners[0]).reshape(-1, 2, 2).mean(axis=1), axis=0))
    return int(du), int(dv)


def _link(before: Detections, now: Detections, motion: tuple[int, int], iou_thresh: float) -> dict[int, int]:
    """Assign detections of one frame to those of the previous one, shifted by the common motion; maps now → before."""
    overlap = corrected(pairwise_iou(now.masks, shift(before.masks, *motion)), now.source_id, before.source_id)
    rows, cols = linear_sum_assignment(overlap, maximize=True)
    return {int(i): int(j) for i, j in zip(rows, cols, strict=True) if overlap[i, j] >= iou_thresh}


def lost(detections: Sequence[Detections], tracked: Sequence[TrackedFrame], *, iou_thresh: float) -> Prompts:
    """Prompt for objects that went missing while a detection covers the place where they are expected.

    An object is expected where it was last seen, moved with the image, for `EXPECTED` frames. A detection covers a
    place from an IoU of `iou_thresh` on, and is no tracked object below it; the first that covers the place of a loss
    prompts for it.
    """
    prompts: list[MaskPrompt] = []
    missing, since = tracked[0][:0], np.zeros(0, np.int64)
    for frame in range(1, len(tracked)):
        before, now, found = tracked[frame - 1], tracked[frame], detections[frame]
        names = set(now.names)
        gone = before[np.array([name not in names for name in before.names], np.bool_)]
        missing, since = missing.followed_by(gone), np.concatenate([since, np.full(len(gone), frame)])
        still = np.array([name not in names for name in missing.names], np.bool_) & (frame - since < EXPECTED)
        missing, since = missing[still], since[still]
        if not len(missing):
            continue
        missing = replace(missing, masks=shift(missing.masks, *_common_motion(before, now)))
        new = np.flatnonzero(is_new(found, now, iou_thresh))
        overlap = corrected(pairwise_iou(missing.masks, found.masks[new]), missing.source_id, found.source_id[new])
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        covering = columns[overlap[rows, columns] >= iou_thresh]
        prompts += [_prompt(found, frame, i) for i in new[covering].tolist()]
        # A place that is covered, by what was just found or by a masklet that took over, is looked at no more.
        taken = pairwise_iou(missing.masks, found.masks[new[covering]].followed_by(now.masks))
        open_place = taken.max(axis=1, initial=0.0) < iou_thresh
        missing, since = missing[open_place], since[open_place]
    return Prompts(tuple(prompts), 0)
