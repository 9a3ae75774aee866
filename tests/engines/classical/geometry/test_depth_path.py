"""The path of a camera whose depth is measured: known cameras, noise, holes, edges, and things that move."""

import numpy as np
import pytest

from fast_snow.engines.classical.geometry.depth_alignment import coarse_inverse_depth, errors, smooth_inverse_depth
from fast_snow.engines.classical.geometry.depth_path import reconstruct_with_depth
from fast_snow.types import TrackedPoints
from tests.engines.classical.geometry.cameras import SHAPE, K, arc, cloud, nothing, pictures, poses, seen, turned

N = 8
PATH = arc(N, length=0.6)


def plane_points(count: int = 300) -> np.ndarray:
    """Points of the textured plane whose depth `pictures` gives."""
    random = np.random.default_rng(1)
    x, y = random.uniform(-2.2, 2.6, count), random.uniform(-1.8, 1.8, count)
    return np.stack([x, y, 4.0 - 0.15 * x + 0.25 * y], axis=1)


@pytest.fixture(scope="module")
def depth() -> np.ndarray:
    return pictures(PATH)[1].astype(np.float32)


def path_of(points, depth, intrinsics=K):
    found = reconstruct_with_depth(points, depth, SHAPE, intrinsics=intrinsics, seed=0)
    assert found is not None
    return found


def largest_error(found, true=PATH) -> float:
    """Largest distance between the cameras, both in the frame of the first."""
    relative = [np.linalg.inv(T @ np.linalg.inv(T[0]))[:, :3, 3] for T in (found.T_camera_world, true)]
    return float(np.linalg.norm(relative[0] - relative[1], axis=1).max())


def noisy(depth: np.ndarray) -> np.ndarray:
    """Depth of a sensor: noise that grows with the square, and holes."""
    random = np.random.default_rng(0)
    measured = 1.0 / (1.0 / depth + 0.0015 * random.normal(size=depth.shape))
    return np.where(random.random(depth.shape) < 0.05, 0.0, measured).astype(np.float32)


def test_exact_measurements_give_the_exact_path(depth):
    found = path_of(seen(plane_points(), PATH), depth)
    assert found.registered.all()
    assert largest_error(found) < 0.001
    np.testing.assert_array_equal(found.intrinsics, K)


def test_noise_and_holes_hardly_move_the_path(depth):
    assert largest_error(path_of(seen(plane_points(), PATH), noisy(depth))) < 0.01


def test_the_focal_length_follows_from_depth(depth):
    found = path_of(seen(plane_points(), PATH), depth, intrinsics=None)
    assert found.intrinsics[0, 0] == pytest.approx(K[0, 0], rel=0.01)
    assert largest_error(found) < 0.02


def test_points_that_move_do_not_bend_the_path(depth):
    points = []
    for i, each in enumerate(seen(plane_points(), PATH)):
        moves = each.point_id % 5 == 0
        uv = each.uv + np.where(moves[:, None], [3.0 * i, -2.0 * i], 0.0).astype(np.float32)
        points.append(TrackedPoints(point_id=each.point_id, uv=uv))
    assert largest_error(path_of(points, depth)) < 0.005


def test_a_camera_that_only_turns_is_placed():
    T = poses(turned(*np.linspace(0, 8, N)), np.zeros((N, 3)))
    found = path_of(seen(plane_points(), T), pictures(T)[1].astype(np.float32))
    assert largest_error(found, T) < 0.001


def test_one_path_whenever_it_is_asked_for(depth):
    one, again = (path_of(seen(plane_points(), PATH), noisy(depth)) for _ in range(2))
    np.testing.assert_array_equal(one.T_camera_world, again.T_camera_world)


def test_images_between_are_placed_by_the_adjusted_points(depth, monkeypatch):
    monkeypatch.setattr("fast_snow.engines.classical.geometry.depth_path._MAX_KEYFRAMES", 4)
    found = path_of(seen(plane_points(), PATH), depth)
    assert found.registered.all()
    assert largest_error(found) < 0.003


def test_an_image_without_points_is_not_placed(depth):
    points = seen(plane_points(), PATH)
    points[3] = nothing()
    np.testing.assert_array_equal(path_of(points, depth).registered, np.arange(N) != 3)


@pytest.mark.parametrize("points", [[nothing()] * N, seen(cloud(20), PATH)], ids=["no points", "too few points"])
def test_where_nothing_can_be_followed_there_is_no_path(points, depth):
    assert reconstruct_with_depth(points, depth, SHAPE, intrinsics=K, seed=0) is None


def test_without_any_depth_there_is_no_path():
    empty = np.zeros((N, *SHAPE), np.float32)
    assert reconstruct_with_depth(seen(plane_points(), PATH), empty, SHAPE, intrinsics=K, seed=0) is None


def test_edges_and_large_holes_are_no_smooth_depth():
    depth = np.full((40, 40), 2.0, np.float32)
    depth[:, 20:] = 3.0
    depth[:12] = 0.0
    depth[30, 5] = 0.0
    found = smooth_inverse_depth(depth, 5)
    np.testing.assert_allclose(found[20:, 2:17], 0.5)
    np.testing.assert_allclose(found[20:, 23:38], 1 / 3)
    assert np.isnan(found[20:, 19:21]).all()
    assert np.isnan(found[:10]).all()


def test_errors_vanish_where_depth_images_agree_and_their_slope_is_right(depth):
    maps = tuple(coarse_inverse_depth(each) for each in depth[[0, 3]])
    block = SHAPE[1] // maps[0].shape[1]
    coarse = K.copy()
    coarse[:2] /= block
    coarse[:2, 2] = (K[:2, 2] + 0.5) / block - 0.5
    T_b_a = PATH[3] @ np.linalg.inv(PATH[0])
    error, slope = errors(maps, coarse, T_b_a)
    assert np.abs(error).max() < 2e-4
    shift = np.eye(4)
    shift[:3, 3] = (0.0, 0.0, 1e-4)
    moved, _ = errors(maps, coarse, shift @ T_b_a)
    np.testing.assert_allclose((moved - error) / 1e-4, slope[:, 11], rtol=0.01)
