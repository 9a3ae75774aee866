"""The fold: one window or several give the same graph, in the world of the first camera."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fast_snow.alignment import Similarity, align_geometry
from fast_snow.config import Config, OutputConfig, WindowConfig
from fast_snow.graph import FoldState, fold, start
from fast_snow.types import DepthOrigin, Geometry, Perception, SceneGraph, TrackedFrame
from tests.building import GRID, flat_geometry, perception, tracked

CONFIG = Config(window=WindowConfig(length=10, overlap=3), output=OutputConfig(keyframe_every=4))
FRAMES = 17


def scene_geometry(*, metric: bool) -> Geometry:
    """A camera that drifts to the right and turns, before a bumpy wall."""
    rng = np.random.default_rng(0)
    geometry = flat_geometry(FRAMES, metric=metric)
    T_camera_world = np.tile(np.eye(4), (FRAMES, 1, 1))
    T_camera_world[:, :3, :3] = Rotation.from_euler("y", np.linspace(0.2, 0.4, FRAMES)[:, None]).as_matrix()
    T_camera_world[:, :3, 3] = [[0.1 * i, 1.0, -0.5] for i in range(FRAMES)]
    depth = (4 + rng.uniform(0, 1, (FRAMES, *GRID))).astype(np.float32)
    return replace(geometry, depth=depth, T_camera_world=T_camera_world)


def scene_masklets(numbering: dict[str, int]) -> list[TrackedFrame]:
    """Two objects in all frames, one from frame 12 on; `numbering` gives their local ids."""
    frames = []
    for t in range(FRAMES):
        named = [(0, numbering["a"], (2 + t // 2, 2, 12 + t // 2, 12)), (0, numbering["b"], (18, 12, 30, 22))]
        if t >= 12:
            named.append((0, numbering["c"], (0, 14, 10, 24)))
        frames.append(tracked(*named))
    return frames


def part(geometry: Geometry, frames: slice) -> Geometry:
    names = ("depth", "confidence", "intrinsics", "T_camera_world")
    return replace(geometry, **{name: getattr(geometry, name)[frames] for name in names})


def renumber_run(frame: TrackedFrame, run: int) -> TrackedFrame:
    return replace(frame, run_id=np.full_like(frame.run_id, run))


def in_one_window(geometry: Geometry) -> FoldState:
    whole = perception(scene_masklets({"a": 0, "b": 1, "c": 2}), geometry=geometry)
    return fold(start(CONFIG), whole, config=CONFIG)


def in_two_windows(geometry: Geometry, T_second_first: Similarity) -> FoldState:
    """Split after frame 9 with three shared frames; the second window has its own world and numbering."""
    first = perception(scene_masklets({"a": 0, "b": 1, "c": 2})[:10], geometry=part(geometry, slice(0, 10)))
    state = fold(start(CONFIG), first, config=CONFIG)
    masklets = [renumber_run(each, 2) for each in scene_masklets({"a": 1, "b": 0, "c": 2})[7:]]
    moved = align_geometry(T_second_first, part(geometry, slice(7, None)))
    second = perception(masklets, window=1, first=7, shared=3, geometry=moved)
    return fold(state, second, config=CONFIG)


def assert_same(one: SceneGraph, other: SceneGraph, *, atol: float) -> None:
    assert list(one.tracks) == list(other.tracks)
    np.testing.assert_array_equal(one.ego.t, other.ego.t)
    np.testing.assert_allclose(one.ego.position, other.ego.position, atol=atol)
    np.testing.assert_allclose(one.ego.quaternion_xyzw, other.ego.quaternion_xyzw, atol=atol)
    for object_id, track in one.tracks.items():
        assert track.theta == other.tracks[object_id].theta
        for a, b in zip(track.observations, other.tracks[object_id].observations, strict=True):
            assert a.t == b.t
            np.testing.assert_allclose(a.centroid, b.centroid, atol=atol)
            np.testing.assert_allclose(a.sigma, b.sigma, atol=atol)
            np.testing.assert_array_equal(a.coverage, b.coverage)


@pytest.mark.parametrize(("metric", "scale"), [(True, 1.0), (False, 1.0), (False, 3.0)])
def test_two_windows_make_the_graph_of_one(metric: bool, scale: float):
    geometry = scene_geometry(metric=metric)
    moved = Similarity(
        scale=scale, R=Rotation.from_euler("xyz", [0.3, -0.2, 1.0]).as_matrix(), t=np.array([5.0, -1, 2])
    )
    assert_same(in_one_window(geometry).graph, in_two_windows(geometry, moved).graph, atol=1e-4)


def test_windows_join_objects_and_say_so():
    graph = in_two_windows(scene_geometry(metric=True), Similarity(scale=1.0, R=np.eye(3), t=np.zeros(3))).graph
    assert [(each.t, each.kept, each.dropped) for each in graph.merges] == [(7, 1, None), (7, 0, None)]


def test_the_world_is_the_camera_of_the_first_frame():
    graph = in_one_window(scene_geometry(metric=True)).graph
    np.testing.assert_allclose(graph.ego.position[0], 0, atol=1e-6)
    np.testing.assert_allclose(graph.ego.quaternion_xyzw[0], [0, 0, 0, 1], atol=1e-6)
    assert 4.0 < graph.tracks[1].observations[0].centroid[2] < 5.0


def test_every_frame_is_there_with_its_masks_and_keyframes():
    state = in_two_windows(scene_geometry(metric=True), Similarity(scale=1.0, R=np.eye(3), t=np.zeros(3)))
    assert state.graph.ego.t.tolist() == list(range(FRAMES))
    assert [each.t for each in state.labelled] == list(range(10, FRAMES))
    assert [each.object_id.tolist() for each in state.labelled][-1] == [0, 1, 2]
    assert [each.t for each in state.graph.keyframes] == [0, 4, 8, 12, 16]
    assert state.graph.analysis_grid == GRID


def test_metric_only_where_every_window_is():
    state = fold(
        start(CONFIG),
        perception(
            scene_masklets({"a": 0, "b": 1, "c": 2})[:10], geometry=part(scene_geometry(metric=True), slice(0, 10))
        ),
        config=CONFIG,
    )
    assert state.graph.metric
    guess = replace(part(scene_geometry(metric=False), slice(7, None)), origin=DepthOrigin.GROUND_PLANE_PRIOR)
    masklets = [renumber_run(each, 2) for each in scene_masklets({"a": 0, "b": 1, "c": 2})[7:]]
    state = fold(state, perception(masklets, window=1, first=7, shared=3, geometry=guess), config=CONFIG)
    assert not state.graph.metric
    assert state.graph.depth_origin == (DepthOrigin.SENSOR, DepthOrigin.GROUND_PLANE_PRIOR)


def test_a_clip_without_objects():
    empty: Perception = perception([tracked()] * 4)
    state = fold(start(CONFIG), empty, config=CONFIG)
    assert (dict(state.graph.tracks), state.graph.num_frames) == ({}, 4)


def test_the_window_view():
    graph = in_one_window(scene_geometry(metric=True)).graph
    view = graph.window(t=13, length=3)
    assert view.ego.t.tolist() == [11, 12, 13]
    assert [each.t for each in view.tracks[0].observations] == [11, 12, 13]
    assert view.tracks[0].theta == (0, 13)
    assert [each.t for each in view.tracks[2].observations] == [12, 13]
    assert graph.window(t=13, length=3, stride=4).ego.t.tolist() == [5, 9, 13]
    assert graph.window(t=FRAMES - 1, length=0).num_frames == FRAMES
    assert list(graph.window(t=11, length=0).tracks) == [0, 1]
    assert [each.t for each in graph.window(t=9, length=0).keyframes] == [0, 4, 8]
