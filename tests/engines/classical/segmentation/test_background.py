"""Planes, their pieces, and which of them are background: on exact depth of rendered scenes and on made-up planes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.config import ClassicalSegmenterConfig
from fast_snow.engines.classical.segmentation.background import background, depth_map, off_background, standing_out
from fast_snow.engines.classical.segmentation.planes import plane_pieces
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.kernels.masks import decode
from fast_snow.synthetic.render import SyntheticScene
from fast_snow.synthetic.scene import CRATE, Pattern, SceneConfig, SceneObject, Shape
from fast_snow.types import DepthOrigin, Geometry
from tests.engines.classical.scenes import flat_geometry, frames_of
from tests.scenes import rendered

TOLERANCE, LEAST = 0.02, 0.05
TABLE = SceneObject(
    1, Shape.BOX, (0.9, 0.6, 0.35), Pattern.CRATE, (0.8, 0.6, 0.4), (0.5, 0.3, 0.2), ((0.0, -0.1, 0.3, 0.35),), 0.3
)
CUP = SceneObject(
    2, Shape.SPHERE, (0.15, 0.15, 0.15), Pattern.DOTS, (0.9, 0.9, 0.9), (0.2, 0.3, 0.8), ((0.0, -0.2, 0.2, 0.85),)
)


def geometry_of(scene: SyntheticScene, origin: DepthOrigin = DepthOrigin.SENSOR) -> Geometry:
    return Geometry(
        depth=scene.depth,
        confidence=np.ones_like(scene.depth),
        intrinsics=np.repeat(scene.intrinsics[None], len(scene), axis=0),
        T_camera_world=np.linalg.inv(scene.T_world_camera),
        metric=True,
        origin=origin,
    )


def planes_of(geometry: Geometry, seed: int = 0):
    frames = [geometry[i] for i in range(len(geometry.depth))]
    return background(frames, tolerance=TOLERANCE, least_share=LEAST, seed=seed)


@pytest.fixture(scope="module")
def room() -> SyntheticScene:
    return rendered(SceneConfig(size=(120, 160), frames=6))


@pytest.mark.parametrize("seed", range(3))
def test_floor_and_walls_are_background_and_objects_stand_out(room, seed):
    geometry = geometry_of(room)
    planes = planes_of(geometry, seed)
    assert any(abs(each.normal[2]) > 0.99 for each in planes)
    assert any(abs(each.normal[2]) < 0.1 for each in planes)
    for i, ids in enumerate(room.ids):
        out = standing_out(geometry[i], depth_map(geometry[i], ids.shape), planes, tolerance=TOLERANCE)
        floor = (ids == 0) & (points(room, i)[..., 2] < 0.01)
        assert np.mean(out[floor] < 0) > 0.95
        assert np.mean(out[ids == CRATE.object_id] > 0) > 0.85


def points(scene: SyntheticScene, i: int) -> np.ndarray:
    v, u = np.indices(scene.depth[i].shape)
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(scene.intrinsics).T
    T = scene.T_world_camera[i]
    return (rays * scene.depth[i][..., None]) @ T[:3, :3].T + T[:3, 3]


def test_a_table_top_is_no_background_and_swallows_nothing():
    scene = rendered(SceneConfig(size=(120, 160), frames=6, objects=(TABLE, CUP)))
    geometry = geometry_of(scene)
    planes = planes_of(geometry)
    assert planes
    assert not any(abs(each.height(np.array([[-0.1, 0.3, 0.7]]))[0]) < 0.05 for each in planes if each.normal[2] > 0.9)
    out = standing_out(geometry[0], depth_map(geometry[0], scene.ids[0].shape), planes, tolerance=TOLERANCE)
    for number in (TABLE.object_id, CUP.object_id):
        assert np.mean(out[scene.ids[0] == number] > 0) > 0.85


def test_parallax_is_no_motion():
    scene = rendered(SceneConfig(size=(120, 160), frames=6, objects=(TABLE, CUP)))
    with open_segmenter(ClassicalSegmenterConfig(), seed=0, threads=1) as segment:
        found = segment(frames_of(scene.image), geometry_of(scene, DepthOrigin.TRIANGULATED))
    masks = [(mask, ids) for each, ids in zip(found, scene.ids, strict=True) for mask in decode(each.masks)]
    assert masks
    assert all(np.mean(ids[mask] > 0) > 0.5 for mask, ids in masks)


def test_a_wall_that_fills_the_view_is_background():
    geometry = flat_geometry(2, (48, 64), DepthOrigin.SENSOR)
    (wall,) = planes_of(geometry)
    np.testing.assert_allclose(np.abs(wall.normal), [0, 0, 1], atol=1e-6)
    depth = depth_map(geometry[0], (24, 32))
    np.testing.assert_array_equal(standing_out(geometry[0], depth, [wall], tolerance=TOLERANCE), -1.0)
    np.testing.assert_array_equal(standing_out(geometry[0], depth, [], tolerance=TOLERANCE), 1.0)
    np.testing.assert_array_equal(standing_out(geometry[0], 0 * depth, [wall], tolerance=TOLERANCE), 0.0)


def test_no_depth_shows_no_planes():
    flat = flat_geometry(2, (48, 64), DepthOrigin.SENSOR)
    blind = Geometry(
        depth=flat.depth,
        confidence=np.zeros_like(flat.confidence),
        intrinsics=flat.intrinsics,
        T_camera_world=flat.T_camera_world,
        metric=True,
        origin=DepthOrigin.SENSOR,
    )
    assert planes_of(blind) == []


@given(
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda n: np.linalg.norm(n) > 0.2),
    st.floats(-3, 3),
    st.integers(0, 2**32 - 1),
)
def test_a_noisy_plane_is_found_where_it_is(direction, offset, seed):
    normal = np.array(direction) / np.linalg.norm(direction)
    rng = np.random.default_rng(seed)
    axes = np.linalg.svd(normal[None])[2][1:]
    u, v = np.meshgrid(np.linspace(-1, 1, 20), np.linspace(-1, 1, 16))
    heights = rng.normal(0, 0.002, u.shape) - offset
    cloud = (u[..., None] * axes[0] + v[..., None] * axes[1] + heights[..., None] * normal)[None]
    (found,) = plane_pieces(cloud, np.full(cloud.shape[:3], 0.01), cell=0.3, least=100.0, seed=0)
    assert abs(found.piece.normal @ normal) > 0.999
    assert np.mean(np.abs(found.piece.height(cloud)) < 0.01) > 0.99
    assert found.piece.spans(cloud).all()
    assert not found.piece.spans(cloud + 10 * axes[0]).any()
    assert not found.piece.spans(cloud - 10 * axes[1]).any()


def test_two_seats_of_one_height_are_two_pieces():
    u, v = np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 1, 20))
    seat = np.stack([u, v, np.full_like(u, 0.5)], axis=-1)
    cloud = np.stack([seat, seat + np.array([4.0, 0.0, 0.0])])
    found = list(plane_pieces(cloud, np.full(cloud.shape[:3], 0.01), cell=0.2, least=100.0, seed=0))
    assert [int(each.on.sum()) for each in found] == [400, 400]
    assert found[0].piece.spans(cloud[0]).all() != found[0].piece.spans(cloud[1]).all()
    assert not found[0].piece.spans(np.array([[2.5, 0.5, 0.5]]))[0]


def test_a_surface_is_rated_by_how_much_of_it_stands_out_now():
    label = np.repeat([0, 1, 2, 3], 5).reshape(4, 5).astype(np.int32)
    evidence = np.array([[1] * 5, [1, 1, 1, -1, -1], [-1, 0, 0, 0, 0.5], [0] * 5], np.float32)
    np.testing.assert_allclose(off_background(label, evidence), [0.6, 0.5, 0.0])
    assert off_background(np.zeros((4, 5), np.int32), evidence).shape == (0,)
