"""The graph, grown by what a window adds: observations, camera path, keyframes, merges and segments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.config import Config
from fast_snow.errors import EngineError
from fast_snow.fusion import NamedFrame
from fast_snow.keyframes import keyframes
from fast_snow.rigid_size import tied
from fast_snow.sightings import UnplacedFrame
from fast_snow.types import (
    AnyDated,
    Ego,
    Geometry,
    Log,
    Merge,
    Observations,
    Perception,
    SceneGraph,
    Sightings,
    Track,
)

AnySeen = TypeVar("AnySeen", Observations, Sightings)


def grown(
    graph: SceneGraph,
    perception: Perception,
    geometry: Geometry,
    shared: int,
    named: Sequence[NamedFrame],
    merges: Sequence[Merge],
    config: Config,
) -> SceneGraph:
    """Return the graph with the frames that a window adds to those that are `shared`, given their named objects.

    The geometry is in the world of the graph.

    Raises:
        EngineError: a recorded identity had gone to another object.
    """
    added_keyframes = keyframes(
        perception.t[shared:], perception.source_frame[shared:], every=config.output.keyframe_every
    )
    origin = graph.depth_origin if geometry.origin in graph.depth_origin else (*graph.depth_origin, geometry.origin)
    ego = _grown_ego(graph.ego, perception, geometry, shared)
    return replace(
        graph,
        analysis_grid=geometry.grid,
        metric=graph.metric and geometry.metric,
        depth_origin=origin,
        ego=ego,
        tracks=MappingProxyType(_grown_tracks(graph.tracks, named, ego, geometry)),
        keyframes=_log(graph.keyframes).grown_by(added_keyframes),
        merges=_log(graph.merges).grown_by(merges),
    )


def _log(entries: Sequence[AnyDated]) -> Log[AnyDated]:
    return entries if isinstance(entries, Log) else Log(entries)


def _grown_tracks(
    tracks: Mapping[int, Track], named: Sequence[NamedFrame], ego: Ego, geometry: Geometry
) -> dict[int, Track]:
    """Return the tracks with the observations of more frames; new ones follow in the order of first appearance."""
    recorded = {source_id for frame in named for source_id in frame.objects.source_id.tolist()}
    seen = Observations.none().followed_by(*(frame.tokens for frame in named))
    ids = [i for frame in named for i in frame.object_id.tolist()]
    grown = dict(tracks)
    for object_id, new in sorted(_by_object(ids, seen).items(), key=lambda each: (each[1].t[0], each[0])):
        source_id = object_id if object_id in recorded else None
        before = grown.get(object_id) or Track(
            object_id=object_id, observations=Observations.none(), theta=(0, 0), source_id=source_id
        )
        if before.source_id is None and source_id is not None:
            raise EngineError(
                f"the tracker engine gave recorded identity {object_id} after that number had gone to an object without"
                " one; expected source_id in every window, or numbers that are not in use"
            )
        placed = tied(before.observations, new, ego, geometry.grid, geometry.origin)
        observations = before.observations.grown_by(placed)
        theta = int(observations.t[0]), int(observations.t[-1])
        grown[object_id] = replace(before, observations=observations, theta=theta)
    return grown


def _grown_ego(ego: Ego, perception: Perception, geometry: Geometry, shared: int) -> Ego:
    T_world_camera = np.linalg.inv(geometry.T_camera_world[shared:])
    K = geometry.intrinsics[shared:]
    rotation = Rotation.from_matrix(T_world_camera[:, :3, :3])
    added = Ego(
        t=perception.t[shared:],
        time_s=perception.time_s[shared:],
        source_frame=perception.source_frame[shared:],
        position=T_world_camera[:, :3, 3].astype(np.float32),
        quaternion_xyzw=rotation.as_quat(canonical=True).astype(np.float32),
        intrinsics=K[:, [0, 1, 0, 1], [0, 1, 2, 2]].astype(np.float32),
        focal_sigma=np.full(len(K), geometry.focal_sigma, np.float32),
        background=geometry.background[shared:],
    )
    return ego.grown_by(added)


def with_sightings(
    tracks: Mapping[int, Track], unplaced: Sequence[UnplacedFrame], found: Sequence[Mapping[int, int]]
) -> dict[int, Track]:
    """Return the tracks with what was seen of them without being placed: in each frame, the sightings by object."""
    indices = [np.array([*objects.values()], np.int64) for objects in found]
    seen = Sightings.none().followed_by(*(each.sightings[i] for each, i in zip(unplaced, indices, strict=True)))
    grown = dict(tracks)
    for object_id, new in _by_object([i for objects in found for i in objects], seen).items():
        grown[object_id] = replace(grown[object_id], unplaced=grown[object_id].unplaced.grown_by(new))
    return grown


def _by_object(object_id: Sequence[int], seen: AnySeen) -> dict[int, AnySeen]:
    """Return the rows of each object, in the order in which it is first seen."""
    of_row = np.array(object_id, np.int64)
    return {each: seen[of_row == each] for each in dict.fromkeys(object_id)}


def segments(before: SceneGraph, after: SceneGraph, *, begins: bool) -> tuple[tuple[int, int], ...]:
    """Return the segments of a graph that grew; none where there is one alone."""
    first, last = int(after.ego.t[before.num_frames]), int(after.ego.t[-1])
    if begins:
        known = before.segments or ((int(before.ego.t[0]), first - 1),)
        return (*known, (first, last))
    return (*before.segments[:-1], (before.segments[-1][0], last)) if before.segments else ()
