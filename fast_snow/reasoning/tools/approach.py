"""Whether an object comes closer or goes away: by its distance, and by how large it looks."""

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.distance_evidence import Growth, conflict_notes, growth
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, Covariances
from fast_snow.reasoning.tools.motion_evidence import MotionEvidence, motion_of, require_several
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.tool_answers import (
    FirstFrame,
    Grade,
    LastFrame,
    NamedValue,
    ObjectId,
    OtherOrCamera,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    least,
    spatial_tool,
    surest,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, trajectory_of
from fast_snow.types import SceneGraph


@spatial_tool
def approach(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    other_id: OtherOrCamera = None,
    t_from: FirstFrame = None,
    t_to: LastFrame = None,
) -> ToolAnswer:
    """Decide whether an object comes closer to the camera, or to another object, or goes further away.

    For the camera, the measured distance and the size in the image are combined, each by its uncertainty; if the camera
    moves, that is part of it. If they differ beyond their noise, the answer is "conflicting", with both.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    motion = motion_of(graph, trajectory)
    if other_id is None:
        combined, kinds, conflicting = motion.radial.combined, motion.radial.kinds, motion.radial.conflicting
        possible = motion.grade if motion.moving else Grade.UNKNOWN
        possible = Grade.STATED if _camera_moves(graph, trajectory, motion) else possible
    else:
        combined, other = _between(graph, trajectory, motion, other_id)
        kinds, conflicting = {"by_distance": combined}, False
        possible = surest(*(each.grade for each in (motion, other) if each.moving))
    grade = least(combined.grade, possible)
    verdict = "going further away" if combined.value > 0 else "coming closer"
    if grade is Grade.UNKNOWN:
        verdict = "conflicting" if conflicting else "neither beyond noise"
    return ToolAnswer(
        value=verdict,
        figures=(
            NamedValue("distance_ratio_last_to_first", float(np.exp(combined.value))),
            NamedValue("logarithm_of_it", combined.value, sigma=combined.sigma),
            *(NamedValue(name, each.value, sigma=each.sigma) for name, each in kinds.items()),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=(*(conflict_notes(motion.radial) if other_id is None else ()), *noise_of(graph).notes()),
        grade=grade,
    )


def _camera_moves(graph: SceneGraph, trajectory: ObjectTrajectory, motion: MotionEvidence) -> bool:
    """Tell whether the camera leaves its place by more than poses drift."""
    way = trajectory.camera.position - trajectory.camera.position[0]
    return float(np.linalg.norm(way, axis=1).max()) > CRITICAL * noise_of(graph).wander.across * motion.distance


def _between(
    graph: SceneGraph, trajectory: ObjectTrajectory, motion: MotionEvidence, other_id: int
) -> tuple[Growth, MotionEvidence]:
    """Return how the distance to another object changes over the frames in which both are seen, and how that moves."""
    other = trajectory_of(graph, other_id)
    _, common, other_common = np.intersect1d(trajectory.t, other.t, return_indices=True)
    if len(common) < 2:
        raise Unknowable(
            f"objects {trajectory.object_id} and {other_id} are seen together in fewer than two frames there"
        )
    other_motion = motion_of(graph, other[other_common])
    places, other_places = motion.places[common], other_motion.places
    offset = places.values - other_places.values
    length = np.linalg.norm(offset, axis=1)
    if not (length > 0).all():
        raise Unknowable("the distance is zero there")
    ray = offset / length[:, None]

    def share(one: Covariances, two: Covariances) -> Float64[np.ndarray, " n"]:
        return np.asarray(np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", ray, one + two, ray), 0.0)) / length)

    drift = share(places.drift, other_places.drift)
    change = growth(
        places.x,
        np.log(length),
        share(places.jitter, other_places.jitter),
        share(places.wander, other_places.wander),
        drift=float(np.sqrt((drift**2).mean())),
    )
    return change, other_motion
