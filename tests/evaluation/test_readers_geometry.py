"""Trajectories and depth in the formats of TUM, recordings and 7-Scenes."""

import os

import cv2
import numpy as np
import pytest

from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.evaluation.ground_truth import TruthKind, TruthSource
from fast_snow.evaluation.readers.frame_images import open_depth_images
from fast_snow.evaluation.readers.trajectories import read_7_scenes, read_poses_c2w, read_tum
from fast_snow.inputs.recording_folder import read_recording_folder


def source(**more):
    return TruthSource(**({"kind": TruthKind.POSES, "format": "", "path": ""} | more))


QUARTER = np.array([[0, 0, 1, 1], [0, 1, 0, 2], [-1, 0, 0, 3], [0, 0, 0, 1]], float)
"""A quarter turn about y, and a step."""


def as_line(pose):
    return " ".join(map(str, pose.ravel()))


def test_tum_lines_become_poses_in_order_of_time(tmp_path):
    half = np.sqrt(0.5)
    path = tmp_path / "path.txt"
    path.write_text(f"# time tx ty tz qx qy qz qw\n12.5 1 2 3 0 {half} 0 {half}\n\n12.25 0 0 0 0 0 0 1\n")
    found = read_tum(path, source(first_time_s=12.0))
    assert found.time_s.tolist() == [0.25, 0.5]
    assert found.T_world_camera[0] == pytest.approx(np.eye(4))
    assert found.T_world_camera[1] == pytest.approx(QUARTER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no pose"),
        ("1 0 0 0 0 0 0\n", "line 1: got 7 words, expected at least 8"),
        ("1 0 0 0 0 0 0 2\n", "line 1: not a rigid pose"),
        ("1 0 0 0 0 0 0 1e300\n", "line 1: not a rigid pose"),
        ("1 0 0 x 0 0 0 1\n", "line 1: tx ty tz qx qy qz qw: could not convert"),
        ("nan 0 0 0 0 0 0 1\n", "line 1: the time stamp is 'nan'"),
        ("1e100000000 0 0 0 0 0 0 1\n", "line 1: the time stamp is '1e100000000'"),
    ],
)
def test_tum_lines_that_cannot_be_are_refused(tmp_path, text, message):
    path = tmp_path / "path.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tum(path, source())


def test_tum_lines_of_one_time_or_without_a_finite_pose_are_left_out_and_counted(tmp_path):
    path = tmp_path / "path.txt"
    path.write_text("2 5 0 0 0 0 0 1\n1 1 0 0 0 0 0 1\n1 2 0 0 0 0 0 1\n2 6 0 0 0 0 0 1\n3 nan 0 0 0 0 0 1\n")
    with pytest.warns(FastSnowWarning) as caught:
        found = read_tum(path, source())
    assert [str(each.message).partition(": ")[2] for each in caught] == [
        "1 of 5 poses hold NaN or infinity and are left out",
        "2 of 4 poses repeat the time stamp of another and are left out",
    ]
    assert (found.time_s.tolist(), found.T_world_camera[:, 0, 3].tolist()) == ([1, 2], [1, 5])
    path.write_text("3 nan 0 0 0 0 0 1\n")
    with (
        pytest.warns(FastSnowWarning, match="1 of 1 poses hold NaN"),
        pytest.raises(InputError, match="no pose, expected lines"),
    ):
        read_tum(path, source())


def test_tum_stamps_in_nanoseconds_are_recognised(tmp_path):
    path = tmp_path / "path.txt"
    path.write_text("".join(f"{1305031102_000000000 + 10_000_000 * k} {k} 0 0 0 0 0 1\n" for k in range(3)))
    with pytest.warns(FastSnowWarning, match="time stamps taken as nanoseconds"):
        found = read_tum(path, source(first_time_s=1305031102.0))
    assert found.time_s == pytest.approx([0, 0.01, 0.02], abs=1e-6)


def test_tum_equals_evo(clips):
    file_interface = pytest.importorskip("evo.tools.file_interface")
    for path in sorted((clips / "trajectories" / "fr1_xyz").glob("*.txt")):
        theirs, ours = file_interface.read_tum_trajectory_file(str(path)), read_tum(path, source())
        assert np.array_equal(ours.time_s, theirs.timestamps)
        assert np.abs(ours.T_world_camera - np.array(theirs.poses_se3)).max() < 1e-12


def test_matrices_on_lines_have_times_by_their_number(tmp_path):
    path = tmp_path / "poses_c2w.txt"
    path.write_text(f"{as_line(np.eye(4))}\n{as_line(QUARTER)}\n{as_line(np.eye(4))}\n")
    found = read_poses_c2w(path, source(first_frame=1), 10.0)
    assert found.time_s.tolist() == [0.0, 0.1]
    assert np.array_equal(found.T_world_camera, [QUARTER, np.eye(4)])
    assert len(read_poses_c2w(path, source(frames=2), 10.0)) == 2
    with pytest.raises(InputError, match="no pose of the clip's frames"):
        read_poses_c2w(path, source(first_frame=3), 10.0)
    path.write_text(as_line(2 * QUARTER))
    with pytest.raises(InputError, match="line 1: not a rigid pose"):
        read_poses_c2w(path, source(), 10.0)


def test_matrices_that_are_not_finite_are_left_out_and_others_made_rigid(tmp_path):
    path = tmp_path / "poses_c2w.txt"
    path.write_text(f"# poses\n{as_line(1.0002 * QUARTER)}\n{' '.join(['-inf'] * 16)}\n".replace("1.0002\n", "1\n"))
    with pytest.warns(FastSnowWarning, match="1 of 2 poses hold NaN or infinity and are left out"):
        found = read_poses_c2w(path, source(), 10.0)
    rotation = found.T_world_camera[0, :3, :3]
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-12


def test_7_scenes_poses_leave_out_frames_without_tracking(tmp_path):
    for number, pose in ((0, QUARTER), (2, np.full((4, 4), np.nan)), (5, np.eye(4))):
        lines = "\n".join("\t ".join(f"{value: .7e}" for value in row) for row in pose)
        (tmp_path / f"frame-{number:06}.pose.txt").write_text(lines + "\n")
    (tmp_path / "frame-000000.color.png").write_bytes(b"")
    found = read_7_scenes(tmp_path, source(), 30.0)
    assert found.time_s.tolist() == [0.0, 5 / 30]
    assert np.array_equal(found.T_world_camera, [QUARTER, np.eye(4)])
    (tmp_path / "frame-000001.pose.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 x\n0 0 0 1\n")
    with pytest.raises(InputError, match=r"frame-000001\.pose\.txt: expected a camera-to-world matrix"):
        read_7_scenes(tmp_path, source(), 30.0)


def test_depth_is_read_frame_by_frame(tmp_path):
    for number in (3, 5):
        assert cv2.imwrite(str(tmp_path / f"{number:06}.png"), np.array([[0, 1000 * number, 65_535]], np.uint16))
    read = open_depth_images(tmp_path, source(first_frame=3, depth_scale=2000.0))
    assert read.size == (1, 3)
    assert read(2).tolist() == [[0, 2.5, 0]]
    assert read(2).dtype == np.float32
    with pytest.raises(InputError, match="no true depth of frame 1"):
        read(1)
    assert cv2.imwrite(str(tmp_path / "000005.png"), np.zeros((2, 3), np.uint16))
    with pytest.raises(InputError, match="expected 3x1 like the first"):
        read(2)


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and links of POSIX")
def test_files_of_one_frame_each_are_regular_and_inside_their_folder_and_hidden_ones_are_ignored(tmp_path):
    folder = tmp_path / "depth"
    for each in (folder, tmp_path):
        each.mkdir(exist_ok=True)
        assert cv2.imwrite(str(each / "000000.png"), np.full((2, 3), 1000, np.uint16))
    (folder / "._000000.png").write_bytes(b"\0\5")
    (folder / ".000001.png").write_bytes(b"")
    assert list(open_depth_images(folder, source()).frames) == [0]
    (folder / "000000.png").unlink()
    (folder / "000000.png").symlink_to(tmp_path / "000000.png")
    with pytest.raises(InputError, match="a link that leads out of"):
        open_depth_images(folder, source())
    (folder / "000000.png").unlink()
    os.mkfifo(folder / "000000.png")
    os.mkfifo(folder / "000000.pose.txt")
    with pytest.raises(InputError, match="is a FIFO"):
        open_depth_images(folder, source())
    with pytest.raises(InputError, match="is a FIFO"):
        read_7_scenes(folder, source(), 30.0)


def test_files_of_one_frame_each_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 0):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((2, 3), number, np.uint16))
    assert list(open_depth_images(tmp_path, source()).frames) == [0, 2, 10]


@pytest.mark.parametrize("scale", [1000.0, 5000.0, 256.3])
def test_7_scenes_depth_of_65535_is_missing(tmp_path, scale):
    assert cv2.imwrite(str(tmp_path / "frame-000000.depth.png"), np.array([[0, 65_534, 65_535]], np.uint16))
    assert open_depth_images(tmp_path, source(depth_scale=scale), ending=".depth.png")(0).tolist() == [
        [0, np.float32(65_534 / scale), 0]
    ]


def test_truth_beside_a_recording_equals_what_the_recording_holds(clips):
    folder = clips / "redkitchen_dev"
    recording = read_recording_folder(folder)
    path = read_poses_c2w(folder / "poses_c2w.txt", source(), 10.0)
    assert np.array_equal(path.T_world_camera, recording.T_world_camera)
    assert path.time_s == pytest.approx([float(time) for time in recording.time])
    read = open_depth_images(folder / "depth", source())
    assert np.array_equal(read(7), recording.read_depth(7))
