"""Tracking metrics: IDF1, identity switches, fragmentations, MOTA and HOTA, as computed by the reference tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Int64

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.evaluation.metrics import load_metric_package
from fast_snow.evaluation.metrics.association import Association, By, associate_clip
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.mask_resize import resize
from fast_snow.types import GridShape, LabelledMasks

_RATIOS: Final = ("idf1", "idp", "idr", "mota", "motp")
_COUNTS: Final = {
    "switches": "num_switches",
    "fragmentations": "num_fragmentations",
    "objects": "num_objects",
    "predicted": "num_predictions",
    "id_matches": "idtp",
    "matches": "num_detections",
    "misses": "num_misses",
    "false_positives": "num_false_positives",
}
"""Our names and those of py-motmetrics."""
_HOTA: Final = ("HOTA", "DetA", "AssA", "LocA")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingScores:
    """Tracking metrics of one clip.

    Attributes:
        idf1: `2 IDTP / (2 IDTP + IDFP + IDFN)` under the pairing of true and predicted ids that is best for the clip.
        idp: `IDTP / (IDTP + IDFP)`; 0 where nothing was found.
        idr: `IDTP / (IDTP + IDFN)`.
        mota: `1 − (misses + false positives + switches) / objects`; below 0 where errors outnumber objects.
        motp: mean of `1 − IoU` over matches, so less is better; NaN where nothing matched.
        hota: mean over IoU thresholds of 0.05 to 0.95 of `sqrt(DetA · AssA)` at each.
        deta: mean over the same thresholds of `TP / (TP + FN + FP)`.
        assa: the same of the mean association accuracy of true positives.
        loca: the same of the mean IoU of true positives.
        switches: a true object is matched to another id than the last that it was matched to, however long ago.
        fragmentations: a true object goes from tracked to missed and is tracked again later, under whichever id;
            frames in which the truth does not have it do not interrupt it.
        frames: of the truth.
        objects: true objects, summed over frames.
        predicted: predicted objects that count, summed over frames.
        id_matches: IDTP, to pool clips: IDFP is `predicted − IDTP`, IDFN is `objects − IDTP`.
        matches: true objects that were found, switches included.
        misses: true objects that were not.
        false_positives: predicted objects that match no true one.
        ignored: predicted objects that do not count, because they are in regions to be ignored.
        frames_outside: frames of the prediction that the truth does not have; they do not count.

    Reference:
        IDF1: Ristani et al., ECCVW 2016. MOTA, switches: Bernardin and Stiefelhagen, EURASIP JIVP 2008, as counted by
        py-motmetrics 1.4.0, `metrics.py`. HOTA: Luiten et al., IJCV 2021, TrackEval 1.3.0, `metrics/hota.py`.
    """

    idf1: float
    idp: float
    idr: float
    mota: float
    motp: float
    hota: float
    deta: float
    assa: float
    loca: float
    switches: int
    fragmentations: int
    frames: int
    objects: int
    predicted: int
    id_matches: int
    matches: int
    misses: int
    false_positives: int
    ignored: int
    frames_outside: int

    @property
    def recall(self) -> float:
        """Share of true objects, over all frames, that were found, under whichever id."""
        return self.matches / self.objects

    @property
    def switches_per_1000(self) -> float:
        """Identity switches per 1000 frames of the truth."""
        return 1000 * self.switches / self.frames

    @property
    def fragmentations_per_1000(self) -> float:
        """Fragmentations per 1000 frames of the truth."""
        return 1000 * self.fragmentations / self.frames


def score_tracking(
    truth: Sequence[ObjectsInFrame], predicted: Sequence[ObjectsInFrame], *, by: By, iou_threshold: float = 0.5
) -> TrackingScores:
    """Compare the prediction with the truth.

    The frames of the truth count, no others; in one that `predicted` lacks, all is missed. Found objects with more than
    half of their pixels in the truth's `ignore` count neither way unless they match a true object.

    Args:
        truth: each frame at most once, each id at most once per frame.
        predicted: the same, with masks of the truth's size where masks are compared.
        by: what overlaps.
        iou_threshold: from this IoU on objects match, in all metrics but HOTA, which goes through thresholds.

    Raises:
        InputError: a frame or an id twice, no frame in common, no true object at all, masks that are missing or of
            another size.
        EngineError: the packages of the extra `eval` are not installed.
    """
    if not 0 < iou_threshold <= 1:
        raise InputError(f"IoU threshold: got {iou_threshold}, expected more than 0 and at most 1")
    association = associate_clip(truth, predicted, by=by, iou_threshold=iou_threshold)
    counted, hota = _motmetrics(association, iou_threshold), _trackeval(association)
    ratios: dict[str, Any] = {name: counted[name] for name in _RATIOS} | {each.lower(): hota[each] for each in _HOTA}
    counts: dict[str, Any] = {name: int(counted[theirs]) for name, theirs in _COUNTS.items()}
    if not counts["predicted"]:
        ratios["idp"] = 0.0
    return TrackingScores(
        **ratios,
        **counts,
        frames=len(association.frames),
        ignored=association.ignored,
        frames_outside=association.frames_outside,
    )


def as_objects(
    labelled: Sequence[LabelledMasks], source_frame: Int64[np.ndarray, " n"], size: GridShape
) -> tuple[ObjectsInFrame, ...]:
    """Bring a system's masks to the size and the frame numbers of the truth.

    `source_frame` has the index in the input of each `t`. A mask that holds no pixel of the annotated size is left out.

    Raises:
        InputError: a frame's `t` is not among those of `source_frame`.
    """
    predicted = []
    for each in labelled:
        if not 0 <= each.t < len(source_frame):
            raise InputError(f"frame t={each.t}: the clip has {len(source_frame)} frames; give those of this clip")
        masks = resize(each.masks, size)
        visible = np.flatnonzero(area(masks)).astype(np.int32)
        masks = masks[visible]
        predicted.append(
            ObjectsInFrame(
                frame=int(source_frame[each.t]),
                object_id=each.object_id[visible].astype(np.int64),
                box_xyxy=bounding_boxes(masks),
                masks=masks,
            )
        )
    return tuple(predicted)


def _motmetrics(association: Association, iou_threshold: float) -> dict[str, float]:
    """Count with py-motmetrics."""
    motmetrics = load_metric_package("motmetrics")
    events = motmetrics.MOTAccumulator()
    for index, frame in enumerate(association.frames):
        distance = np.where(frame.iou >= iou_threshold, 1 - frame.iou, np.nan)
        events.update(frame.true, frame.predicted, distance, frameid=index)
    names = [*_RATIOS, *_COUNTS.values()]
    counted = motmetrics.metrics.create().compute(events, metrics=names, return_dataframe=False)
    return {name: float(counted[name]) for name in names}


def _trackeval(association: Association) -> dict[str, float]:
    """Compute HOTA and its parts with TrackEval."""
    frames = association.frames
    data = {
        "gt_ids": [each.true for each in frames],
        "tracker_ids": [each.predicted for each in frames],
        "similarity_scores": [each.iou for each in frames],
        "num_gt_ids": association.true_ids,
        "num_tracker_ids": association.predicted_ids,
        "num_gt_dets": sum(len(each.true) for each in frames),
        "num_tracker_dets": sum(len(each.predicted) for each in frames),
    }
    by_threshold = load_metric_package("trackeval.metrics").HOTA().eval_sequence(data)
    return {name: float(np.mean(by_threshold[name])) for name in _HOTA}
