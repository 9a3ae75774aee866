"""Truth and the prediction, frame beside frame: what the tracking metrics of all libraries are counted from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from scipy.optimize import linear_sum_assignment

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.evaluation.metrics.overlap import By, iou, share_ignored

MOSTLY: Final = 0.5
"""Objects with a greater share than this in an ignored region do not count, if they are not matched (the MOTS rule)."""

FORBIDDEN: Final = -1e4
"""Stands for the IoU of a pair below the threshold: no sum of the others makes up for it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FramePair:
    """One frame.

    Attributes:
        true: row of each true object among the clip's true ids.
        predicted: row of each predicted object among the clip's predicted ids.
        iou: of every true object with every predicted one.
    """

    true: Int64[np.ndarray, " a"]
    predicted: Int64[np.ndarray, " b"]
    iou: Float64[np.ndarray, "a b"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Association:
    """A clip.

    Attributes:
        frames: one per frame of the truth, in order.
        true_ids: how many objects the truth has.
        predicted_ids: how many were found and count.
        ignored: how many times a predicted object did not count for what the truth says to ignore.
        frames_outside: frames of the prediction that the truth does not have; they do not count.
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

    The truth says which frames count. One that the system has no entry for is a frame where it found nothing.

    Args:
        truth: each frame at most once, each id at most once per frame.
        predicted: the same.
        by: what overlaps.
        iou_threshold: IoU from which a predicted object is a true one, which no ignored region can drop.

    Raises:
        InputError: a frame or an id twice, no frame in common, no true object, or sizes that differ.

    Reference:
        TrackEval 1.3.0, `datasets/mots_challenge.py: get_preprocessed_seq_data`: unmatched objects with more than half
        of their pixels in an ignored region are removed (Voigtlaender et al., MOTS, CVPR 2019, section 4.1).
    """
    true_by_frame, predicted_by_frame = _by_frame(truth, "truth"), _by_frame(predicted, "prediction")
    _require_common(true_by_frame, predicted_by_frame)
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


def _require_common(truth: Mapping[int, ObjectsInFrame], prediction: Mapping[int, ObjectsInFrame]) -> None:
    if truth.keys().isdisjoint(prediction.keys()):
        raise InputError(f"truth has {_frames(truth)}, prediction has {_frames(prediction)}: none in common")


def match_objects(ratio: Float64[np.ndarray, "a b"], iou_threshold: float) -> Int64[np.ndarray, "k 2"]:
    """Pair true and predicted objects one to one: as many as can be, and of such pairings that of the greatest IoU.

    Args:
        ratio: IoU of every true object with every predicted one.
        iou_threshold: pairs below it do not count.

    Returns:
        Rows and columns of the pairs.
    """
    allowed = (ratio >= iou_threshold) & (ratio > 0)
    row, column = linear_sum_assignment(np.where(allowed, ratio, FORBIDDEN), maximize=True)
    return np.stack([row, column], axis=1).astype(np.int64)[allowed[row, column]]


def duplicate_ids(frames: Iterable[Int32[np.ndarray, " _m"] | Int64[np.ndarray, " _m"]]) -> int:
    """Count the ids that name more than one object of a frame, once for each object beyond the first.

    Args:
        frames: the ids of each frame's objects.
    """
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
