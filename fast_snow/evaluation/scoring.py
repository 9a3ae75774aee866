"""The metrics that a clip's truth allows, of what a system made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.errors import FastSnowError, InputError
from fast_snow.evaluation import tracking, trajectory
from fast_snow.evaluation.systems import SystemRun
from fast_snow.evaluation.truth import ObjectsInFrame, Trajectory, Truth
from fast_snow.types import Ego, LabelledMasks

FEWEST_POSES = 3
"""A path of fewer has no alignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the truth says of a run.

    Attributes:
        metrics: by the names of `measures.MEASURES`.
        notes: what to know when reading them.
        problems: metrics that should be there and are not, and why.
    """

    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def score(truth: Truth, run: SystemRun) -> Scores:
    """Compare a run with the truth of its clip.

    Only frames that the system was given count: a clip that is sampled at 10 Hz is not blamed for the frames between.

    Args:
        truth: what is known of the clip.
        run: what the system made.

    Returns:
        All metrics that the truth allows; one that cannot be had is a problem, and the others stand.
    """
    metrics: dict[str, float] = {"duplicate_ids": float(duplicate_ids(run.labelled))}
    problems = []
    for name, known, measured in (
        ("tracking", bool(truth.objects), _tracking),
        ("trajectory", truth.trajectory is not None, _trajectory),
    ):
        if not known:
            continue
        try:
            metrics |= measured(truth, run)
        except FastSnowError as error:
            problems.append(f"{name}: {error}")
    defined = {name: value for name, value in metrics.items() if np.isfinite(value)}
    undefined = tuple(f"{name} is not defined here" for name in metrics if name not in defined)
    return Scores(metrics=defined, notes=(*_notes(truth, run), *undefined), problems=tuple(problems))


def duplicate_ids(labelled: Sequence[LabelledMasks]) -> int:
    """Count the ids that name more than one object of a frame."""
    return sum(len(each.object_id) - len(np.unique(each.object_id)) for each in labelled)


def _notes(truth: Truth, run: SystemRun) -> tuple[str, ...]:
    """Tell where a figure says less than it seems to."""
    recorded = {use.slot for use in run.engines if use.name == "recorded"}
    notes = []
    if truth.trajectory is not None and "geometry" in recorded:
        notes.append("the path is the input's own, so its error tells of reading and writing alone")
    if truth.objects and recorded & {"segmenter", "tracker"}:
        notes.append("masks are the input's own, so tracking tells of the graph's bookkeeping alone")
    return tuple(notes)


def _tracking(truth: Truth, run: SystemRun) -> dict[str, float]:
    source_frame = run.graph.ego.source_frame
    found = tracking.as_objects(run.labelled, source_frame, truth.size)
    given = set(source_frame.tolist())
    objects = tuple(each for each in truth.objects if each.frame in given)
    if not objects:
        raise InputError("none of the annotated frames was sampled; check the clip's frame numbers and its rate")
    scores = tracking.score(objects, found, by="mask" if _have_masks(objects) else "box")
    return {name: float(getattr(scores, field)) for name, field in _FIELDS.items()}


def _have_masks(objects: Sequence[ObjectsInFrame]) -> bool:
    return any(each.masks is not None for each in objects)


_FIELDS = {
    "idf1": "idf1",
    "idp": "idp",
    "idr": "idr",
    "hota": "hota",
    "deta": "deta",
    "assa": "assa",
    "mota": "mota",
    "switches_per_1000": "switches_per_1000",
    "fragmentations_per_1000": "fragmentations_per_1000",
}


def _trajectory(truth: Truth, run: SystemRun) -> dict[str, float]:
    assert truth.trajectory is not None
    found = path_of(run.graph.ego)
    if len(found) < FEWEST_POSES:
        raise InputError(f"a path of {len(found)} poses cannot be aligned; expected at least {FEWEST_POSES}")
    similarity = trajectory.compare(truth.trajectory, found, alignment="similarity")
    errors = {"trajectory_similarity_m": float(similarity.rmse)}
    if run.graph.metric:
        rigid = trajectory.compare(truth.trajectory, found, alignment="rigid")
        errors["trajectory_rigid_m"] = float(rigid.rmse)
    return errors


def path_of(ego: Ego) -> Trajectory:
    """Return the camera's path of a graph, of the frames whose time is known."""
    timed = np.isfinite(ego.time_s)
    T_world_camera = np.tile(np.eye(4), (int(timed.sum()), 1, 1))
    if len(T_world_camera):
        T_world_camera[:, :3, :3] = Rotation.from_quat(ego.quaternion_xyzw[timed].astype(np.float64)).as_matrix()
        T_world_camera[:, :3, 3] = ego.position[timed]
    return Trajectory(time_s=ego.time_s[timed], T_world_camera=T_world_camera)
