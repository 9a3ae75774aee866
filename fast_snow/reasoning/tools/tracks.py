"""A graph's tracks and cameras as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fast_snow.reasoning.tools.tool_answers import ToolError, Unknowable
from fast_snow.types import Columns, Observations, SceneGraph, Track

Positions = Float64[np.ndarray, "n 3"]
_Rotations = Float64[np.ndarray, "n 3 3"]
_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cameras(Columns):
    """The camera at some frames of the clip.

    Attributes:
        t: index in the clip.
        time_s: presentation time in seconds; NaN where it is not known.
        position: camera centres in world coordinates.
        R_world_camera: rotations from camera to world; NaN where they are not known.
        intrinsics: fx, fy, cx, cy on the analysis grid; NaN where they are not known.
    """

    t: Int64[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    position: Positions
    R_world_camera: _Rotations
    intrinsics: Float64[np.ndarray, "n 4"]

    def see(self, points: Positions) -> Positions:
        """Return one point per frame, given in world coordinates, in the camera's coordinates at that frame."""
        return np.einsum("nij,ni->nj", self.R_world_camera, points - self.position)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectTrajectory(Columns):
    """One object's observations as arrays.

    Attributes:
        object_id: of the object.
        token: its STEP tokens.
        camera: the camera at each observation.
        centroid: in world coordinates.
        sigma: spread of the object's measured points along each world axis.
        standard_error: of the centroid along each axis, from the spread of the points and their number.
    """

    object_id: int
    token: Observations
    camera: Cameras
    centroid: Positions
    sigma: Positions
    standard_error: Float64[np.ndarray, " n"]

    @property
    def t(self) -> Int64[np.ndarray, " n"]:
        """Frames at which the object is observed."""
        return self.camera.t

    @property
    def in_camera(self) -> Positions:
        """Centroids in camera coordinates."""
        return self.camera.see(self.centroid)


@lru_cache(maxsize=2)
def cameras_of(graph: SceneGraph) -> Cameras:
    """Return the camera at every frame of a graph."""
    ego = graph.ego
    focal = ego.intrinsics[:, :2]
    intrinsics = np.where(np.isfinite(focal).all(1, keepdims=True) & (focal > 0).all(1, keepdims=True), 1.0, np.nan)
    return Cameras(
        t=ego.t.astype(np.int64),
        time_s=ego.time_s,
        position=ego.position.astype(np.float64),
        R_world_camera=ego.T_world_camera[:, :3, :3],
        intrinsics=intrinsics * ego.intrinsics,
    )


@lru_cache(maxsize=2)
def trajectories_of(graph: SceneGraph) -> Mapping[int, ObjectTrajectory]:
    """Return all paths of a graph by object id, in the graph's order."""
    return MappingProxyType({object_id: _path(graph, track) for object_id, track in graph.tracks.items()})


def _path(graph: SceneGraph, track: Track) -> ObjectTrajectory:
    seen, camera = track.observations, cameras_of(graph)
    sigma, count = seen.sigma.astype(np.float64), np.maximum(seen.num_points, 1).astype(np.float64)
    return ObjectTrajectory(
        object_id=track.object_id,
        token=seen,
        camera=camera[np.searchsorted(camera.t, seen.t)],
        centroid=seen.centroid.astype(np.float64),
        sigma=sigma,
        standard_error=np.linalg.norm(sigma, axis=1) / np.sqrt(3 * count),
    )


def trajectory_of(
    graph: SceneGraph, object_id: int, t_from: int | None = None, t_to: int | None = None
) -> ObjectTrajectory:
    """Return an object's path, or the part of it from `t_from` to `t_to`, both included.

    Raises:
        ToolError: the graph has no such object, the frames are not the clip's or in the wrong order.
        Unknowable: the object is not seen between them.
    """
    if object_id not in graph.tracks:
        raise ToolError(f"object_id: got {object_id}, expected one of {_listed(list(graph.tracks))}")
    trajectory = trajectories_of(graph)[object_id]
    within = _within(graph, trajectory.t, t_from, t_to)
    if not within.any():
        span = f"t = {trajectory.t[0]} to {trajectory.t[-1]}"
        raise Unknowable(f"object {object_id} is not seen from t = {t_from} to {t_to}; it is from {span}")
    return trajectory if within.all() else trajectory[within]


def seen_frames(graph: SceneGraph, object_id: int) -> Int64[np.ndarray, " n"]:
    """Return the frames in which an object is seen, also those in which it could not be placed, in order.

    Raises:
        ToolError: the graph has no such object.
    """
    placed = trajectory_of(graph, object_id).t
    return np.union1d(placed, graph.tracks[object_id].unplaced.t.astype(np.int64))


def observation_at(graph: SceneGraph, object_id: int, t: int) -> ObjectTrajectory:
    """Return an object's observation at one frame, as a path of one.

    Raises:
        ToolError: the graph has no such object or frame.
        Unknowable: the object is not seen then.
    """
    _check_in_clip(graph, t, "t")
    trajectory = trajectory_of(graph, object_id)
    i = int(np.searchsorted(trajectory.t, t))
    if i < len(trajectory) and trajectory.t[i] == t:
        return trajectory[i : i + 1]
    nearest = int(trajectory.t[np.argmin(np.abs(trajectory.t - t))])
    if t in graph.tracks[object_id].unplaced.t:
        raise Unknowable(
            f"object {object_id} is seen at t = {t}, but too few of its pixels have trusted depth to place it; the"
            f" nearest frame in which it has a place is t = {nearest}"
        )
    raise Unknowable(f"object {object_id} is not seen at t = {t}; the nearest frame in which it is has t = {nearest}")


def visible_objects(graph: SceneGraph, t: int) -> tuple[int, ...]:
    """Return the objects that are seen at one frame.

    Raises:
        ToolError: the clip has no such frame.
    """
    _check_in_clip(graph, t, "t")
    return tuple(object_id for object_id, each in trajectories_of(graph).items() if (each.t == t).any())


def camera_at(graph: SceneGraph, t: int) -> Cameras:
    """Return the camera at one frame.

    Raises:
        ToolError: the clip has no such frame.
    """
    _check_in_clip(graph, t, "t")
    camera = cameras_of(graph)
    return camera[np.searchsorted(camera.t, [t])]


def cameras_between(graph: SceneGraph, t_from: int | None, t_to: int | None) -> Cameras:
    """Return the camera from `t_from` to `t_to`, both included.

    Raises:
        ToolError: the frames are not the clip's or in the wrong order.
        Unknowable: the graph has no frames, or the camera's orientation there or motion between them is not known.
    """
    camera = cameras_of(graph)
    camera = camera[_within(graph, camera.t, t_from, t_to)]
    if not len(camera) or not np.isfinite(camera.R_world_camera[[0, -1]]).all():
        raise Unknowable("the camera's orientation there is not known")
    require_known_motion(graph, int(camera.t[0]), int(camera.t[-1]))
    return camera


def require_known_motion(graph: SceneGraph, t_from: int, t_to: int) -> None:
    """Raise where the camera's motion between two frames could not be told, or its poses contradict the images."""
    t = graph.ego.t
    lost = np.flatnonzero((graph.ego.background.matches == 0) & (t > t_from) & (t <= t_to))
    if len(lost):
        spans = ", ".join(f"{t[max(i - 1, 0)]} to {t[i]}" for i in lost[:_LISTED].tolist())
        more = " and more" if len(lost) > _LISTED else ""
        raise Unknowable(
            f"how the camera moves is not known from t = {spans}{more}: the images do not show it, or contradict its"
            " poses; ask for a span without these"
        )


def _within(
    graph: SceneGraph, t: Int64[np.ndarray, " n"], t_from: int | None, t_to: int | None
) -> Bool[np.ndarray, " n"]:
    for name, end in (("t_from", t_from), ("t_to", t_to)):
        if end is not None:
            _check_in_clip(graph, end, name)
    if t_from is not None and t_to is not None and t_from > t_to:
        raise ToolError(f"t_from: got {t_from}, expected at most t_to, {t_to}")
    after = np.ones(len(t), bool) if t_from is None else t >= t_from
    return after if t_to is None else after & (t <= t_to)


def _check_in_clip(graph: SceneGraph, t: int, name: str) -> None:
    frames = cameras_of(graph).t
    if not len(frames):
        raise ToolError(f"{name}: got {t}, but the graph has no frames")
    if not frames[0] <= t <= frames[-1]:
        raise ToolError(f"{name}: got {t}, expected a frame of the clip, {frames[0]} to {frames[-1]}")
    if frames[np.searchsorted(frames, t)] != t:
        near = frames[np.argmin(np.abs(frames - t))]
        raise ToolError(f"{name}: got {t}, which the graph skips; expected one of its frames, such as {near}")


def steady_times(camera: Cameras) -> Float64[np.ndarray, " n"]:
    """Return presentation times that are known and increase.

    Raises:
        Unknowable: they do not.
    """
    if not np.isfinite(camera.time_s).all() or (np.diff(camera.time_s) <= 0).any():
        raise Unknowable("the graph has no usable time stamps there, so nothing can be said per second")
    return camera.time_s


def _listed(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:20]))
    return f"{shown}{' …' if len(ids) > 20 else ''}" if ids else "the graph's objects, of which there are none"
