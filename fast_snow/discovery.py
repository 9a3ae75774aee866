"""Which detections are new objects, and how to prompt for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool
from scipy.optimize import linear_sum_assignment

from fast_snow.fusion import corrected
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import shift
from fast_snow.seeds import best, quality
from fast_snow.types import Detections, MaskPrompt, TrackedFrame

EXPECTED: Final = 5
"""Frames for which a lost object is expected where it was last seen."""


class Prompts(NamedTuple):
    """The objects that a tracker is asked for, and how many more there were."""

    prompts: tuple[MaskPrompt, ...]
    left_out: int


def prompts_of_frame(detections: Detections, frame: int, *, most: int | None = None) -> Prompts:
    """Return one prompt per detection of frame `frame` of a window, for the `most` best (None: all).

    The first pass starts from those of the first frame.
    """
    chosen = best(detections, most)
    prompts = tuple(MaskPrompt(frame=frame, mask=detections.masks[chosen[[i]]]) for i in range(len(chosen)))
    return Prompts(prompts, len(detections) - len(prompts))


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
    prompts = tuple(
        MaskPrompt(frame=each.frame, mask=detections[each.frame].masks[np.array([each.detection])]) for each in chosen
    )
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
        missing = replace(missing, masks=shift(missing.masks, *_common_motion(before, now)))
        new = np.flatnonzero(is_new(found, now, iou_thresh))
        overlap = corrected(pairwise_iou(missing.masks, found.masks[new]), missing.source_id, found.source_id[new])
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        covering = columns[overlap[rows, columns] >= iou_thresh]
        prompts += [MaskPrompt(frame=frame, mask=found.masks[new[[i]]]) for i in covering]
        # A place that is covered, by what was just found or by a masklet that took over, is looked at no more.
        taken = pairwise_iou(missing.masks, found.masks[new[covering]].followed_by(now.masks))
        open_place = taken.max(axis=1, initial=0.0) < iou_thresh
        missing, since = missing[open_place], since[open_place]
    return Prompts(tuple(prompts), 0)
