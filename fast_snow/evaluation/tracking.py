"""How well objects are found and keep their identity: IDF1, switches, fragmentations, MOTA, HOTA.

The metrics are those of two established tools, fed with our overlaps: py-motmetrics (MOTA, IDF1, switches,
fragmentations) and TrackEval (HOTA).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from fast_snow.errors import InputError
from fast_snow.evaluation.overlap import Region, counted, keep, similarity
from fast_snow.evaluation.truth import ObjectsInFrame
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.mask_resize import resize
from fast_snow.types import GridShape, LabelledMasks

_COUNTS = ("num_objects", "num_predictions", "num_matches", "num_misses", "num_false_positives")
_METRICS = ("idf1", "idp", "idr", "mota", "motp", "num_switches", "num_fragmentations", *_COUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingScores:
    """Tracking quality over annotated frames.

    Attributes:
        frames: how many were compared.
        idf1: F1 of detections under the one-to-one map of identities that agrees most (Ristani et al., 2016).
        idp: its precision.
        idr: its recall.
        mota: 1 - (misses + false positives + switches) / true objects (CLEAR MOT, 2008); has no lower bound.
        motp: mean of 1 - IoU over matches: less is better; NaN without a match.
        hota: mean over thresholds 0.05 to 0.95 of the root of detection times association accuracy (Luiten et al.,
            2021).
        deta: its detection accuracy.
        assa: its association accuracy.
        switches: a true object is matched by another identity than the last time.
        fragmentations: a true object goes from tracked to untracked and is tracked again later (py-motmetrics).
        switches_per_1000: per 1000 frames.
        fragmentations_per_1000: per 1000 frames.
        true_objects: observations in the truth.
        found_objects: observations in the result, without those in ignored pixels.
        matches: of true objects, switches not counted among them.
        misses: true objects that nothing matches.
        false_positives: found objects that match nothing.
        outside: found observations in frames without annotation, which do not count.
    """

    frames: int
    idf1: float
    idp: float
    idr: float
    mota: float
    motp: float
    hota: float
    deta: float
    assa: float
    switches: int
    fragmentations: int
    switches_per_1000: float
    fragmentations_per_1000: float
    true_objects: int
    found_objects: int
    matches: int
    misses: int
    false_positives: int
    outside: int


class _Compared(NamedTuple):
    """One frame: identities on both sides and their IoU."""

    true_id: Int64[np.ndarray, " t"]
    found_id: Int64[np.ndarray, " f"]
    iou: Float64[np.ndarray, "t f"]


def score(
    truth: Sequence[ObjectsInFrame], found: Sequence[ObjectsInFrame], *, by: Region, iou_threshold: float = 0.5
) -> TrackingScores:
    """Compare tracks with the truth.

    Every annotated frame counts; one in which nothing was found is all misses.

    Args:
        truth: annotated frames.
        found: frames of a result.
        by: whether masks or boxes are compared.
        iou_threshold: a match has at least this IoU (HOTA goes through all thresholds).

    Returns:
        The scores.

    Raises:
        InputError: no frame in common, an identity twice in a frame, or masks of different size.
    """
    results = {each.frame: each for each in found}
    annotated = {each.frame for each in truth}
    if not annotated & set(results):
        raise InputError(f"no frame in common: the truth has {_span(annotated)}, the result {_span(set(results))}")
    frames = [_compare(each, results.get(each.frame), by) for each in truth]
    summary = _motmetrics(frames, iou_threshold)
    hota = _hota(frames)
    per_1000 = 1000 / len(frames)
    return TrackingScores(
        frames=len(frames),
        **{name: float(summary[name]) for name in ("idf1", "idp", "idr", "mota", "motp")},
        **hota,
        switches=int(summary["num_switches"]),
        fragmentations=int(summary["num_fragmentations"]),
        switches_per_1000=float(summary["num_switches"]) * per_1000,
        fragmentations_per_1000=float(summary["num_fragmentations"]) * per_1000,
        true_objects=int(summary["num_objects"]),
        found_objects=int(summary["num_predictions"]),
        matches=int(summary["num_matches"]),
        misses=int(summary["num_misses"]),
        false_positives=int(summary["num_false_positives"]),
        outside=sum(len(each) for each in found if each.frame not in annotated),
    )


def as_objects(
    labelled: Sequence[LabelledMasks], source_frame: Int64[np.ndarray, " n"], size: GridShape
) -> tuple[ObjectsInFrame, ...]:
    """Bring the masks of a run to the annotated size.

    Args:
        labelled: of a run, on its analysis grid.
        source_frame: index in the input by index in the clip.
        size: height and width of the annotated images.
    """
    objects = []
    for each in labelled:
        masks = resize(each.masks, size)
        objects.append(
            ObjectsInFrame(
                frame=int(source_frame[each.t]),
                object_id=each.object_id.astype(np.int64),
                box_xyxy=bounding_boxes(masks),
                masks=masks,
            )
        )
    return tuple(objects)


def _compare(truth: ObjectsInFrame, found: ObjectsInFrame | None, by: Region) -> _Compared:
    if found is None:
        return _Compared(truth.object_id, np.zeros(0, np.int64), np.zeros((len(truth), 0)))
    for each, whose in ((truth, "truth"), (found, "result")):
        if len(np.unique(each.object_id)) < len(each):
            raise InputError(f"frame {each.frame}: the {whose} has an identity twice; an object is in a frame once")
    which = counted(truth, found, similarity(truth, found, by))
    kept = keep(found, which)
    return _Compared(truth.object_id, kept.object_id, similarity(truth, kept, by))


def _motmetrics(frames: Sequence[_Compared], iou_threshold: float) -> dict[str, Any]:
    import motmetrics

    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for each in frames:
        distance = np.where(each.iou >= iou_threshold, 1 - each.iou, np.nan)
        accumulator.update(each.true_id, each.found_id, distance)
    table = motmetrics.metrics.create().compute(accumulator, metrics=list(_METRICS), return_dataframe=False)
    return dict(table)


def _hota(frames: Sequence[_Compared]) -> dict[str, float]:
    from trackeval.metrics import HOTA

    true_ids = np.unique(np.concatenate([each.true_id for each in frames]))
    found_ids = np.unique(np.concatenate([each.found_id for each in frames]))
    data = {
        "num_gt_ids": len(true_ids),
        "num_tracker_ids": len(found_ids),
        "num_gt_dets": sum(len(each.true_id) for each in frames),
        "num_tracker_dets": sum(len(each.found_id) for each in frames),
        "gt_ids": [np.searchsorted(true_ids, each.true_id) for each in frames],
        "tracker_ids": [np.searchsorted(found_ids, each.found_id) for each in frames],
        "similarity_scores": [each.iou for each in frames],
    }
    result = HOTA().eval_sequence(data)
    return {name.lower(): float(np.mean(result[name])) for name in ("HOTA", "DetA", "AssA")}


def _span(frames: set[int]) -> str:
    return f"frames {min(frames)} to {max(frames)}" if frames else "none"
