"""The fold that grows a scene graph: one window's perception after the other, in order, without engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fast_snow.alignment import Similarity, align_geometry
from fast_snow.config import Config, FusionConfig
from fast_snow.errors import EngineError
from fast_snow.fusion import FrameObjects, NamedFrame
from fast_snow.graph_growth import grown, segments, with_sightings
from fast_snow.identity import NOT_KEPT, IdentityState, assign, begin_segment, begin_window, join, reserve
from fast_snow.incidents import camera_jumps, disagreements, losses
from fast_snow.inputs.recording import SomeDepthReader
from fast_snow.joints import join_windows
from fast_snow.known_lengths import SENSOR_ERROR, KnownLengths, estimate_error, known_lengths, nothing_known
from fast_snow.movers import without_movers
from fast_snow.reidentification import NamedWindow, Portraits, reidentify
from fast_snow.sightings import UnplacedFrame, keep_alive
from fast_snow.step import observe, settled
from fast_snow.types import (
    NO_SOURCE,
    Ego,
    FrameGeometry,
    Geometry,
    Health,
    Joint,
    LabelledMasks,
    Log,
    Merge,
    Observations,
    Perception,
    SceneGraph,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tail:
    """What the next window shares with this one: the last frames' geometry in the graph's world, and their objects."""

    geometry: Geometry
    frames: tuple[NamedFrame, ...]

    def shared(self, count: int) -> tuple[NamedFrame, ...]:
        """Return the last frames."""
        return self.frames[len(self.frames) - count :]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldState:
    """The graph so far and what is needed to grow it.

    Attributes:
        graph: everything folded up to now.
        identity: which masklet is which object.
        tail: what the next window may share; None before the first window.
        labelled: the masks of the frames that the last perception added.
        health: counts of all windows.
        joints: how each window after the first was joined to the one before.
        portraits: what re-identification knows of every object; of none where it is off.
        known_lengths: what is measured of lengths that are known in metres; of no frame where nothing is known.
    """

    graph: SceneGraph
    identity: IdentityState
    tail: Tail | None
    labelled: tuple[LabelledMasks, ...]
    health: Health
    joints: tuple[Joint, ...] = ()
    portraits: Portraits = field(default_factory=Portraits.none)
    known_lengths: KnownLengths = field(default_factory=nothing_known)


def start(config: Config) -> FoldState:
    """Return the state before the first window: an empty graph."""
    grid_size, ego = config.step.grid_size, Ego.none()
    graph = SceneGraph(grid_size=grid_size, analysis_grid=(0, 0), metric=True, depth_origin=(), ego=ego)
    graph = replace(graph, keyframes=Log(), merges=Log())
    return FoldState(graph=graph, identity=IdentityState(), tail=None, labelled=(), health=Health())


def fold(
    state: FoldState, perception: Perception, *, config: Config, some_depth: SomeDepthReader | None = None
) -> FoldState:
    """Grow the graph by one window.

    The window's geometry is carried into the world of the graph (the first frame's camera), over the frames it shares
    with the window before. In those frames its masklets are joined to known objects; the frames after them are added.
    Where it shares none, or the joint fails its gate, it begins a segment: a world and objects of its own. Thresholds
    of `config` are those of STEP tokens, fusion and the depth filter; `some_depth` reads metres that the input records
    of some frames. The state's `labelled` masks belong to the added frames.
    """
    _require_same_grid(state, perception)
    known: Sequence[NamedFrame] = () if state.tail is None else state.tail.shared(perception.shared)
    shared = len(known)
    T_graph_window, joints = _to_graph_world(state, perception, shared, config)
    begins = state.tail is not None and not (joints and joints[-1].joined)
    if begins:
        state, known = replace(state, identity=begin_segment(state.identity), portraits=Portraits.none()), ()
    geometry = align_geometry(T_graph_window, perception.geometry)
    measuring = settled(config, (geometry.origin,), _sources(perception))
    seen = [_seen(perception, i, geometry[i], measuring) for i in range(len(geometry))]
    added, unplaced = seen[shared:], [each.others for each in seen[shared:]]
    window, portraits = _identified(state, perception, seen, added, known, config.fusion)
    identity, known, named, _, merges = window
    graph = grown(state.graph, perception, geometry, shared, named, merges, config)
    found = _found(window, unplaced, graph)
    labelled = tuple(_labelled(*each) for each in zip(named, unplaced, found, strict=True))
    counted = _counted([each.health for each in added], perception, geometry, state, labelled)
    return FoldState(
        graph=replace(
            graph,
            tracks=MappingProxyType(with_sightings(graph.tracks, unplaced, found)),
            segments=segments(state.graph, graph, begins=begins),
        ),
        identity=identity,
        portraits=portraits,
        tail=_tail(geometry, [*known, *named], config.window.overlap),
        labelled=labelled,
        health=state.health + perception.health + counted + Health(unplaced=sum(map(len, found))),
        joints=(*state.joints, *joints),
        known_lengths=_known_lengths(state, perception, geometry, shared, config, some_depth),
    )


def _known_lengths(
    state: FoldState,
    perception: Perception,
    geometry: Geometry,
    shared: int,
    config: Config,
    some_depth: SomeDepthReader | None,
) -> KnownLengths:
    """Measure in the frames that a window adds what is known in metres."""
    error, estimated = SENSOR_ERROR, perception.metric_depth
    if some_depth is None and estimated is not None:
        error = estimate_error(config)
        some_depth = dict(zip(perception.source_frame[estimated.row].tolist(), estimated.depth, strict=True)).get
    if not (config.source.camera_height or some_depth is not None):
        return state.known_lengths
    added = slice(shared, None)
    found = known_lengths(
        geometry[np.arange(shared, len(geometry))],
        perception.t[added],
        perception.source_frame[added],
        with_height=bool(config.source.camera_height),
        some_depth=some_depth,
        error=error,
        conf_thresh=config.depth_filter.conf_thresh,
    )
    return state.known_lengths.followed_by(found)


def _sources(perception: Perception) -> set[int]:
    return {source for frame in perception.tracked for source in frame.source_id.tolist()}


class _SeenFrame(NamedTuple):
    """The masklets of one frame: those that are placed, with their tokens, and the others."""

    objects: FrameObjects
    tokens: Observations
    others: UnplacedFrame
    health: Health


def _seen(perception: Perception, i: int, geometry: FrameGeometry, config: Config) -> _SeenFrame:
    """Measure the masklets of frame `i`."""
    tracked, t = perception.tracked[i], int(perception.t[i])
    found = observe(
        tracked.masks,
        tracked.score,
        geometry,
        t=t,
        rotation=tracked.rotation,
        growth=tracked.growth,
        depth_filter=config.depth_filter,
        step=config.step,
    )
    return _SeenFrame(
        tracked[found.index].extended(FrameObjects, t=t, centroid=found.tokens.centroid),
        found.tokens,
        UnplacedFrame(t=t, tracked=tracked[found.unplaced_index], sightings=found.unplaced),
        found.health,
    )


def _identified(
    state: FoldState,
    perception: Perception,
    seen: Sequence[_SeenFrame],
    added: Sequence[_SeenFrame],
    known: Sequence[NamedFrame],
    config: FusionConfig,
) -> tuple[NamedWindow, Portraits]:
    """Bind masklets to known objects in the frames that both windows hold; name those of the added frames."""
    metric = perception.geometry.metric
    identity = reserve(state.identity, _sources(perception) - {NO_SOURCE})
    identity = begin_window(identity, (run for frame in perception.tracked for run in frame.run_id.tolist()))
    joined: list[Merge] = []
    for frame, before in zip(seen, known, strict=False):  # the frames after those are added
        identity, merges = join(identity, frame.objects, before.objects, before.object_id, config=config, metric=metric)
        joined += merges
    window, portraits = NamedWindow(identity, [*known], [], [], []), state.portraits
    for frame in added:
        identity, object_id, merges = assign(identity, frame.objects, config=config, metric=metric)
        everything = NamedFrame(objects=frame.objects, tokens=frame.tokens, object_id=object_id)
        named = everything[object_id != NOT_KEPT]
        identity = keep_alive(identity, frame.others, named.object_id)
        window.frames.append(named)
        window.bound.append(identity.bound)
        window.merges.extend(merges)
    window = window._replace(identity=identity)
    if config.reidentify:
        cuts = state.health.incidents.cuts + perception.health.incidents.cuts
        window, portraits = reidentify(window, portraits, cuts)
    return window._replace(merges=[*joined, *window.merges]), portraits


def _found(window: NamedWindow, unplaced: Sequence[UnplacedFrame], graph: SceneGraph) -> list[dict[int, int]]:
    """Give what was seen without being placed to the objects it is, also to those that are placed only later."""
    return [
        others.objects({**window.identity.bound, **then}, frame.object_id, graph.tracks)
        for others, then, frame in zip(unplaced, window.bound, window.frames, strict=True)
    ]


def _counted(
    added: Sequence[Health],
    perception: Perception,
    geometry: Geometry,
    state: FoldState,
    labelled: Sequence[LabelledMasks],
) -> Health:
    """Sum up what was counted in the frames that a window adds, with what happened in them."""
    t, last = perception.t.tolist(), state.labelled[-1] if state.labelled else None
    first = len(t) - len(added)
    incidents = losses(last, labelled, state.graph.tracks) + disagreements(added, t[first:])
    incidents += camera_jumps(geometry, t, perception.time_s, first)
    return sum(added, Health(incidents=incidents))


def _require_same_grid(state: FoldState, perception: Perception) -> None:
    if state.tail is not None and perception.geometry.grid != state.graph.analysis_grid:
        raise EngineError(
            f"geometry engine: got a window on a grid of {perception.geometry.grid}, expected that of the first window,"
            f" {state.graph.analysis_grid}"
        )


def _to_graph_world(
    state: FoldState, perception: Perception, shared: int, config: Config
) -> tuple[Similarity, tuple[Joint, ...]]:
    """Return the map from the window's world to the graph's, and how it was found where the windows share frames."""
    joints: tuple[Joint, ...] = ()
    if state.tail is not None and shared > 0:
        seen = [(each.objects.masks, each.object_id) for each in state.tail.frames]
        known = sorted({i for _, object_id in seen for i in object_id.tolist()})
        previous = without_movers(state.tail.geometry, seen, [state.graph.tracks[i] for i in known])
        T_graph_window, joint = join_windows(
            previous,
            perception.geometry,
            shared,
            conf_thresh=config.depth_filter.conf_thresh,
            t=int(perception.t[shared]),
        )
        if T_graph_window is not None:
            return T_graph_window, (joint,)
        joints = (joint,)
    T_first_world = perception.geometry.T_camera_world[shared]  # of the first frame that is added
    return Similarity(scale=1.0, R=T_first_world[:3, :3], t=T_first_world[:3, 3]), joints


def _labelled(named: NamedFrame, unplaced: UnplacedFrame, found: Mapping[int, int]) -> LabelledMasks:
    """Return the masks of all objects that are seen in a frame, whether they are placed or not."""
    placed, others = named.objects.masks, unplaced.tracked.masks[np.array([*found.values()], np.int64)]
    object_id = np.concatenate([named.object_id, np.array([*found], np.int32)])
    return LabelledMasks(t=unplaced.t, object_id=object_id, masks=placed.followed_by(others))


def _tail(geometry: Geometry, frames: Sequence[NamedFrame], overlap: int) -> Tail:
    """Keep the last frames only, copied, so that the window's arrays can be freed."""
    count = min(overlap, len(frames))  # where a segment begins, frames of the one before are none of it
    last = np.arange(len(geometry) - count, len(geometry))
    return Tail(geometry=geometry[last], frames=tuple(frames[len(frames) - count :]))
