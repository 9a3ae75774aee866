"""Poses and intrinsics as inputs bring them."""

import cv2
import numpy as np
import pytest

from fast_snow.errors import InputError
from fast_snow.inputs.calibration import check_intrinsics, pinhole, rigid
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
