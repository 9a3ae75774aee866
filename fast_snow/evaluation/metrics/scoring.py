"""Scoring of a run: every metric that the clip's ground truth allows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from fast_snow.errors import FastSnowError, InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, Truth
from fast_snow.evaluation.metrics import geometry, tracking
from fast_snow.evaluation.metrics.association import duplicate_ids
from fast_snow.evaluation.systems import SystemRun

Part = Callable[[Truth, SystemRun], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the truth says of a run: metrics, notes for their reader, and why some are missing.

    `exhaustive` says whether the truth has every object; None where it has none.
    """

    metrics: Mapping[str, float]
    exhaustive: bool | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def score_run(truth: Truth, run: SystemRun) -> Scores:
    """Compare a run with the truth of its clip.

    Only frames that the system was given count: a clip that is sampled at 10 Hz is not blamed for the frames between.

    Returns:
        All metrics that the truth allows; one that cannot be had is a problem, and the others stand.
    """
    metrics = {"duplicate_ids": float(duplicate_ids(each.object_id for each in run.labelled))}
    problems: dict[str, str] = {}
    for name, measured in _parts(truth, run):
        try:
            metrics |= measured(truth, run)
        except FastSnowError as error:
            problems.setdefault(str(error), name)
    defined = {name: value for name, value in metrics.items() if np.isfinite(value)}
    undefined = tuple(f"{name} is not defined here" for name in metrics if name not in defined)
    return Scores(
        metrics=defined,
        exhaustive=truth.exhaustive if truth.objects else None,
        notes=(*_notes(truth, run), *undefined),
        problems=tuple(f"{name}: {error}" for error, name in problems.items()),
    )


def _parts(truth: Truth, run: SystemRun) -> Iterator[tuple[str, Part]]:
    """Yield what can be measured, in words and as a function."""
    posed = truth.trajectory is not None
    if truth.objects:
        yield "tracking", _tracking
    if posed:
        yield "trajectory", geometry.path_errors
    if truth.read_depth is not None:
        yield "depth", geometry.depth_errors
    if posed and truth.read_depth is not None and truth.intrinsics is not None:
        if _have_masks(truth.objects):
            yield "placement", geometry.annotated_placement
        yield "placement", geometry.own_placement
    if truth.static and (posed or run.graph.metric):
        yield "stability", geometry.static_spread


def _notes(truth: Truth, run: SystemRun) -> Iterator[str]:
    """Tell where a figure says less than it seems to."""
    recorded = {use.slot for use in run.engines if use.name == "recorded"}
    if truth.trajectory is not None and "geometry" in recorded:
        yield "the path is the input's own, so its error tells of reading and writing alone"
    if truth.read_depth is not None and "geometry" in recorded:
        yield "depth is the input's own, so its errors and those of places in own masks tell of reading alone"
    if truth.objects and recorded & {"segmenter", "tracker"}:
        yield "masks are the input's own, so tracking tells of the graph's bookkeeping alone"


def _tracking(truth: Truth, run: SystemRun) -> dict[str, float]:
    source_frame = run.graph.ego.source_frame
    found = tracking.as_objects(run.labelled, source_frame, truth.size)
    given = set(source_frame.tolist())
    objects = tuple(each for each in truth.objects if each.frame in given)
    if not objects:
        raise InputError("none of the annotated frames was sampled; check the clip's frame numbers and its rate")
    scores = tracking.score_tracking(objects, found, by="mask" if _have_masks(objects) else "box")
    return {name: float(getattr(scores, name)) for name in _TRACKED}


def _have_masks(objects: tuple[ObjectsInFrame, ...]) -> bool:
    return any(each.masks is not None for each in objects)


_TRACKED: Final = (
    *("idr", "recall", "idf1", "idp", "hota", "deta", "assa", "mota"),
    *("switches_per_1000", "fragmentations_per_1000"),
)
