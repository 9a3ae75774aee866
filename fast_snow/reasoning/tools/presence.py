"""Which objects there are, when they are visible, and in which order things happen."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from fast_snow.reasoning.tools.findings import SECONDS, Entry, Figure, Finding, Unknowable, finding, times
from fast_snow.reasoning.tools.motion import rest_of
from fast_snow.reasoning.tools.reference_frames import velocity_at
from fast_snow.reasoning.tools.tracks import Path, cameras_of, path, paths_of, visible
from fast_snow.types import SceneGraph

_LEAST_RUN = 3
"""Observations in a row in which an object must move, or rest, to count as a new state."""


@finding
def list_objects(graph: SceneGraph, *, t: int | None = None) -> Finding:
    """List the objects of the clip, or those visible in one frame, with when each is first and last seen.

    Args:
        graph: the graph.
        t: frame of the clip; null for all of it.
    """
    if not graph.num_frames:
        raise Unknowable("the graph has no frames")
    paths, clip = paths_of(graph), cameras_of(graph).t
    listed = [paths[each] for each in (paths if t is None else visible(graph, t))]
    return Finding(
        value=tuple(each.object_id for each in listed),
        entries=tuple(
            Entry(
                figures=(
                    Figure(name="object_id", value=each.object_id),
                    Figure(name="first_t", value=int(each.t[0])),
                    Figure(name="last_t", value=int(each.t[-1])),
                    Figure(name="observations", value=len(each)),
                )
            )
            for each in listed
        ),
        evidence=times(clip) if t is None else (t,),
        notes=(f"the clip spans t = {clip[0]} to {clip[-1]}",),
    )


@finding
def when_visible(graph: SceneGraph, *, object_id: int) -> Finding:
    """Tell when an object is visible: its first and last appearance, and the spans of frames without a gap.

    Args:
        graph: the graph.
        object_id: number of the object.
    """
    whole = path(graph, object_id)
    clip = cameras_of(graph).t
    index = np.searchsorted(clip, whole.t)
    spans = np.split(np.arange(len(whole)), np.flatnonzero(np.diff(index) > 1) + 1)
    return Finding(
        value=(int(whole.t[0]), int(whole.t[-1])),
        unit="frames",
        figures=_moments(first=whole.camera.time_s[0], last=whole.camera.time_s[-1]),
        entries=tuple(
            Entry(
                figures=(
                    Figure(name="from_t", value=int(whole.t[each[0]])),
                    Figure(name="to_t", value=int(whole.t[each[-1]])),
                )
            )
            for each in spans
        ),
        evidence=times(whole.t),
        notes=() if len(whole) == len(clip) else (f"visible in {len(whole)} of {len(clip)} frames",),
    )


def _moments(**moments: float) -> tuple[Figure, ...]:
    return tuple(
        Figure(name=f"{name}_time", value=float(each), unit=SECONDS)
        for name, each in moments.items()
        if np.isfinite(each)
    )


@finding
def order_of_appearance(graph: SceneGraph, *, object_ids: tuple[int, ...] | None = None) -> Finding:
    """Order objects by when they are first seen; those first seen in the same frame stand by their numbers.

    Args:
        graph: the graph.
        object_ids: numbers of the objects; null for all.
    """
    chosen = [path(graph, each) for each in _chosen(graph, object_ids)]
    chosen.sort(key=lambda each: (int(each.t[0]), each.object_id))
    return Finding(
        value=tuple(each.object_id for each in chosen),
        entries=tuple(
            Entry(
                figures=(
                    Figure(name="object_id", value=each.object_id),
                    Figure(name="first_t", value=int(each.t[0])),
                    *_moments(first=each.camera.time_s[0]),
                )
            )
            for each in chosen
        ),
        evidence=times(int(each.t[0]) for each in chosen),
    )


@finding
def order_of_events(graph: SceneGraph, *, object_ids: tuple[int, ...] | None = None) -> Finding:
    """List in order of time when objects appear, disappear, come back, start to move and stop.

    Args:
        graph: the graph.
        object_ids: numbers of the objects; null for all.
    """
    events = sorted(event for each in _chosen(graph, object_ids) for event in _events(graph, path(graph, each)))
    clip = cameras_of(graph)
    time_s = dict(zip(clip.t.tolist(), clip.time_s.tolist(), strict=True))
    return Finding(
        value=tuple(f"t={t}: object {object_id} {what}" for t, object_id, what in events),
        entries=tuple(
            Entry(
                figures=(
                    Figure(name="object_id", value=object_id),
                    Figure(name="event", value=what),
                    Figure(name="t", value=t),
                    *_moments(event=time_s[t]),
                )
            )
            for t, object_id, what in events
        ),
        evidence=times(t for t, _, _ in events),
        notes=("an object that disappears may be hidden, out of view or no longer recognised",),
    )


def _chosen(graph: SceneGraph, object_ids: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(graph.tracks) if object_ids is None else tuple(dict.fromkeys(object_ids))


def _events(graph: SceneGraph, whole: Path) -> Iterator[tuple[int, int, str]]:
    clip = cameras_of(graph).t
    index = np.searchsorted(clip, whole.t)
    yield int(whole.t[0]), whole.object_id, "is there from the start" if index[0] == 0 else "appears"
    for i in np.flatnonzero(np.diff(index) > 1).tolist():
        yield int(whole.t[i]), whole.object_id, "disappears"
        yield int(whole.t[i + 1]), whole.object_id, "comes back"
    yield from _starts_and_stops(graph, whole)
    last = "is there to the end" if index[-1] == len(clip) - 1 else "disappears"
    yield int(whole.t[-1]), whole.object_id, last


def _starts_and_stops(graph: SceneGraph, whole: Path) -> Iterator[tuple[int, int, str]]:
    if len(whole) < 2 * _LEAST_RUN or not rest_of(graph, whole).moves:
        return
    moves = [velocity_at(graph, whole.object_id, int(t)).there for t in whole.t]
    changes = [0, *(np.flatnonzero(np.diff(moves)) + 1).tolist(), len(moves)]
    runs = [(first, moves[first]) for first, last in pairwise(changes) if last - first >= _LEAST_RUN]
    for (_, was), (first, now) in pairwise(runs):
        if was != now:
            yield int(whole.t[first]), whole.object_id, "starts to move" if now else "stops"
