"""How objects stand to each other and to the camera: which is nearest, between, on a side, and which come closer."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.distance_evidence import conflict_notes
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, Covariances
from fast_snow.reasoning.tools.log_changes import Growth, growth
from fast_snow.reasoning.tools.motion_evidence import MotionEvidence, motion_of, require_several
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.positions import offset, seen_offset, world_position
from fast_snow.reasoning.tools.reference_frames import SIDES, frame_at, words
from fast_snow.reasoning.tools.tool_answers import (
    ONLY_TRACKED,
    FirstFrame,
    FrameIndex,
    Grade,
    LastFrame,
    ListEntry,
    NamedValue,
    ObjectId,
    OneObjectId,
    OtherObjectId,
    OtherOrCamera,
    ToolAnswer,
    ToolError,
    Unknowable,
    evidence_frames,
    least,
    length_unit,
    spatial_tool,
    surest,
)
from fast_snow.reasoning.tools.tracks import (
    ObjectTrajectory,
    observation_at,
    trajectories_of,
    trajectory_of,
    visible_objects,
)
from fast_snow.types import SceneGraph

SideName = Literal["left", "right", "above", "below", "ahead", "behind"]
MotionState = Literal["moving", "static"]

_RIVAL: Final = "no other object is as near within the noise"


@spatial_tool
def nearest(
    graph: SceneGraph,
    *,
    t: FrameIndex,
    object_id: Annotated[
        int | None, "number of the object to which distances are measured; null for the camera."
    ] = None,
) -> ToolAnswer:
    """Tell which visible object's centre is nearest to the camera, or to another object, at a frame."""
    if object_id is not None:
        observation_at(graph, object_id, t)
    others = [each for each in visible_objects(graph, t) if each != object_id]
    if not others:
        raise Unknowable(f"no other object is seen at t = {t}")
    lengths = sorted((*offset(graph, each, object_id, t).length, each) for each in others)
    (length, sigma, nearest_id), rivals = lengths[0], lengths[1:]
    close = [each for far, other, each in rivals if far - length < CRITICAL * np.hypot(sigma, other)]
    return ToolAnswer(
        value=nearest_id,
        figures=(NamedValue("distance", length, unit=length_unit(graph), sigma=sigma),),
        entries=tuple(
            ListEntry.of(NamedValue("distance", far, unit=length_unit(graph), sigma=other), object_id=each)
            for far, other, each in lengths
        ),
        evidence=(t,),
        notes=(
            f"within the noise, {', '.join(f'object {each}' for each in close)} may be as near" if close else _RIVAL,
            *noise_of(graph).notes(),
        ),
    )


@spatial_tool
def between(graph: SceneGraph, *, object_id: OneObjectId, other_id: OtherObjectId, t: FrameIndex) -> ToolAnswer:
    """List the visible objects between two objects at a frame.

    An object is between where the nearest point of the line from centre to centre lies inside that line, and nearer
    than its own half size and that of the larger of the two together.
    """
    if object_id == other_id:
        raise ToolError(f"other_id: got {other_id} twice, expected two different objects")
    start, end = (world_position(graph, each, t).value for each in (object_id, other_id))
    along = end - start
    if not float(along @ along) > 0:
        raise Unknowable("the two objects are in the same place")
    corridor = max(_half_size(graph, each, t) for each in (object_id, other_id))
    inside = []
    for each in visible_objects(graph, t):
        if each not in (object_id, other_id):
            from_start = world_position(graph, each, t).value - start
            share = float(from_start @ along / (along @ along))
            distance = float(np.linalg.norm(from_start - share * along))
            if 0 < share < 1 and distance < corridor + _half_size(graph, each, t):
                inside.append((share, distance, each))
    inside.sort()
    return ToolAnswer(
        value=tuple(each for _, _, each in inside),
        entries=tuple(
            ListEntry.of(object_id=each, share_of_the_way=share, distance_from_the_line=distance)
            for share, distance, each in inside
        ),
        evidence=(t,),
        notes=noise_of(graph).notes(),
    )


def _half_size(graph: SceneGraph, object_id: int, t: int) -> float:
    token = observation_at(graph, object_id, t).token[0]
    return float((token.high.astype(np.float64) - token.low).mean()) / 2


@spatial_tool
def count(
    graph: SceneGraph,
    *,
    t: Annotated[
        int | None, "only objects visible in this frame; null for all of the clip. Needed for side and within."
    ] = None,
    state: Annotated[
        MotionState | None,
        "only objects that move in the world, or only static ones, over all of their path; null for any.",
    ] = None,
    side: Annotated[
        SideName | None,
        "only objects on this side of the camera, or of the object other_id, as the camera sees it; null for any.",
    ] = None,
    within: Annotated[
        float | None, "only objects whose centre is within this distance, in the graph's unit; null for any."
    ] = None,
    other_id: Annotated[
        int | None, "number of the object from which side and within count, itself left out; null for the camera."
    ] = None,
) -> ToolAnswer:
    """Count the objects that meet all conditions given.

    An object for which the noise leaves a condition open is decided by its most likely value, and listed as unsure.
    """
    if t is None and (side is not None or within is not None or other_id is not None):
        raise ToolError("t: got none, expected a frame of the clip where side, within or other_id are given")
    if within is not None and not within > 0:
        raise ToolError(f"within: got {within:g}, expected a distance above 0")
    chosen = tuple(trajectories_of(graph)) if t is None else visible_objects(graph, t)
    if other_id is not None and t is not None:
        observation_at(graph, other_id, t)
    verdicts = {each: _verdicts(graph, each, t, state, side, within, other_id) for each in chosen if each != other_id}
    matching = [each for each, parts in verdicts.items() if all(holds for holds, _ in parts)]
    unsure = tuple(each for each, parts in verdicts.items() if not _decided(parts))
    return ToolAnswer(
        value=len(matching),
        unit="objects",
        figures=(NamedValue("object_ids", tuple(matching)), NamedValue("unsure", unsure)),
        evidence=(t,)
        if t is not None
        else evidence_frames(each for k in chosen for each in trajectories_of(graph)[k].t),
        notes=(ONLY_TRACKED, *(noise_of(graph).notes() if state or side or within else ())),
    )


_Verdict = tuple[bool, bool]
"""Whether a condition holds by its most likely value, and whether that is sure."""


def _verdicts(
    graph: SceneGraph,
    object_id: int,
    t: int | None,
    state: MotionState | None,
    side: SideName | None,
    within: float | None,
    other_id: int | None,
) -> list[_Verdict]:
    return [
        *(() if state is None else (_in_state(graph, object_id, state),)),
        *(() if t is None or side is None else (_on_side(graph, object_id, t, side, other_id),)),
        *(() if t is None or within is None else (_within(graph, object_id, t, within, other_id),)),
    ]


def _decided(verdicts: Sequence[_Verdict]) -> bool:
    """Tell whether all is sure; one condition that surely does not hold decides, whatever the others."""
    return all(sure for _, sure in verdicts) or any(sure and not holds for holds, sure in verdicts)


def _in_state(graph: SceneGraph, object_id: int, state: MotionState) -> _Verdict:
    try:
        motion = motion_of(graph, trajectory_of(graph, object_id))
    except Unknowable:
        return False, False
    return motion.moving == (state == "moving"), motion.grade is Grade.STATED


def _on_side(graph: SceneGraph, object_id: int, t: int, side: SideName, other_id: int | None) -> _Verdict:
    way, _ = seen_offset(graph, object_id, other_id, t, frame_at(graph, "camera", t, object_id))
    axis = next(i for i, names in enumerate(SIDES) if side in names)
    likely = SIDES[axis][int(way.value[axis] > 0)]
    return likely == side, bool({*SIDES[axis]} & {*words(way, SIDES)})


def _within(graph: SceneGraph, object_id: int, t: int, within: float, other_id: int | None) -> _Verdict:
    length, sigma = offset(graph, object_id, other_id, t).length
    return length <= within, abs(length - within) > CRITICAL * sigma


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
        combined, other = _change_between(graph, trajectory, motion, other_id)
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


def _change_between(
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
