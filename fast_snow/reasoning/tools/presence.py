"""Which objects there are, when they are visible, and in which order things happen."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import numpy as np

from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.reference_frames import velocity_at
from fast_snow.reasoning.tools.tool_answers import (
    ONLY_TRACKED,
    ListEntry,
    NamedValue,
    ObjectId,
    ObjectIds,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import (
    ObjectTrajectory,
    camera_at,
    cameras_of,
    seen_frames,
    trajectories_of,
    trajectory_of,
)
from fast_snow.types import SceneGraph

_LEAST_RUN = 3
"""Observations in a row in which an object must move, or rest, to count as a new state."""


@spatial_tool
def list_objects(
    graph: SceneGraph, *, t: Annotated[int | None, "frame index; null for all of it."] = None
) -> ToolAnswer:
    """List the objects of the clip, or those visible in one frame, with when each is first and last seen."""
    if not graph.num_frames:
        raise Unknowable("the graph has no frames")
    clip, seen = cameras_of(graph).t, {each: seen_frames(graph, each) for each in graph.tracks}
    if t is not None:
        camera_at(graph, t)
    listed = [each for each, when in seen.items() if t is None or t in when]
    return ToolAnswer(
        value=tuple(listed),
        entries=tuple(
            ListEntry.of(
                object_id=each,
                first_t=int(seen[each][0]),
                last_t=int(seen[each][-1]),
                observations=len(trajectories_of(graph)[each]),
            )
            for each in listed
        ),
        evidence=evidence_frames(clip) if t is None else (t,),
        notes=(f"the clip spans t = {clip[0]} to {clip[-1]}", ONLY_TRACKED),
    )


@spatial_tool
def when_visible(graph: SceneGraph, *, object_id: ObjectId) -> ToolAnswer:
    """Tell when an object is visible: its first and last appearance, and the spans of frames without a gap."""
    seen, clip = seen_frames(graph, object_id), cameras_of(graph)
    index = np.searchsorted(clip.t, seen)
    spans = np.split(seen, np.flatnonzero(np.diff(index) > 1) + 1)
    unplaced = len(graph.tracks[object_id].unplaced)
    notes = () if len(seen) == len(clip) else (f"visible in {len(seen)} of {len(clip)} frames",)
    return ToolAnswer(
        value=(int(seen[0]), int(seen[-1])),
        unit="frames",
        figures=_moments(first=clip.time_s[index[0]], last=clip.time_s[index[-1]]),
        entries=tuple(ListEntry.of(from_t=int(each[0]), to_t=int(each[-1])) for each in spans),
        evidence=evidence_frames(seen),
        notes=(*notes, *((f"in {unplaced} of them its place is not known",) if unplaced else ())),
    )


def _moments(**moments: float) -> tuple[NamedValue, ...]:
    return tuple(
        NamedValue(f"{name}_time", float(each), unit="seconds") for name, each in moments.items() if np.isfinite(each)
    )


@spatial_tool
def order_of_appearance(graph: SceneGraph, *, object_ids: ObjectIds = None) -> ToolAnswer:
    """Order objects by when they are first seen; those first seen in the same frame stand by their numbers."""
    chosen = sorted((int(seen_frames(graph, each)[0]), each) for each in _chosen(graph, object_ids))
    time_s = _times(graph)
    return ToolAnswer(
        value=tuple(each for _, each in chosen),
        entries=tuple(
            ListEntry.of(*_moments(first=time_s[first]), object_id=each, first_t=first) for first, each in chosen
        ),
        evidence=evidence_frames(first for first, _ in chosen),
    )


def _times(graph: SceneGraph) -> dict[int, float]:
    clip = cameras_of(graph)
    return dict(zip(clip.t.tolist(), clip.time_s.tolist(), strict=True))


@spatial_tool
def order_of_events(graph: SceneGraph, *, object_ids: ObjectIds = None) -> ToolAnswer:
    """List in order of time when objects appear, disappear, come back, start to move and stop."""
    events = sorted(
        event for each in _chosen(graph, object_ids) for event in _events(graph, trajectory_of(graph, each))
    )
    time_s = _times(graph)
    return ToolAnswer(
        value=tuple(f"t={t}: object {object_id} {what}" for t, object_id, what in events),
        entries=tuple(
            ListEntry.of(*_moments(event=time_s[t]), object_id=object_id, event=what, t=t)
            for t, object_id, what in events
        ),
        evidence=evidence_frames(t for t, _, _ in events),
        notes=("an object that disappears may be hidden, out of view or no longer recognised",),
    )


def _chosen(graph: SceneGraph, object_ids: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(graph.tracks) if object_ids is None else tuple(dict.fromkeys(object_ids))


def _events(graph: SceneGraph, trajectory: ObjectTrajectory) -> Iterator[tuple[int, int, str]]:
    clip, seen = cameras_of(graph).t, seen_frames(graph, trajectory.object_id)
    index = np.searchsorted(clip, seen)
    yield int(seen[0]), trajectory.object_id, "is there from the start" if index[0] == 0 else "appears"
    for i in np.flatnonzero(np.diff(index) > 1).tolist():
        yield int(seen[i]), trajectory.object_id, "disappears"
        yield int(seen[i + 1]), trajectory.object_id, "comes back"
    yield from _starts_and_stops(graph, trajectory)
    last = "is there to the end" if index[-1] == len(clip) - 1 else "disappears"
    yield int(seen[-1]), trajectory.object_id, last


def _starts_and_stops(graph: SceneGraph, trajectory: ObjectTrajectory) -> Iterator[tuple[int, int, str]]:
    if len(trajectory) < 2 * _LEAST_RUN or not motion_of(graph, trajectory).moving:
        return
    moves = [velocity_at(graph, trajectory.object_id, int(t)).significant for t in trajectory.t]
    changes = [0, *(np.flatnonzero(np.diff(moves)) + 1).tolist(), len(moves)]
    runs = [(first, moves[first]) for first, last in pairwise(changes) if last - first >= _LEAST_RUN]
    for (_, was), (first, now) in pairwise(runs):
        if was != now:
            yield int(trajectory.t[first]), trajectory.object_id, "starts to move" if now else "stops"
