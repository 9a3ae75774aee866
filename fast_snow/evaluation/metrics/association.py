"""Overlap and matching of true and predicted objects, frame by frame: the input of the tracking metrics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from scipy.optimize import linear_sum_assignment

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.masks import decode
from fast_snow.types import Masks

By = Literal["mask", "box"]

NO_PIXELS: Final = (0, 0)
MOSTLY: Final = 0.5
"""Objects with a greater share than this in an ignored region do not count, if they are not matched (the MOTS rule)."""

FORBIDDEN: Final = -1e4
"""Stands for the IoU of a pair below the threshold: no sum of the others makes up for it."""

PixelCounts = Float64[np.ndarray, "a b"]


def iou(truth: ObjectsInFrame, predicted: ObjectsInFrame, *, by: By) -> Float64[np.ndarray, "a b"]:
    """Compute the IoU, in [0, 1], of every true object of a frame with every predicted one, by masks or by boxes.

    Raises:
        InputError: masks are asked for and missing, or on grids of different sizes.
    """
    if by == "box":
        common = _common_of_boxes(truth, predicted)
        own, other = _box_area(truth), _box_area(predicted)
    else:
        masks, others = _masks(truth, "true"), _masks(predicted, "predicted")
        _check_sizes(truth.frame, masks, others)
        common = _common_of_masks(masks, others)
        own, other = area(masks).astype(np.float64), area(others).astype(np.float64)
    union = own[:, None] + other - common
    return np.divide(common, union, out=np.zeros_like(union), where=common > 0)


def share_ignored(truth: ObjectsInFrame, predicted: ObjectsInFrame, *, by: By) -> Float64[np.ndarray, " b"]:
    """Compute the share, in [0, 1], of each predicted object that lies in what the truth says to ignore.

    Boxes are taken to the nearest pixels; an object without pixels has a share of 0. Raises as `iou`.
    """
    if truth.ignore is None or len(predicted) == 0:
        return np.zeros(len(predicted))
    if by == "box":
        inside, own = _ignored_of_boxes(truth.ignore, predicted)
    else:
        masks = _masks(predicted, "predicted")
        _check_sizes(truth.frame, truth.ignore, masks)
        inside = _common_of_masks(truth.ignore, masks).sum(axis=0)
        own = area(masks).astype(np.float64)
    return np.divide(inside, own, out=np.zeros_like(own), where=own > 0)


def _common_of_masks(masks: Masks, others: Masks) -> PixelCounts:
    """Count the pixels in common.

    The kernel answers in float32, but pixels are whole: they follow exactly from the IoU for masks of up to 8 million
    pixels, and with them ratios that are as exact as those of the reference tools.
    """
    if len(masks) == 0 or len(others) == 0:
        return np.zeros((len(masks), len(others)))
    ratio = pairwise_iou(masks, others).astype(np.float64)
    both = area(masks)[:, None].astype(np.float64) + area(others)
    return np.rint(ratio * both / (1 + ratio))


def _masks(objects: ObjectsInFrame, whose: str) -> Masks:
    if objects.masks is not None:
        return objects.masks
    if len(objects) > 0:
        raise InputError(f"frame {objects.frame}: the {whose} objects have boxes alone; compare by boxes")
    nothing = np.zeros(0, np.int32)
    return Masks(start=nothing, stop=nothing, offset=np.zeros(1, np.int32), shape=NO_PIXELS)


def _check_sizes(frame: int, truth: Masks, predicted: Masks) -> None:
    """Refuse masks of different sizes; no masks at all, of 0 × 0 pixels, fit any size."""
    if truth.shape != predicted.shape and NO_PIXELS not in (truth.shape, predicted.shape):
        (height, width), (predicted_height, predicted_width) = truth.shape, predicted.shape
        raise InputError(
            f"frame {frame}: the truth is of {width} x {height} pixels, the prediction of {predicted_width} x "
            f"{predicted_height}; bring it to the truth's size (`tracking.as_objects`)"
        )


def _common_of_boxes(truth: ObjectsInFrame, predicted: ObjectsInFrame) -> PixelCounts:
    box, other = truth.box_xyxy.astype(np.float64)[:, None], predicted.box_xyxy.astype(np.float64)
    low, high = np.maximum(box[..., :2], other[..., :2]), np.minimum(box[..., 2:], other[..., 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1)


def _box_area(objects: ObjectsInFrame) -> Float64[np.ndarray, " m"]:
    box = objects.box_xyxy.astype(np.float64)
    return np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=-1)


def _ignored_of_boxes(
    ignore: Masks, predicted: ObjectsInFrame
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """Count the pixels of each box, and how many of them are ignored."""
    height, width = ignore.shape
    summed = np.zeros((height + 1, width + 1))
    summed[1:, 1:] = decode(ignore).any(axis=0).cumsum(axis=0).cumsum(axis=1)
    corner = np.rint(predicted.box_xyxy).astype(np.int64)
    own = np.prod(np.maximum(corner[:, 2:] - corner[:, :2], 0), axis=1).astype(np.float64)
    x0, x1 = np.clip(corner[:, [0, 2]].T, 0, width)
    y0, y1 = np.clip(corner[:, [1, 3]].T, 0, height)
    inside: np.ndarray = summed[y1, x1] - summed[y0, x1] - summed[y1, x0] + summed[y0, x0]
    return inside, own


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FramePair:
    """One frame: IoU of every true with every predicted object, and their rows among the clip's ids."""

    true: Int64[np.ndarray, " a"]
    predicted: Int64[np.ndarray, " b"]
    iou: Float64[np.ndarray, "a b"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Association:
    """A clip: frames of the truth in order, the number of objects it has, and of those found that count.

    Objects found in what the truth says to ignore, and frames that it does not have, do not count.
    """

    frames: tuple[FramePair, ...]
    true_ids: int
    predicted_ids: int
    ignored: int
    frames_outside: int


def associate_clip(
    truth: Sequence[ObjectsInFrame], predicted: Sequence[ObjectsInFrame], *, by: By, iou_threshold: float
) -> Association:
    """Put the prediction beside the truth.

    The truth says which frames count. One that the system has no entry for is a frame where it found nothing. An object
    that matches a true one, from `iou_threshold` on, counts wherever it is.

    Raises:
        InputError: a frame or an id twice, no frame in common, no true object, or sizes that differ.

    Reference:
        TrackEval 1.3.0, `datasets/mots_challenge.py: get_preprocessed_seq_data`: unmatched objects with more than half
        of their pixels in an ignored region are removed (Voigtlaender et al., MOTS, CVPR 2019, section 4.1).
    """
    true_by_frame, predicted_by_frame = _by_frame(truth, "truth"), _by_frame(predicted, "prediction")
    if true_by_frame.keys().isdisjoint(predicted_by_frame):
        raise InputError(
            f"truth has {_frames(true_by_frame)}, prediction has {_frames(predicted_by_frame)}: none in common"
        )
    ratios, counted_ids, ignored = [], [], 0
    for frame, true in sorted(true_by_frame.items()):
        objects = predicted_by_frame.get(frame, _nothing(frame))
        ratio = iou(true, objects, by=by)
        counts = ~(_unmatched(ratio, iou_threshold) & (share_ignored(true, objects, by=by) > MOSTLY))
        ratios.append(ratio[:, counts])
        counted_ids.append(objects.object_id[counts])
        ignored += int(np.count_nonzero(~counts))
    true_ids, true_rows = _rows([true_by_frame[frame].object_id for frame in sorted(true_by_frame)])
    predicted_ids, predicted_rows = _rows(counted_ids)
    if true_ids == 0:
        raise InputError(f"truth has no object in {_frames(true_by_frame)}: nothing to compare with")
    return Association(
        frames=tuple(
            FramePair(true=true, predicted=predicted, iou=ratio)
            for true, predicted, ratio in zip(true_rows, predicted_rows, ratios, strict=True)
        ),
        true_ids=true_ids,
        predicted_ids=predicted_ids,
        ignored=ignored,
        frames_outside=len(predicted_by_frame.keys() - true_by_frame.keys()),
    )


def match_objects(ratio: Float64[np.ndarray, "a b"], iou_threshold: float) -> Int64[np.ndarray, "k 2"]:
    """Pair true and predicted objects one to one: as many as can be, and of such pairings that of the greatest IoU.

    None of the pairs, of rows and columns, is below the threshold.
    """
    allowed = (ratio >= iou_threshold) & (ratio > 0)
    row, column = linear_sum_assignment(np.where(allowed, ratio, FORBIDDEN), maximize=True)
    return np.stack([row, column], axis=1).astype(np.int64)[allowed[row, column]]


def duplicate_ids(frames: Iterable[Int32[np.ndarray, " _m"] | Int64[np.ndarray, " _m"]]) -> int:
    """Count the ids that name more than one object of a frame, once for each object beyond the first."""
    return sum(len(ids) - len(np.unique(ids)) for ids in frames)


def _unmatched(ratio: Float64[np.ndarray, "a b"], iou_threshold: float) -> Bool[np.ndarray, " b"]:
    unmatched = np.ones(ratio.shape[1], np.bool_)
    unmatched[match_objects(ratio, iou_threshold)[:, 1]] = False
    return unmatched


def _by_frame(entries: Sequence[ObjectsInFrame], whose: str) -> dict[int, ObjectsInFrame]:
    by_frame: dict[int, ObjectsInFrame] = {}
    for each in entries:
        if each.frame in by_frame:
            raise InputError(f"{whose}: frame {each.frame} comes twice, expected each frame at most once")
        if duplicate_ids([each.object_id]):
            ids, count = np.unique(each.object_id, return_counts=True)
            raise InputError(
                f"{whose}: frame {each.frame} has object {ids[count > 1][0]} twice, expected each id at most once"
            )
        by_frame[each.frame] = each
    return by_frame


def _frames(by_frame: Mapping[int, ObjectsInFrame]) -> str:
    if not by_frame:
        return "no frames"
    return f"{len(by_frame)} frames from {min(by_frame)} to {max(by_frame)}"


def _nothing(frame: int) -> ObjectsInFrame:
    return ObjectsInFrame(frame=frame, object_id=np.zeros(0, np.int64), box_xyxy=np.zeros((0, 4), np.float32))


def _rows(ids: Sequence[Int64[np.ndarray, " _m"]]) -> tuple[int, list[Int64[np.ndarray, " _m"]]]:
    """Number the ids of a clip from 0, in the order of their values."""
    known, row = np.unique(np.concatenate(ids), return_inverse=True)
    return len(known), np.split(row.astype(np.int64), np.cumsum([len(each) for each in ids])[:-1])
