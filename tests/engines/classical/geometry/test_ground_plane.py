"""The ground-plane guess: its shape, the camera's turn, and a ground that stays where it is."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fast_snow.engines.classical.geometry.camera_path import neighbours
from fast_snow.engines.classical.geometry.ground_plane import CAMERA_HEIGHT, FARTHEST, HORIZON, ground_depth, rotations
from fast_snow.types import TrackedPoints
from tests.engines.classical.geometry.cameras import SHAPE, K, cloud, nothing, poses, seen, turned

LEVEL = np.eye(3)[None]


def test_depth_grows_from_the_feet_to_the_horizon():
    depth = ground_depth(K, LEVEL, SHAPE)[0]
    horizon = HORIZON * SHAPE[0]
    np.testing.assert_allclose(depth - depth[:, :1], 0, atol=1e-3)  # a level camera
    np.testing.assert_allclose(depth[: int(horizon)], CAMERA_HEIGHT * FARTHEST, rtol=1e-6)
    column = depth[:, 0]
    nearer = column < CAMERA_HEIGHT * FARTHEST * (1 - 1e-6)
    assert nearer[-1]
    assert (np.diff(column[nearer]) < 0).all()
    # The ground is seen below the horizon alone, from where its distance is within the limit.
    assert horizon < np.flatnonzero(nearer)[0] < horizon + 20


def ground_points(depth, R_camera_world):
    """World coordinates of the pixels that see the ground."""
    v, u = np.nonzero(depth < 0.99 * CAMERA_HEIGHT * FARTHEST)
    rays = np.stack([u, v, np.ones(len(u))], axis=-1) @ np.linalg.inv(K).T
    return (depth[v, u, None] * rays) @ R_camera_world


def test_the_ground_stays_where_it_is_when_the_camera_turns():
    R_camera_world = np.concatenate([LEVEL, turned(25.0), turned(-8.0, axis=0), turned(12.0, axis=2)])
    depth = ground_depth(K, R_camera_world, SHAPE)
    first = ground_points(depth[0], R_camera_world[0])
    centred = first - first.mean(axis=0)
    normal = np.linalg.svd(centred, full_matrices=False)[2][2]
    height = first @ normal
    np.testing.assert_allclose(np.abs(height), CAMERA_HEIGHT, rtol=1e-3)
    for i in range(1, 4):
        points = ground_points(depth[i], R_camera_world[i])
        assert len(points) > 1000
        np.testing.assert_allclose(points @ normal, height.mean(), rtol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turn_is_recovered_although_something_moves_by_itself(axis):
    degrees = np.array([0.0, 1.5, 3.0, 4.5, 6.0, 5.0])
    points = seen(cloud(), poses(turned(*degrees, axis=axis), np.zeros((6, 3))))
    random = np.random.default_rng(1)
    points = [
        TrackedPoints(
            point_id=each.point_id,
            uv=(each.uv + random.normal(0, 0.2, each.uv.shape)).astype(np.float32)
            + np.where(each.point_id[:, None] % 4 == 0, np.float32(7 * k), np.float32(0)),
        )
        for k, each in enumerate(points)
    ]
    found = rotations(neighbours(points), K)
    away = Rotation.from_matrix(found @ turned(*degrees, axis=axis).transpose(0, 2, 1)).magnitude()
    assert np.degrees(away).max() < 0.1
    np.testing.assert_array_equal(found[0], np.eye(3))


def test_a_camera_at_rest_does_not_turn():
    jitter = np.random.default_rng(0)
    (still,) = seen(cloud(), poses(LEVEL, np.zeros((1, 3))))
    points = [
        TrackedPoints(point_id=still.point_id, uv=still.uv + jitter.normal(0, 0.05, still.uv.shape).astype(np.float32))
        for _ in range(4)
    ]
    np.testing.assert_array_equal(rotations(neighbours(points), K), np.tile(np.eye(3), (4, 1, 1)))


def test_images_without_points_keep_the_last_direction():
    (one, two) = seen(cloud(), poses(turned(0.0, 3.0), np.zeros((2, 3))))
    found = rotations(neighbours([one, two, nothing(), nothing()]), K)
    np.testing.assert_array_equal(found[2], found[1])
    np.testing.assert_array_equal(found[3], found[1])
