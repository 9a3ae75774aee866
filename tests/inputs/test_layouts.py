"""One scene as every layout writes it: each reader gives what its format carries."""

import json
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fast_snow.config import SamplingConfig, SourceConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import open_input
from fast_snow.inputs.layouts.known import LAYOUTS
from fast_snow.inputs.recording_writer import write_recording
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig
from tests.inputs import layout_files
from tests.inputs.recording_files import frames_of

_FRAMES = 4


@pytest.fixture(scope="module")
def scene():
    return render(SceneConfig(size=(96, 128), frames=_FRAMES))


def opened(path, **options):
    return open_input(path, SamplingConfig(target_fps=30.0), SourceConfig(**options))


def silent(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastSnowWarning)
        return opened(path, **options)


def same_cameras(recording, scene, frames=tuple(range(_FRAMES)), *, atol=1e-9):
    prior = recording.prior(frames_of(recording, *range(len(frames))))
    np.testing.assert_allclose(recording.T_world_camera, scene.T_world_camera[list(frames)], atol=atol)
    np.testing.assert_allclose(prior.intrinsics, np.stack([scene.intrinsics] * len(frames)), rtol=1e-9, atol=1e-9)


def same_images(source, scene, frames=tuple(range(_FRAMES))):
    for frame, k in zip(source.read(), frames, strict=True):
        np.testing.assert_array_equal(frame.image, scene.image[k])


def same_depth(recording, scene, frames=tuple(range(_FRAMES)), *, unit=1000):
    for index, k in enumerate(frames):
        np.testing.assert_allclose(recording.read_depth(index), np.rint(scene.depth[k] * unit) / unit, rtol=1e-6)


def test_transforms_json_carries_images_depth_poses_and_intrinsics(scene, tmp_path):
    with pytest.warns(FastSnowWarning, match="no frame rate given"):
        source = opened(layout_files.write_transforms(scene, tmp_path))
    same_images(source, scene)
    same_cameras(source.recording, scene)
    same_depth(source.recording, scene)
    assert source.recording.metric
    assert [float(time) for time in source.recording.time] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_poses_without_depth_have_no_unit_unless_the_user_tells_it(scene, tmp_path):
    layout_files.write_transforms(scene, tmp_path)
    document = json.loads((tmp_path / "transforms.json").read_text())
    for frame in document["frames"]:
        del frame["depth_file_path"]
    (tmp_path / "transforms.json").write_text(json.dumps(document | {"fps": 5.0}))
    recording = opened(tmp_path / "transforms.json").recording
    assert not recording.has_depth
    assert not recording.metric
    assert not recording.prior(frames_of(recording, 0)).metric
    assert [float(time) for time in recording.time] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert opened(tmp_path, metric=True).recording.metric


def test_a_blender_file_gives_its_angle_of_view_and_leaves_out_suffixes(scene, tmp_path):
    layout_files.write_transforms(scene, tmp_path)
    document = json.loads((tmp_path / "transforms.json").read_text())
    angle = 2 * np.arctan(128 / (2 * scene.intrinsics[0, 0]))
    frames = [
        {"file_path": each["file_path"].removesuffix(".png"), "transform_matrix": each["transform_matrix"]}
        for each in document["frames"]
    ]
    (tmp_path / "transforms.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))
    source = opened(tmp_path, fps=10.0)
    same_images(source, scene)
    K = source.recording.prior(frames_of(source.recording, 0)).intrinsics[0]
    np.testing.assert_allclose(K, [[scene.intrinsics[0, 0], 0, 63.5], [0, scene.intrinsics[0, 0], 47.5], [0, 0, 1]])


@pytest.mark.parametrize("text", [False, True])
def test_colmap_models_carry_images_poses_and_intrinsics(scene, tmp_path, text):
    source = opened(layout_files.write_colmap(scene, tmp_path, text=text), fps=10.0)
    same_images(source, scene)
    same_cameras(source.recording, scene)
    assert not source.recording.metric
    assert not source.recording.has_depth


def test_scannet_carries_all_and_leaves_out_frames_without_a_pose(scene, tmp_path):
    with pytest.warns(FastSnowWarning, match="1 of 4 frames lack"):
        source = opened(layout_files.write_scannet(scene, tmp_path))
    kept = (0, 2, 3)
    same_cameras(source.recording, scene, kept)
    same_depth(source.recording, scene, kept)
    np.testing.assert_array_equal(source.recording.read_ids(1), scene.ids[2])
    assert source.size == (192, 256)
    assert [round(float(time), 4) for time in source.recording.time] == [0, 0.0667, 0.1]


def test_scannetpp_carries_a_calibration_of_each_frame(scene, tmp_path):
    source = opened(layout_files.write_scannetpp(scene, tmp_path))
    same_images(source, scene)
    same_depth(source.recording, scene)
    np.testing.assert_allclose(source.recording.T_world_camera, scene.T_world_camera, atol=1e-9)
    prior = source.recording.prior(frames_of(source.recording, 3, 0))
    np.testing.assert_allclose(prior.intrinsics[:, 0, 0], scene.intrinsics[0, 0] * np.array([1.03, 1.0]))
    assert [float(time) for time in source.recording.time] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_replica_carries_depth_poses_and_intrinsics(scene, tmp_path):
    source = opened(layout_files.write_replica(scene, tmp_path))
    same_images(source, scene)
    same_cameras(source.recording, scene)
    same_depth(source.recording, scene, unit=6553.5)


def test_arkit_scenes_carries_depth_poses_and_intrinsics(scene, tmp_path):
    source = opened(layout_files.write_arkit_scenes(scene, tmp_path))
    same_images(source, scene)
    same_cameras(source.recording, scene)
    same_depth(source.recording, scene)
    assert [float(time) for time in source.recording.time] == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("episode", [0, 1])
def test_lerobot_gives_the_frames_of_one_episode(scene, tmp_path, episode):
    pytest.importorskip("pyarrow")
    source = opened(layout_files.write_lerobot(scene, tmp_path), episode=episode)
    expected = scene.image if episode else scene.image[::-1]
    frames = list(source.read())
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert source.expected_frames >= len(frames) == _FRAMES
    for frame, image in zip(frames, expected, strict=True):  # within what the codec loses; other frames differ by 20
        assert np.abs(frame.image.astype(float) - image).mean() < 4
    with pytest.raises(InputError, match="no episode 2; expected 0 to 1"):
        opened(tmp_path, episode=2)


@pytest.mark.parametrize("kind", ["bag", "sqlite3", "mcap"])
@pytest.mark.parametrize("poses", ["tf", "odometry", "pose"])
def test_ros_recordings_carry_images_depth_poses_and_intrinsics(scene, tmp_path, kind, poses):
    pytest.importorskip("rosbags.image")
    path = tmp_path / ("drive.bag" if kind == "bag" else "drive")
    source = opened(layout_files.write_bag(scene, path, kind, poses=poses, padding=5 if poses == "pose" else 0))
    same_images(source, scene)
    same_cameras(source.recording, scene, atol=1e-7)
    same_depth(source.recording, scene)
    assert [float(time) for time in source.recording.time] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert np.array_equal(source.recording.read_color(0), scene.image[0])  # again, from the beginning


def test_a_single_mcap_file_is_a_recording(scene, tmp_path):
    pytest.importorskip("rosbags.image")
    folder = layout_files.write_bag(scene, tmp_path / "drive", "mcap", poses="none")
    (file,) = folder.glob("*.mcap")
    source = opened(file)
    same_images(source, scene)
    assert not source.recording.has_poses
    assert source.recording.has_depth


def test_topics_can_be_chosen_and_are_named_where_they_are_not_there(scene, tmp_path):
    pytest.importorskip("rosbags.image")
    path = layout_files.write_bag(scene, tmp_path / "drive.bag", "bag")
    assert not opened(path, depth="none", poses="none").recording.has_poses
    with pytest.raises(InputError, match="no depth images in /x; expected one of: /cam/aligned_depth/image_raw"):
        opened(path, depth="/x")
    with pytest.raises(InputError, match="no moving pose of camera_optical in moon"):
        opened(path, frame="moon")


def test_depth_of_another_coordinate_frame_is_not_used(scene, tmp_path, monkeypatch):
    pytest.importorskip("rosbags.image")
    header = layout_files._Bag.header

    def of_its_own_camera(bag, stamp_ns, frame):
        shifted = frame == "camera_optical" and stamp_ns % 10**8 == 2_000_000  # of depth alone
        return header(bag, stamp_ns, "depth_optical" if shifted else frame)

    monkeypatch.setattr(layout_files._Bag, "header", of_its_own_camera)
    path = layout_files.write_bag(scene, tmp_path / "drive.bag", "bag")
    with pytest.warns(FastSnowWarning, match="not registered to the colour images"):
        source = opened(path)
    assert not source.recording.has_depth
    assert source.recording.has_poses


@pytest.mark.parametrize("write", ["write_scannet", "write_transforms", "write_lerobot", "write_scannetpp"])
def test_any_input_becomes_a_recording_folder_without_loss(scene, tmp_path, write):
    given = silent(getattr(layout_files, write)(scene, tmp_path / "given"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastSnowWarning)  # intrinsics of each frame
        count = write_recording(given, tmp_path / "folder")
    read = silent(tmp_path / "folder")
    assert count == len(read.recording)
    for one, other in zip(given.read(), read.read(), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    assert other.time_s == pytest.approx(one.time_s)  # of the last: those between may be uneven
    if given.recording is None:
        return
    assert (read.recording.has_depth, read.recording.has_poses, read.recording.has_masks) == (
        given.recording.has_depth,
        given.recording.has_poses,
        given.recording.has_masks,
    )
    np.testing.assert_array_equal(read.recording.T_world_camera, given.recording.T_world_camera)
    np.testing.assert_array_equal(read.recording.read_depth(1), given.recording.read_depth(1))
    if given.recording.has_masks:
        np.testing.assert_array_equal(read.recording.read_ids(1), given.recording.read_ids(1))


def test_a_converted_model_stays_without_a_unit(scene, tmp_path):
    write_recording(opened(layout_files.write_colmap(scene, tmp_path / "given"), fps=10.0), tmp_path / "folder")
    assert not silent(tmp_path / "folder").recording.metric


@pytest.mark.parametrize("model", ["OPENCV", "OPENCV_FISHEYE", "SIMPLE_RADIAL"])
def test_distortion_is_taken_out(scene, tmp_path, model):
    """A straight line in space, bent by the lens, is straight again."""
    coefficients = {"OPENCV": (-0.2, 0.05, 0.001, -0.002), "OPENCV_FISHEYE": (0.05, 0.01, 0.0, 0.0)}.get(model, (-0.2,))
    bent = _bent_grid(scene, model, coefficients)
    layout_files.write_colmap(bent, tmp_path, model=model, extra=coefficients)
    with pytest.warns(FastSnowWarning, match="images are undistorted by OpenCV's"):
        source = opened(tmp_path, fps=10.0)
    straight = next(iter(source.read())).image[:, :, 0]
    seen = (straight > 0) & (_grid(scene.image.shape[1:3]) > 0)

    def agreement(image):
        return np.mean(np.abs(image.astype(float) - _grid(scene.image.shape[1:3]))[seen] < 60)

    # The bars are bent to whole pixels, so edges are off by one here and there.
    assert agreement(straight) > 0.9
    assert agreement(bent.image[0, :, :, 0]) < 0.89


def _grid(size):
    """Vertical bars, one grey and one white, 8 pixels wide."""
    return np.where((np.arange(size[1]) // 8) % 2, 255, 60)[None].repeat(size[0], 0)


def _bent_grid(scene, model, coefficients):
    """Return the scene with what a lens makes of the bars, by projecting where each of its pixels looks."""
    height, width = scene.image.shape[1:3]
    v, u = np.mgrid[:height, :width].astype(np.float64)
    pixels = np.stack([u, v], -1).reshape(-1, 1, 2)
    K = scene.intrinsics.copy()
    if model == "SIMPLE_RADIAL":
        K[1, 1] = K[0, 0]
        coefficients = (*coefficients, 0.0, 0.0, 0.0)
    undo = cv2.fisheye.undistortPoints if "FISHEYE" in model else cv2.undistortPoints
    looked_at = undo(pixels, K, np.array(coefficients), P=K).reshape(height, width, 2)
    column = np.rint(looked_at[..., 0]).clip(0, width - 1).astype(int)
    image = _grid((height, width))[0][column].astype(np.uint8)[..., None].repeat(3, -1)
    return replace(scene, image=np.stack([image] * len(scene)))


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _text(name, text):
    return lambda folder: (folder / name).write_text(text)


DAMAGE = [
    ("write_transforms", _text("transforms.json", "{}"), "transforms.json: .*frames"),
    ("write_transforms", _text("transforms.json", "[1"), "expected JSON"),
    ("write_transforms", lambda folder: (folder / "images" / "frame_2.png").unlink(), "frame_2.png: cannot be read"),
    ("write_colmap", _text("sparse/0/cameras.bin", "x"), "no COLMAP model that can be read"),
    ("write_colmap", lambda folder: (folder / "images" / "view2.png").unlink(), "view2.png: cannot be read"),
    ("write_scannet", _text("intrinsic/intrinsic_depth.txt", "1 2 3"), "3 numbers; expected 16"),
    ("write_scannet", _text("pose/0.txt", "a b"), "pose/0.txt"),
    ("write_scannetpp", _text("iphone/pose_intrinsic_imu.json", "[]"), "expected an object of frames"),
    ("write_replica", _text("room0/traj.txt", "1 2\n"), "1 poses for 4 images"),
    ("write_replica", lambda folder: (folder / "cam_params.json").unlink(), "no cam_params.json"),
    ("write_arkit_scenes", _text("lowres_wide.traj", "0 0\n"), "line 1: 1 numbers; expected 6"),
    ("write_lerobot", _text("meta/info.json", '{"codebase_version": "v9.0"}'), "has no 'features'"),
    ("write_lerobot", lambda folder: _cut(next(folder.glob("meta/episodes/*/*"))), "no table of episodes"),
]


@pytest.mark.parametrize(("write", "damage", "message"), DAMAGE)
def test_damage_is_refused_in_one_line(scene, tmp_path, write, damage, message):
    path = getattr(layout_files, write)(scene, tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        list(silent(path, fps=10.0).read())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["bag", "mcap"])
def test_a_damaged_bag_is_refused_in_one_line(scene, tmp_path, kind):
    pytest.importorskip("rosbags.image")
    path = layout_files.write_bag(scene, tmp_path / "drive.bag", kind)
    file = path if path.is_file() else next(path.glob("*.mcap"))
    _cut(file)
    with pytest.raises(InputError, match="cannot be read as a ROS bag or MCAP file") as error:
        list(silent(path).read())
    assert "\n" not in str(error.value)


def test_paths_that_lead_out_of_the_folder_are_refused(scene, tmp_path):
    layout_files.write_transforms(scene, tmp_path / "capture")
    document = json.loads((tmp_path / "capture" / "transforms.json").read_text())
    document["frames"][0]["file_path"] = "../secret.png"
    (tmp_path / "capture" / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="lies outside the folder"):
        silent(tmp_path / "capture")


def test_every_layout_has_a_name_of_its_own():
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)
