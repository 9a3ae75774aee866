"""Triangulation: the depth of a plane, its laws, what moves, and what cannot be told."""

import numpy as np
import pytest

from fast_snow.engines.classical.flow import workers
from fast_snow.engines.classical.geometry.triangulation import triangulate
from tests.engines.classical.geometry.cameras import SHAPE, K, arc, pictures, poses, turned

LENGTH = 1.2
TYPICAL = 4.0


@pytest.fixture(scope="module")
def plane():
    T_camera_world = arc(5, LENGTH)
    return T_camera_world, *pictures(T_camera_world)


def measure(images, T_camera_world, *, scale=1.0, max_gap=3, report=lambda *_: None):
    T_scaled = T_camera_world.copy()
    T_scaled[:, :3, 3] *= scale
    count = len(images)
    with workers(1) as pool:
        return list(
            triangulate(
                images,
                np.tile(K, (count, 1, 1)),
                T_scaled,
                np.full(count, scale * TYPICAL),
                max_gap=max_gap,
                pool=pool,
                report=report,
            )
        )


def test_the_depth_of_a_slanted_plane_is_found(plane):
    T_camera_world, images, truth = plane
    for measured, true in zip(measure(images, T_camera_world), truth, strict=True):
        trusted = measured.confidence >= 0.5
        assert trusted.mean() > 0.8
        error = np.abs(measured.depth[trusted] / true[trusted] - 1)
        assert np.median(error) < 0.005
        assert np.quantile(error, 0.99) < 0.05
        assert not measured.inconsistent[trusted].any()


@pytest.mark.parametrize("scale", [1e-4, 0.3, 1e4])
def test_scaling_poses_scales_depth(plane, scale):
    T_camera_world, images, _ = plane
    for one, scaled in zip(measure(images, T_camera_world), measure(images, T_camera_world, scale=scale), strict=True):
        np.testing.assert_allclose(scaled.confidence, one.confidence, atol=1e-3)
        trusted = one.confidence >= 0.5
        np.testing.assert_allclose(scaled.depth[trusted], scale * one.depth[trusted], rtol=1e-3)


def test_depth_does_not_depend_on_the_world(plane):
    T_camera_world, images, _ = plane
    T_world_other = poses(turned(70.0, axis=2), np.array([[3.0, -2.0, 1.0]]))[0]
    for one, other in zip(
        measure(images, T_camera_world), measure(images, T_camera_world @ T_world_other), strict=True
    ):
        trusted = one.confidence >= 0.5
        np.testing.assert_allclose(other.depth[trusted], one.depth[trusted], rtol=1e-3)


def test_a_thing_that_leaves_its_epipolar_lines_is_inconsistent(plane):
    T_camera_world, images, _ = plane
    images = images.copy()
    patch = images[0, 60:100, 80:140].copy()
    for k, image in enumerate(images):
        image[60 + 6 * k : 100 + 6 * k, 80:140] = patch
    measured = measure(images, T_camera_world)[2]
    inside = np.zeros(SHAPE, bool)
    inside[80:104, 90:130] = True
    around = np.ones(SHAPE, bool)
    around[40:150, 50:170] = False
    assert measured.inconsistent[inside].mean() > 0.9
    assert measured.inconsistent[around].mean() < 0.02


def test_poses_that_do_not_fit_let_nothing_move(plane):
    T_camera_world, images, _ = plane
    shaken = T_camera_world.copy()
    shaken[::2, :3, :3] = turned(0.6, axis=0)[0] @ shaken[::2, :3, :3]  # 2.3 pixels
    for measured in measure(images, shaken)[1:-1]:
        assert measured.inconsistent.mean() < 0.01


def test_a_camera_that_only_turns_tells_no_depth():
    T_camera_world = poses(turned(0, 2, 4), np.zeros((3, 3)))
    images, _ = pictures(T_camera_world)
    for measured in measure(images, T_camera_world):
        assert measured.confidence.max() < 0.01
        assert np.isfinite(measured.depth).all()


def test_one_image_tells_nothing(plane):
    T_camera_world, images, _ = plane
    (measured,) = measure(images[:1], T_camera_world[:1])
    np.testing.assert_array_equal(measured.depth, 0)
    np.testing.assert_array_equal(measured.confidence, 0)
    assert not measured.inconsistent.any()


def test_every_image_is_reported(plane):
    T_camera_world, images, _ = plane
    told = []
    measure(images, T_camera_world, report=lambda done, total: told.append((done, total)))
    assert told == [(k, 5) for k in range(1, 6)]
