"""What a prompt leaves out of a graph that exceeds its budget, in a stated order.

1. Objects that the question does not need, those last seen longest ago first. It needs those it names by number; a
   question that names none needs all.
2. Tau of every observation.
3. Every second observation and camera pose, again and again: those stay whose t is a multiple of 2, 4, 8, …, and the
   first and the last of each object.
4. All but the last frames in which a needed object was seen: a half, a quarter, … of the clip, and all in them.

Each step begins where the one before it was not enough. The first that fits is used, and the prompt states it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Int32

from fast_snow.types import SceneGraph, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a view leaves out of a graph: objects that the question does not need, tau, and frames.

    Only every so many-th frame is in it, and those of a span where that is not the clip.
    """

    objects: tuple[int, ...] = ()
    tau: bool = False
    every: int = 1
    span: tuple[int, int] | None = None

    def sentences(self, graph: SceneGraph) -> tuple[str, ...]:
        """Return what is left out of `graph` in sentences; none where nothing is."""
        last_seen = max((graph.tracks[i].theta[1] for i in self.objects), default=0)
        sentences = {
            f"{len(self.objects)} of {len(graph.tracks)} objects, which the question does not name and which were last"
            f" seen at t = {last_seen} or before": self.objects,
            "tau (grid cells) of every observation": self.tau,
            f"observations and camera poses but those at t = 0, {self.every}, {2 * self.every}, … and the first and the"
            " last of each object": self.every > 1,
            f"all but t = {self.span[0]} to {self.span[1]}" if self.span else "": self.span,
        }
        return tuple(sentence for sentence, applies in sentences.items() if applies)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphExcerpt:
    """As much of a graph as a prompt holds."""

    graph: SceneGraph
    left_out: LeftOut = LeftOut()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMeter:
    """How many tokens the text of a view takes: that of the camera's path, and of one object with or without tau.

    No pose and no observation takes less than the fewest: what cannot fit for this reason alone is not even written.
    """

    cameras: Callable[[SceneGraph], int]
    track: Callable[[Track, bool], int]
    fewest_per_pose: int
    fewest_per_observation: int
    tau_may_go: bool


def needed(graph: SceneGraph, question: str) -> frozenset[int]:
    """Return the objects that a question needs: those it names, as in `object 3`, `objects 3, 5 and 7` or `#3`, or all.

    Numbers that are no object's are passed over.
    """
    named: set[int] = set()
    listing = False
    for word in re.findall(r"[^\W\d_]+|\d+|#", question.lower()):
        if word in ("object", "objects", "#"):
            listing = True
        elif word.isdecimal():
            named.update({int(word[:10])} if listing else ())
        elif word not in ("and", "or", "to", "no", "number", "numbers"):
            listing = False
    return frozenset(named & graph.tracks.keys()) or frozenset(graph.tracks)


def fit(graph: SceneGraph, necessary: frozenset[int], room: int, measure: TokenMeter) -> GraphExcerpt | None:
    """Return as much of a graph as there is room for, in tokens; of the necessary objects in any case.

    It is None where even a single frame is too long.
    """
    if _fits(GraphExcerpt(graph=_only(graph, necessary)), room, measure):
        return _most_recent(graph, necessary, room, measure)
    return next((view for view in _reduced(graph, necessary, measure) if _fits(view, room, measure)), None)


def _most_recent(graph: SceneGraph, necessary: frozenset[int], room: int, measure: TokenMeter) -> GraphExcerpt:
    """Keep the necessary objects and as many of the others as fit, those last seen most recently first."""
    others = [track for track in graph.tracks.values() if track.object_id not in necessary]
    others.sort(key=lambda track: (-track.theta[1], track.object_id))
    kept = set(necessary)
    room -= _tokens(GraphExcerpt(graph=_only(graph, necessary)), measure) if others else 0
    for track in others:
        if len(track.observations) * measure.fewest_per_observation > room:
            break
        room -= measure.track(track, True)
        if room < 0:
            break
        kept.add(track.object_id)
    gone = tuple(sorted(graph.tracks.keys() - kept))
    return GraphExcerpt(graph=_only(graph, frozenset(kept)), left_out=LeftOut(objects=gone))


def _reduced(graph: SceneGraph, necessary: frozenset[int], measure: TokenMeter) -> Iterator[GraphExcerpt]:
    """Yield ever less of the necessary objects."""
    rest = _only(graph, necessary)
    left_out = LeftOut(objects=tuple(sorted(graph.tracks.keys() - necessary)), tau=measure.tau_may_go)
    if measure.tau_may_go:
        yield GraphExcerpt(graph=rest, left_out=left_out)
    every, end = 2, int(graph.ego.t[-1]) if len(graph.ego) else 0
    while every <= 2 * end:
        yield GraphExcerpt(graph=_thinned(rest, every), left_out=replace(left_out, every=every))
        every *= 2
    last = max((track.theta[1] for track in rest.tracks.values()), default=end)
    length = (end + 1) // 2
    while length > 0:
        span = (max(0, last - length + 1), last)
        yield GraphExcerpt(graph=rest.window(t=last, length=length), left_out=replace(left_out, span=span))
        length //= 2


def _only(graph: SceneGraph, ids: frozenset[int]) -> SceneGraph:
    tracks = {object_id: track for object_id, track in graph.tracks.items() if object_id in ids}
    return replace(graph, tracks=MappingProxyType(tracks))


def _thinned(graph: SceneGraph, every: int) -> SceneGraph:
    """Keep what was seen at multiples of `every`, and both ends of each track and of the camera's path."""

    def kept(t: Int32[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        return (t % every == 0) | np.isin(np.arange(len(t)), (0, len(t) - 1))

    tracks = {
        object_id: replace(track, observations=track.observations[kept(track.observations.t)])
        for object_id, track in graph.tracks.items()
    }
    return replace(graph, ego=graph.ego[kept(graph.ego.t)], tracks=MappingProxyType(tracks))


def _fits(view: GraphExcerpt, room: int, measure: TokenMeter) -> bool:
    observations = sum(len(track.observations) for track in view.graph.tracks.values())
    at_least = observations * measure.fewest_per_observation + len(view.graph.ego) * measure.fewest_per_pose
    return at_least <= room and _tokens(view, measure) <= room


def _tokens(view: GraphExcerpt, measure: TokenMeter) -> int:
    tau = not view.left_out.tau
    return measure.cameras(view.graph) + sum(measure.track(track, tau) for track in view.graph.tracks.values())
