"""Pose encodings become the cameras that upstream makes of them."""

import numpy as np
import pytest

from fast_snow.engines.da3.estimator import intrinsics, world_to_camera

GRID = (280, 504)


@pytest.fixture
def encoding():
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(50, 9)).astype(np.float32)
    rows[:, 7:] = draw.uniform(0.2, 2.0, (50, 2))
    return rows


@pytest.mark.torch
def test_equals_upstream(encoding):
    torch = pytest.importorskip("torch")
    pytest.importorskip("fast_snow.engines.da3.quiet_import", exc_type=ImportError)
    from depth_anything_3.model.utils.transform import pose_encoding_to_extri_intri
    from depth_anything_3.utils.geometry import affine_inverse

    T_world_camera, K = pose_encoding_to_extri_intri(torch.from_numpy(encoding)[None].double(), GRID)
    np.testing.assert_allclose(world_to_camera(encoding)[:, :3], affine_inverse(T_world_camera)[0], atol=1e-6)
    np.testing.assert_allclose(intrinsics(encoding, GRID), K[0], rtol=1e-6)


def test_poses_are_rigid(encoding):
    T_camera_world = world_to_camera(encoding)
    R = T_camera_world[:, :3, :3]
    np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.tile(np.eye(3), (len(R), 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(R), 1.0, atol=1e-12)
    centre = np.append(encoding[0, :3], 1)
    np.testing.assert_allclose(T_camera_world[0] @ centre, [0, 0, 0, 1], atol=1e-6)


def test_known_camera():
    encoding = np.array([[1, 2, 3, 0, 0, 0, 1, np.pi / 2, 2 * np.arctan(2)]], np.float32)
    K = intrinsics(encoding, (100, 200))[0]
    np.testing.assert_allclose(K, [[50, 0, 100], [0, 50, 50], [0, 0, 1]], rtol=1e-6)
    np.testing.assert_allclose(world_to_camera(encoding)[0, :3], np.hstack([np.eye(3), [[-1], [-2], [-3]]]))


def test_a_field_of_view_of_nothing_is_a_finite_focal_length():
    encoding = np.array([[0, 0, 0, 0, 0, 0, 1, 0, 0]], np.float32)
    np.testing.assert_allclose(np.diag(intrinsics(encoding, GRID)[0])[:2], [252e6, 140e6])


def test_a_rotation_of_nothing_is_not_finite():
    assert not np.isfinite(world_to_camera(np.zeros((1, 9), np.float32))).all()
