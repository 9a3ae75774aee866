"""Structure from motion on the points that an ideal tracker would see."""

import numpy as np
import pytest

from fast_snow.alignment import apply, estimate
from fast_snow.engines.classical.geometry.structure_from_motion import choose_keyframes, guessed_intrinsics, reconstruct
from fast_snow.types import TrackedPoints
from tests.engines.classical.geometry.cameras import SHAPE, K, arc, cloud, nothing, poses, seen, turned

N, DENSE = 10, 100
T_CAMERA_WORLD = arc(N)


def centres(T_camera_world):
    return np.linalg.inv(T_camera_world)[:, :3, 3]


def worst_error(model, T_camera_world):
    """Greatest distance of the registered cameras from the true ones after alignment by a similarity."""
    found, true = centres(model.T_camera_world[model.registered]), centres(T_camera_world[model.registered])
    return np.linalg.norm(apply(estimate(found, true), found) - true, axis=1).max()


@pytest.fixture(scope="module")
def noisy():
    """Points with the error of a good tracker."""
    random = np.random.default_rng(3)
    return [
        TrackedPoints(point_id=each.point_id, uv=each.uv + random.normal(0, 0.15, each.uv.shape).astype(np.float32))
        for each in seen(cloud(), T_CAMERA_WORLD)
    ]


def test_known_intrinsics_are_kept_and_the_path_is_found(noisy):
    model = reconstruct(noisy, SHAPE, intrinsics=K, seed=0)
    assert model is not None
    assert model.registered.all()
    np.testing.assert_array_equal(model.intrinsics, K)
    assert worst_error(model, T_CAMERA_WORLD) < 0.015  # of a path of 1.5


def test_the_focal_length_is_found(noisy):
    model = reconstruct(noisy, SHAPE, intrinsics=None, seed=0)
    assert model is not None
    np.testing.assert_allclose(model.intrinsics, K, rtol=0.03)
    assert worst_error(model, T_CAMERA_WORLD) < 0.03


def test_typical_depth_is_that_of_the_points_in_front(noisy):
    model = reconstruct(noisy, SHAPE, intrinsics=K, seed=0)
    assert model is not None
    scale = estimate(centres(model.T_camera_world), centres(T_CAMERA_WORLD)).scale
    visible = np.array([np.median(_depth(T, each)) for T, each in zip(T_CAMERA_WORLD, noisy, strict=True)])
    np.testing.assert_allclose(scale * model.typical_depth, visible, rtol=0.15)


def _depth(T_camera_world, points):
    return (cloud()[points.point_id] @ T_camera_world[:3, :3].T + T_camera_world[:3, 3])[:, 2]


def test_one_seed_one_result(noisy):
    one, two = (reconstruct(noisy, SHAPE, intrinsics=None, seed=4) for _ in range(2))
    assert one is not None
    assert two is not None
    for name in ("registered", "T_camera_world", "intrinsics", "points"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_an_image_without_points_is_not_registered(noisy):
    points = [*noisy[:4], nothing(), *noisy[5:]]
    model = reconstruct(points, SHAPE, intrinsics=K, seed=0)
    assert model is not None
    np.testing.assert_array_equal(np.flatnonzero(~model.registered), [4])
    np.testing.assert_array_equal(model.T_camera_world[4], np.eye(4))
    assert np.isnan(model.typical_depth[4])
    assert worst_error(model, T_CAMERA_WORLD) < 0.02


@pytest.fixture(scope="module")
def dense():
    """The same path in many small steps, most of which are no keyframes."""
    random = np.random.default_rng(5)
    return [
        TrackedPoints(point_id=each.point_id, uv=each.uv + random.normal(0, 0.15, each.uv.shape).astype(np.float32))
        for each in seen(cloud(), arc(DENSE))
    ]


@pytest.mark.parametrize("intrinsics", [K, None])
def test_images_between_keyframes_are_placed_as_well(dense, intrinsics):
    assert len(choose_keyframes(dense, 0.03 * max(SHAPE))) < DENSE / 2
    model = reconstruct(dense, SHAPE, intrinsics=intrinsics, seed=0)
    assert model is not None
    assert model.registered.all()
    assert worst_error(model, arc(DENSE)) < 0.03


def test_what_moves_by_itself_does_not_mislead_an_image_between_keyframes(dense):
    between = sorted(set(range(DENSE)).difference(choose_keyframes(dense, 0.03 * max(SHAPE))))[10]
    uv = dense[between].uv.copy()
    uv[::4] += 25
    points = [*dense[:between], TrackedPoints(point_id=dense[between].point_id, uv=uv), *dense[between + 1 :]]
    model = reconstruct(points, SHAPE, intrinsics=K, seed=0)
    assert model is not None
    assert model.registered.all()
    assert worst_error(model, arc(DENSE)) < 0.03


def test_an_image_between_keyframes_with_few_points_is_not_registered(dense):
    between = sorted(set(range(DENSE)).difference(choose_keyframes(dense, 0.03 * max(SHAPE))))[-1]
    few = TrackedPoints(point_id=np.arange(10_000, 10_200), uv=np.zeros((200, 2), np.float32))
    model = reconstruct([*dense[:between], few, *dense[between + 1 :]], SHAPE, intrinsics=K, seed=0)
    assert model is not None
    assert not model.registered[between]
    assert model.registered.sum() == DENSE - 1


@pytest.mark.parametrize("count", [0, 1, 2, N])
def test_without_points_there_is_nothing(count, capfd):
    assert reconstruct([nothing()] * count, SHAPE, intrinsics=None, seed=0) is None
    assert capfd.readouterr() == ("", "")


def test_a_camera_that_only_turns_gives_no_points_to_rest_on(capfd):
    T_camera_world = poses(turned(*np.linspace(0, 12, N)), np.zeros((N, 3)))
    assert reconstruct(seen(cloud(), T_camera_world), SHAPE, intrinsics=K, seed=0) is None
    assert capfd.readouterr() == ("", "")


def test_a_usual_camera_looks_straight_ahead():
    np.testing.assert_array_equal(guessed_intrinsics((100, 200)), [[200, 0, 99.5], [0, 200, 49.5], [0, 0, 1]])
