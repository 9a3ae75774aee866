"""Which objects are near, between others, or meet conditions."""

from typing import Annotated, Final, Literal, NamedTuple

import numpy as np

from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.positions import offset, seen_offset, world_position
from fast_snow.reasoning.tools.reference_frames import SIDES, frame_at, words
from fast_snow.reasoning.tools.tool_answers import (
    ONLY_TRACKED,
    FrameIndex,
    Grade,
    ListEntry,
    NamedValue,
    OneObjectId,
    OtherObjectId,
    ToolAnswer,
    ToolError,
    Unknowable,
    evidence_frames,
    length_unit,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import observation_at, trajectories_of, trajectory_of, visible_objects
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


class _Verdict(NamedTuple):
    holds: bool
    sure: bool


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
    verdicts = {each: _verdict(graph, each, t, state, side, within, other_id) for each in chosen if each != other_id}
    matching = [each for each, verdict in verdicts.items() if verdict.holds]
    unsure = tuple(each for each, verdict in verdicts.items() if not verdict.sure)
    return ToolAnswer(
        value=len(matching),
        unit="objects",
        figures=(NamedValue("object_ids", tuple(matching)), NamedValue("unsure", unsure)),
        evidence=(t,)
        if t is not None
        else evidence_frames(each for k in chosen for each in trajectories_of(graph)[k].t),
        notes=(ONLY_TRACKED, *(noise_of(graph).notes() if state or side or within else ())),
    )


def _verdict(
    graph: SceneGraph,
    object_id: int,
    t: int | None,
    state: MotionState | None,
    side: SideName | None,
    within: float | None,
    other_id: int | None,
) -> _Verdict:
    parts = []
    if state is not None:
        parts.append(_in_state(graph, object_id, state))
    if t is not None and side is not None:
        parts.append(_on_side(graph, object_id, t, side, other_id))
    if t is not None and within is not None:
        length, sigma = offset(graph, object_id, other_id, t).length
        parts.append(_Verdict(holds=length <= within, sure=abs(length - within) > CRITICAL * sigma))
    holds = all(each.holds for each in parts)
    surely_not = any(each.sure and not each.holds for each in parts)
    return _Verdict(holds=holds, sure=surely_not or all(each.sure for each in parts))


def _in_state(graph: SceneGraph, object_id: int, state: MotionState) -> _Verdict:
    try:
        motion = motion_of(graph, trajectory_of(graph, object_id))
    except Unknowable:
        return _Verdict(holds=False, sure=False)
    return _Verdict(holds=motion.moving == (state == "moving"), sure=motion.grade is Grade.STATED)


def _on_side(graph: SceneGraph, object_id: int, t: int, side: SideName, other_id: int | None) -> _Verdict:
    way, _ = seen_offset(graph, object_id, other_id, t, frame_at(graph, "camera", t, object_id))
    axis = next(i for i, names in enumerate(SIDES) if side in names)
    likely = SIDES[axis][int(way.value[axis] > 0)]
    return _Verdict(holds=likely == side, sure=bool({*SIDES[axis]} & {*words(way, SIDES)}))
