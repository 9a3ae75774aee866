"""Graphs of which everything is known, and noise to add to them."""

from dataclasses import replace
from functools import cache
from types import MappingProxyType

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.api import build_graph
from fast_snow.config import Config, DepthFilterConfig, StepConfig
from fast_snow.inputs import from_recording
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import SceneConfig, object_poses, phases
from fast_snow.types import DepthOrigin, Ego, SceneGraph, StepToken, Track
from tests.scenes import rendered

GRID = 16
PIXELS = (240, 320)
FOCAL = 288.0
STILL = np.eye(3)


@cache
def example() -> tuple[SyntheticScene, SceneGraph]:
    """The example scene, and its graph from exact depth, poses and masks; object ids are the scene's."""
    scene = rendered(SceneConfig(size=PIXELS))
    config = Config(depth_filter=DepthFilterConfig(min_points=10), step=StepConfig(mask_margin=0))
    result = build_graph(from_recording(as_recording(scene), config.sampling), config=config)
    named = {}
    for track in result.graph.tracks.values():
        first = track.observations[0]
        there = np.linalg.norm(centroids(scene)[first.t] - first.centroid, axis=1)
        object_id = int(scene.object_id[np.nanargmin(there)])
        named[object_id] = replace(track, object_id=object_id)
    return scene, replace(result.graph, tracks=MappingProxyType(named))


def in_first_camera(scene: SyntheticScene, points):
    T_first_world = np.linalg.inv(scene.T_world_camera[0])
    return points @ T_first_world[:3, :3].T + T_first_world[:3, 3]


def centroids(scene: SyntheticScene):
    """Means of the visible surfaces in the graph's world, by frame and object."""
    return in_first_camera(scene, scene.centroid)


def centres(scene: SyntheticScene, object_id: int):
    """True centres of an object in the graph's world, by frame."""
    config = SceneConfig(size=PIXELS)
    (thing,) = (each for each in config.objects if each.object_id == object_id)
    return in_first_camera(scene, object_poses(thing, phases(config))[:, :3, 3])


def cameras(scene: SyntheticScene):
    """T_first_camera, by frame."""
    return np.linalg.inv(scene.T_world_camera[0]) @ scene.T_world_camera


def noisy(graph: SceneGraph, seed: int, *, across: float, along: float) -> SceneGraph:
    """Shift each observation across and along its line of sight, by normal shares of its distance."""
    rng = np.random.default_rng(seed)
    position = dict(zip(graph.ego.t.tolist(), graph.ego.position.astype(np.float64), strict=True))

    def shifted(token: StepToken) -> StepToken:
        sight = token.centroid - position[token.t]
        distance = np.linalg.norm(sight)
        ray = sight / distance
        shift = across * rng.normal(size=3)
        shift += ray * (along * rng.normal() - shift @ ray)
        shift = (distance * shift).astype(np.float32)
        return replace(token, **{name: getattr(token, name) + shift for name in ("centroid", "low", "high")})

    return of_tokens(graph, {k: [shifted(each) for each in track.observations] for k, track in graph.tracks.items()})


def of_tokens(graph: SceneGraph, tokens) -> SceneGraph:
    tracks = {
        k: Track(object_id=k, observations=tuple(some), theta=(some[0].t, some[-1].t)) for k, some in tokens.items()
    }
    return replace(graph, tracks=MappingProxyType(tracks))


def made(paths, *, T_world_camera=None, half=0.25, metric=True, fps=10.0, origin=DepthOrigin.SENSOR) -> SceneGraph:
    """A graph of boxes that are at `paths[id][t]`, NaN where they are not seen, and of a camera that stands still."""
    n = len(next(iter(paths.values())))
    T = np.tile(np.eye(4), (n, 1, 1)) if T_world_camera is None else T_world_camera
    height, width = PIXELS
    ego = Ego(
        t=np.arange(n, dtype=np.int32),
        time_s=np.arange(n) / fps,
        source_frame=np.arange(n, dtype=np.int64),
        position=T[:, :3, 3].astype(np.float32),
        quaternion_xyzw=Rotation.from_matrix(T[:, :3, :3]).as_quat(canonical=True).astype(np.float32),
        intrinsics=np.tile(np.array([FOCAL, FOCAL, (width - 1) / 2, (height - 1) / 2], np.float32), (n, 1)),
    )
    tracks = {}
    for k, places in paths.items():
        seen = [t for t in range(n) if np.isfinite(places[t]).all()]
        observations = tuple(box(t, np.asarray(places[t], np.float64), half, T[t]) for t in seen)
        tracks[k] = Track(object_id=k, observations=observations, theta=(seen[0], seen[-1]))
    return SceneGraph(
        grid_size=GRID,
        analysis_grid=PIXELS,
        metric=metric,
        depth_origin=(origin,),
        ego=ego,
        tracks=MappingProxyType(tracks),
    )


def box(t: int, place, half, T_world_camera) -> StepToken:
    """A token of an upright box that faces the camera; its cells are those of its outline."""
    half = np.broadcast_to(np.asarray(half, np.float64), (3,))
    x, y, z = (place - T_world_camera[:3, 3]) @ T_world_camera[:3, :3]
    height, width = PIXELS
    u, v = FOCAL * x / z + width / 2, FOCAL * y / z + height / 2
    col_share = _covered(u, FOCAL * half[0] / z, width)
    row_share = _covered(v, FOCAL * half[1] / z, height)
    share = np.outer(row_share, col_share)
    row, col = np.nonzero(share > 0.5)
    return StepToken(
        t=t,
        row=row.astype(np.uint8),
        col=col.astype(np.uint8),
        coverage=share[row, col].astype(np.float32),
        centroid=place.astype(np.float32),
        sigma=(half / np.sqrt(3)).astype(np.float32),
        low=(place - half).astype(np.float32),
        high=(place + half).astype(np.float32),
        num_points=int(max(4 * half[0] * half[1] * (FOCAL / z) ** 2, 1)),
        score=1.0,
    )


def _covered(centre, half, size):
    edges = np.linspace(0, size, GRID + 1)
    covered = np.minimum(edges[1:], centre + half) - np.maximum(edges[:-1], centre - half)
    return np.clip(covered * GRID / size, 0, 1)
