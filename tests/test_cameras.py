"""Cameras: laws of projection, and poses and intrinsics as inputs bring them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fast_snow.cameras import check_intrinsics, pinhole, poses, project, rays, rescale, rigid, unproject
from fast_snow.errors import InputError
from fast_snow.inputs.recording import check_registered, recording_from_arrays
from tests.inputs.recording_files import frames_of

CAMERA = pinhole(30.0, 31.0, 15.0, 11.0)


def exact_pose() -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.4, -1.1, 0.7]))[0]
    pose[:3, 3] = 3.1, -0.4, 2.2
    return pose


def like_7_scenes(pose: np.ndarray) -> np.ndarray:
    """A pose whose rotation is orthonormal to 2e-4 only."""
    off = pose.copy()
    off[:3, :3] += 1e-4 * np.array([[1, -0.5, 0.7], [-0.2, 1, 0.4], [0.6, 0.3, -1]])
    return off


def test_a_rotation_becomes_the_nearest_one():
    pose = like_7_scenes(exact_pose())
    nearest = rigid(pose, where="pose")
    np.testing.assert_allclose(nearest[:3, :3].T @ nearest[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(nearest[:3, :3], exact_pose()[:3, :3], atol=2e-4)
    assert nearest[:, 3].tolist() == pose[:, 3].tolist()


def test_exact_poses_are_left_alone():
    assert rigid(exact_pose(), where="pose").tolist() == exact_pose().tolist()


def test_camera_and_objects_are_in_one_world():
    poses = np.stack([like_7_scenes(exact_pose()), exact_pose()])
    recording = recording_from_arrays(np.zeros((2, 4, 4, 3), np.uint8), 10.0, T_world_camera=poses)
    T_camera_world = recording.prior(frames_of(recording, 0, 1)).T_camera_world
    # The centre as the transpose gives it, from which objects are placed, and as it was given.
    centres = -np.einsum("nji,nj->ni", T_camera_world[:, :3, :3], T_camera_world[:, :3, 3])
    np.testing.assert_allclose(centres, poses[:, :3, 3], atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (CAMERA.T, "remove skew, or transpose it"),
        (CAMERA + 0.5 * np.eye(3)[[1, 0, 2]], "remove skew"),
        (2 * CAMERA, "0 0 1"),
        (pinhole(30.0, np.inf, 15.0, 11.0), "finite numbers"),
        (pinhole(-30.0, 31.0, 15.0, 11.0), "positive focal lengths"),
        (pinhole(30.0, 31.0, 32.0, 11.0), "outside the 32x24 images"),
    ],
)
def test_matrices_of_no_pinhole_camera_are_refused(matrix, message):
    with pytest.raises(InputError, match=message):
        check_intrinsics(matrix, (24, 32), where="camera")


@pytest.mark.parametrize("value", [1e10, 1e200])
def test_poses_beyond_any_place_are_refused(value):
    pose = exact_pose()
    pose[0, 0] = value
    with pytest.raises(InputError, match="not a rigid pose in metres"):
        rigid(pose, where="pose")


@pytest.mark.parametrize(
    ("depth", "color"), [((480, 640), (968, 1296)), ((120, 160), (120, 160)), ((3, 4), (301, 400))]
)
def test_views_of_nearly_one_aspect_are_one_view(depth, color):
    check_registered("scene", "depth", depth, color)


@pytest.mark.parametrize(
    ("depth", "color"), [((480, 640), (1080, 1920)), ((480, 640), (640, 480)), ((480, 640), (960, 1310))]
)
def test_views_of_other_aspects_are_refused(depth, color):
    with pytest.raises(InputError, match="expected one aspect ratio"):
        check_registered("scene", "depth", depth, color)


SEEDS = st.integers(0, 2**32 - 1)


def any_view(seed: int):
    """A camera anywhere, pixels of a 30 x 40 image, and their depth."""
    rng = np.random.default_rng(seed)
    (pose,) = poses(rng.normal(size=(1, 3)), Rotation.random(rng=rng).as_quat()[None])
    return pose, rng.uniform(0, (39, 29), (5, 7, 2)), rng.uniform(0.1, 50, (5, 7))


@given(SEEDS)
def test_projecting_undoes_unprojecting(seed):
    pose, uv, depth = any_view(seed)
    seen, along = project(unproject(uv, depth, CAMERA, pose), CAMERA, np.linalg.inv(pose))
    np.testing.assert_allclose(seen, uv, atol=1e-8)
    np.testing.assert_allclose(along, depth, rtol=1e-9)


@given(SEEDS)
def test_a_pixel_s_ray_is_its_point_at_depth_one(seed):
    _, uv, _ = any_view(seed)
    np.testing.assert_allclose(unproject(uv, np.ones(uv.shape[:2]), CAMERA, np.eye(4)), rays(uv, CAMERA))
    np.testing.assert_array_equal(rays(uv, CAMERA)[..., 2], 1)


@given(SEEDS)
def test_moving_world_and_camera_alike_changes_no_image(seed):
    pose, uv, depth = any_view(seed)
    other, _, _ = any_view(seed + 1)
    points = unproject(uv, depth, CAMERA, pose)
    moved = points @ other[:3, :3].T + other[:3, 3]
    np.testing.assert_allclose(unproject(uv, depth, CAMERA, other @ pose), moved, atol=1e-9)
    np.testing.assert_allclose(project(moved, CAMERA, np.linalg.inv(other @ pose))[0], uv, atol=1e-7)


@given(SEEDS)
def test_an_image_of_another_size_shows_the_same_rays(seed):
    _, uv, _ = any_view(seed)
    larger = (uv + 0.5) * (3, 2) - 0.5
    np.testing.assert_allclose(rays(larger, rescale(CAMERA, (30, 40), (60, 120))), rays(uv, CAMERA), atol=1e-12)


def test_what_is_behind_the_camera_is_not_seen():
    uv, depth = project(np.array([[0.0, 0.0, -2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]), CAMERA, np.eye(4))
    assert np.isnan(uv[:2]).all()
    np.testing.assert_allclose(uv[2], (15, 11))
    assert depth.tolist() == [-2, 0, 2]


def test_poses_are_places_and_turns():
    rng = np.random.default_rng(0)
    position, rotation = rng.normal(size=(4, 3)), Rotation.random(4, rng=rng)
    for matrix, place, turn in zip(poses(position, rotation.as_quat()), position, rotation, strict=True):
        point = rng.normal(size=3)
        np.testing.assert_allclose((matrix @ np.append(point, 1))[:3], turn.apply(point) + place)
