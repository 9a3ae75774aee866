"""The camera's path: reconstructed with gaps, given, or turning in place."""

import numpy as np
import pytest

from fast_snow.config import ClassicalGeometryConfig
from fast_snow.engines.classical.geometry.camera_path import given_path, neighbours, reconstructed_path, turning_path
from fast_snow.errors import FastSnowWarning
from tests.engines.classical.geometry.cameras import SHAPE, K, arc, cloud, nothing, poses, seen, turned

N = 12
CONFIG = ClassicalGeometryConfig()
T_CAMERA_WORLD = arc(N)


def centres(T_camera_world):
    return np.linalg.inv(T_camera_world)[:, :3, 3]


def reconstruct(points, config=CONFIG):
    return reconstructed_path(points, SHAPE, config, intrinsics=K, seed=0)


def test_unregistered_poses_are_interpolated():
    points = seen(cloud(), T_CAMERA_WORLD)
    points[5] = nothing()
    with pytest.warns(FastSnowWarning, match="registered 11 of 12 frames"):
        found = reconstruct(points)
    assert found is not None
    centre = centres(found.T_camera_world)
    np.testing.assert_allclose(centre[5], (centre[4] + centre[6]) / 2, atol=1e-9)
    R_before, R_here, R_after = found.T_camera_world[4:7, :3, :3]
    np.testing.assert_allclose(R_after @ R_here.T, R_here @ R_before.T, atol=1e-9)


def test_the_camera_stands_still_after_the_last_known_pose():
    points = [*seen(cloud(), T_CAMERA_WORLD)[:-1], nothing()]
    with pytest.warns(FastSnowWarning, match="registered 11 of 12 frames"):
        found = reconstruct(points)
    assert found is not None
    np.testing.assert_allclose(found.T_camera_world[-1], found.T_camera_world[-2], atol=1e-12)


def test_too_few_known_poses_are_none():
    points = seen(cloud(), T_CAMERA_WORLD)
    assert reconstruct([*points[:6], *[nothing()] * 6]) is None


def test_too_short_a_way_is_none():
    points = seen(cloud(), T_CAMERA_WORLD)
    assert reconstruct(points, ClassicalGeometryConfig(min_baseline=1.0)) is None


def test_a_camera_at_rest_has_no_path():
    assert reconstruct(seen(cloud(), np.tile(np.eye(4), (N, 1, 1)))) is None


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_images_have_no_path(count):
    assert reconstruct(seen(cloud(), T_CAMERA_WORLD[:count])) is None


def test_a_given_path_is_kept_and_gets_its_typical_depth():
    points = seen(cloud(), T_CAMERA_WORLD)
    path = given_path(points, T_CAMERA_WORLD, K, max_gap=4)
    np.testing.assert_array_equal(path.T_camera_world, T_CAMERA_WORLD)
    for i in range(N):
        there = points[min(i + 4, N - 1) if i < N // 2 else i - 4]
        both = np.intersect1d(points[i].point_id, there.point_id)
        T = T_CAMERA_WORLD[i]
        true = np.median((cloud()[both] @ T[:3, :3].T + T[:3, 3])[:, 2])
        np.testing.assert_allclose(path.typical_depth[i], true, rtol=0.02)


def test_the_typical_depth_of_a_given_path_scales_with_it():
    points = seen(cloud(), T_CAMERA_WORLD)
    T_scaled = T_CAMERA_WORLD.copy()
    T_scaled[:, :3, 3] *= 20
    one, scaled = (given_path(points, T, K, max_gap=4).typical_depth for T in (T_CAMERA_WORLD, T_scaled))
    np.testing.assert_allclose(scaled, 20 * one, rtol=1e-6)


def test_a_given_path_moves_by_its_reach_over_the_typical_depth():
    path = given_path(seen(cloud(), T_CAMERA_WORLD), T_CAMERA_WORLD, K, max_gap=4)
    reach = np.linalg.norm(centres(T_CAMERA_WORLD) - centres(T_CAMERA_WORLD)[0], axis=1).max()
    limit = reach / np.median(path.typical_depth)
    assert path.moves(0.99 * limit)
    assert not path.moves(1.01 * limit)


def test_without_points_it_is_not_known_whether_a_given_path_moves():
    path = given_path([nothing()] * N, T_CAMERA_WORLD, K, max_gap=4)
    assert np.isnan(path.typical_depth).all()
    assert not path.moves(0.0)


def test_a_turning_camera_stays_in_place():
    degrees = np.linspace(0, 12, N)
    points = seen(cloud(), poses(turned(*degrees), np.zeros((N, 3))))
    path = turning_path(neighbours(points), SHAPE, K)
    np.testing.assert_array_equal(path.T_camera_world[:, :3, 3], 0)
    np.testing.assert_allclose(path.T_camera_world[:, :3, :3], turned(*degrees), atol=1e-4)
    assert not path.moves(0.0)
