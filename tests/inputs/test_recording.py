"""Recording folders, written here file by file, and recordings in memory."""

import json
import shutil
from fractions import Fraction

import cv2
import numpy as np
import pytest

from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import InputKind, open_input
from fast_snow.inputs.recording import IGNORE, recording_from_arrays
from fast_snow.inputs.recording_folder import read_recording_folder
from tests.inputs.recording_files import frames_of, save

CAMERA = {"fx": 30.0, "fy": 31.0, "cx": 15.5, "cy": 11.5}
META = {"fps": 10.0, "depth_scale": 1000.0, "intrinsics": CAMERA}
COUNT = 3
SIZE = (24, 32)


def pose(index):
    matrix = np.eye(4)
    matrix[:3, :3] = cv2.Rodrigues(np.array([0.1, 0.2, 0.3]) * index)[0]
    matrix[:3, 3] = index, 2 * index, 3 * index
    return matrix


def pose_line(matrix):
    return " ".join(map(repr, matrix.reshape(-1).tolist()))


@pytest.fixture
def folder(tmp_path):
    """A recording with everything; frame k is grey 10k, k + 1 metres away, and shows object k + 1."""
    root = tmp_path / "walk"
    for k in range(COUNT):
        save(root / "color" / f"{k:06d}.png", np.full((*SIZE, 3), (k, 10 * k, 20 * k), np.uint8))
        save(root / "depth" / f"{k:06d}.png", np.full(SIZE, 1000 * (k + 1), np.uint16))
        ids = np.zeros(SIZE, np.uint8)
        ids[:4, :4], ids[8:12, 8:12] = k + 1, 255
        save(root / "masks" / f"{k:06d}.png", ids)
    (root / "poses_c2w.txt").write_text("\n".join(pose_line(pose(k)) for k in range(COUNT)) + "\n")
    (root / "meta.json").write_text(json.dumps(META))
    return root


def test_everything_is_read(folder):
    recording = read_recording_folder(folder)
    assert len(recording) == COUNT
    assert recording.has_depth
    assert recording.has_poses
    assert recording.has_masks
    assert recording.time == (Fraction(0), Fraction(1, 10), Fraction(2, 10))
    frames = frames_of(recording, 2, 0)
    prior = recording.prior(frames)
    assert prior.depth[:, 0, 0].tolist() == [3.0, 1.0]
    assert np.allclose(prior.T_camera_world[0] @ pose(2), np.eye(4), atol=1e-12)
    assert prior.intrinsics[1].tolist() == [[30, 0, 15.5], [0, 31, 11.5], [0, 0, 1]]
    ids = recording.id_maps(frames)
    assert ids[:, 0, 0].tolist() == [3, 1]
    assert ids[0, 9, 9] == IGNORE
    assert ids[0, 20, 20] == 0


def test_input_of_a_recording(folder):
    source = open_input(folder, SamplingConfig(target_fps=5.0, max_side=16))
    assert (source.name, source.kind, source.size) == ("walk", InputKind.RECORDING, (12, 16))
    assert source.source_fps == 10.0
    assert source.expected_frames == 2
    frames = list(source.read())
    assert [frame.source_frame for frame in frames] == [0, 2]
    assert [frame.time_s for frame in frames] == [0, 0.2]
    assert frames[1].image[0, 0].tolist() == [40, 20, 2]


@pytest.mark.parametrize("dropped", ["depth", "masks", "poses_c2w.txt"])
def test_any_part_may_be_missing(folder, dropped):
    path = folder / dropped
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    recording = read_recording_folder(folder)
    held = {"depth": recording.has_depth, "masks": recording.has_masks, "poses_c2w.txt": recording.has_poses}
    assert held == {"depth": True, "masks": True, "poses_c2w.txt": True} | {dropped: False}
    if dropped == "masks":
        with pytest.raises(InputError, match="no masks here"):
            recording.id_maps(frames_of(recording, 0))


def test_colour_alone_needs_no_more_than_a_rate(folder):
    for name in ("depth", "masks"):
        shutil.rmtree(folder / name)
    (folder / "poses_c2w.txt").unlink()
    (folder / "meta.json").write_text('{"fps": 25}')
    prior = read_recording_folder(folder).prior(frames_of(read_recording_folder(folder), 0))
    assert (prior.depth, prior.T_camera_world, prior.intrinsics) == (None, None, None)


def test_intrinsics_without_depth_follow_the_images(folder):
    shutil.rmtree(folder / "depth")
    recording = read_recording_folder(folder)
    prior = recording.prior(frames_of(recording, 0, size=(12, 16)))
    # A point seen at the centre of the pixel block 0…1 is seen at the centre of pixel 0.
    assert prior.intrinsics[0].tolist() == [[15, 0, 7.5], [0, 15.5, 5.5], [0, 0, 1]]


def test_id_maps_of_16_bits_hold_large_ids(folder):
    for k in range(COUNT):
        save(folder / "masks" / f"{k:06d}.png", np.full(SIZE, (255, 300, 65535)[k], np.uint16))
    recording = read_recording_folder(folder)
    assert recording.id_maps(frames_of(recording, 0, 1, 2))[:, 0, 0].tolist() == [255, 300, 65535]


def test_a_rate_of_null_is_one_frame_per_second(folder):
    (folder / "meta.json").write_text(json.dumps(META | {"fps": None}))
    with pytest.warns(FastSnowWarning, match="fps is null"):
        assert read_recording_folder(folder).time == (0, 1, 2)


def rewrite_meta(**changes):
    def change(folder):
        (folder / "meta.json").write_text(json.dumps(META | changes))

    return change


def rewrite_camera(**changes):
    return rewrite_meta(intrinsics=CAMERA | changes)


def without(key):
    def change(folder):
        (folder / "meta.json").write_text(json.dumps({name: value for name, value in META.items() if name != key}))

    return change


def meta_text(text):
    return lambda folder: (folder / "meta.json").write_text(text)


def remove(name):
    return lambda folder: (folder / name).unlink()


def replace(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def image(name, pixels):
    return lambda folder: save(folder / name, pixels)


def bad_pose(change):
    def rewrite(folder):
        matrices = [pose(k) for k in range(COUNT)]
        change(matrices[1])
        (folder / "poses_c2w.txt").write_text("\n".join(map(pose_line, matrices)))

    return rewrite


def nan(matrix):
    matrix[0, 3] = np.nan


def scale(matrix):
    matrix[:3, :3] *= 1.01


def mirror(matrix):
    matrix[:3, 0] *= -1


def tilt(matrix):
    matrix[3, 0] = 0.5


def all_depth(size):
    def change(folder):
        for k in range(COUNT):
            save(folder / "depth" / f"{k:06d}.png", np.ones(size, np.uint16))

    return change


def empty_color(folder):
    shutil.rmtree(folder / "color")
    (folder / "color").mkdir()


def renamed_depth(folder):
    (folder / "depth" / "000001.png").rename(folder / "depth" / "000009.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("meta.json"), r"meta.json: no such file"),
        (meta_text("{"), r"meta.json: line 1, column 2: .*expected JSON"),
        (meta_text("[" * 100_000), r"meta.json: nested too deeply"),
        (replace("meta.json", b"\xff\xfe\x00"), r"meta.json: byte 2 is not UTF-8"),
        (meta_text("[]"), r"meta.json: a JSON list; expected an object"),
        (without("fps"), r'no key "fps"'),
        (without("depth_scale"), r'no key "depth_scale"'),
        (without("intrinsics"), r'no key "intrinsics"'),
        (rewrite_meta(intrinsics={"fx": 1, "fy": 1, "cx": 1}), r'no key "cy" in "intrinsics"'),
        (rewrite_meta(intrinsics=[30, 31, 15, 11]), r'"intrinsics" is no object'),
        (rewrite_meta(intrinsics=None), "depth needs both"),
        (rewrite_meta(fps="10"), r'"fps" is "10"; expected a number'),
        (rewrite_meta(fps=True), r'"fps" is true; expected a number'),
        (rewrite_meta(fps=0), r'"fps" is 0; expected a number above 0'),
        (rewrite_meta(fps=10**400), "holds the integer 10000.*expected at most 64 bits"),
        (rewrite_meta(depth_scale=-5), r'"depth_scale" is -5; expected a number above 0'),
        (rewrite_camera(fx=0), "fx 0, .* positive focal lengths"),
        (rewrite_camera(fy=-31.0), "fy -31, .* positive focal lengths"),
        (rewrite_camera(cx=float("nan")), "holds NaN, expected finite numbers"),
        (rewrite_camera(cx=320.0), "principal point outside the 32x24 images"),
        (remove("color/000001.png"), "000001.png: no colour image of that name"),
        (renamed_depth, "no colour image of that name"),
        (empty_color, r"color: no images"),
        (replace("poses_c2w.txt", pose_line(np.eye(4)).encode()), "1 poses for 3 colour images"),
        (replace("poses_c2w.txt", b"1 2 3\n" * 3), "line 1: 3 numbers; expected 16"),
        (replace("poses_c2w.txt", b"1 2 x\n" * 3), "line 1: could not convert"),
        (bad_pose(scale), "line 2: not a rigid pose"),
        (bad_pose(mirror), "line 2: not a rigid pose"),
        (bad_pose(tilt), "line 2: not a rigid pose"),
        (all_depth((24, 24)), "depth of 24x24 and colour images of 32x24"),
        (replace("color/000000.png", b"no image"), "cannot be read as an image"),
        (replace("depth/000000.png", b""), "cannot be read as an image"),
        (image("depth/000000.png", np.ones(SIZE, np.uint8)), "one channel of uint8; expected 16 bits"),
        (image("masks/000000.png", np.ones((*SIZE, 3), np.uint8)), "3 channels .RGB.; expected one"),
    ],
)
def test_damage_is_refused_in_one_line_when_opened(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        read_recording_folder(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replace("color/000002.png", b"no image"), r"000002.png: cannot be read"),
        (remove("color/000002.png"), r"000002.png: cannot be read .No such file"),
        (image("color/000002.png", np.zeros((8, 8, 3), np.uint8)), r"000002.png: 8x8 pixels; expected 32x24"),
        (image("depth/000002.png", np.zeros((8, 8), np.uint16)), r"000002.png: 8x8 pixels; expected 32x24"),
    ],
)
def test_damage_of_a_later_image_is_refused_when_it_is_read(folder, damage, message):
    source = open_input(folder, SamplingConfig())
    damage(folder)

    def read_all():
        source.recording.prior(frames_of(source.recording, *range(COUNT)))
        return list(source.read())

    with pytest.raises(InputError, match=message):
        read_all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((0, 4, 4, 3), np.uint8)}, "no frame"),
        ({"fps": 0.0}, "0 frames per second"),
        ({"fps": float("nan")}, "nan frames per second"),
        ({"T_world_camera": np.eye(4)[None]}, "1 T_world_camera for 2 images"),
        ({"T_world_camera": np.zeros((2, 4, 4))}, r"T_world_camera\[0\]: not a rigid pose"),
        ({"depth": np.ones((2, 4, 4), np.float32)}, "depth without intrinsics"),
        ({"intrinsics": np.zeros((3, 3))}, "positive focal lengths"),
    ],
)
def test_arrays_are_checked_like_files(given, message):
    arguments = {"image": np.zeros((2, 4, 4, 3), np.uint8), "fps": 10.0} | given
    with pytest.raises(InputError, match=message):
        recording_from_arrays(arguments.pop("image"), arguments.pop("fps"), **arguments)


@pytest.mark.parametrize(("name", "count", "scale"), [("redkitchen_dev", 40, 1000.0), ("icl_livingroom5", 5, 5000.0)])
def test_real_recordings(clips, name, count, scale):
    root = clips / name
    if name == "icl_livingroom5":
        with pytest.warns(FastSnowWarning, match="fps is null"):
            recording = read_recording_folder(root)
    else:
        recording = read_recording_folder(root)
    assert len(recording) == count
    prior = recording.prior(frames_of(recording, count - 1))
    stored = cv2.imread(str(root / "depth" / f"{count - 1:06d}.png"), cv2.IMREAD_UNCHANGED)
    assert np.allclose(prior.depth[0], stored / scale, rtol=1e-6)
    assert np.allclose(np.linalg.inv(prior.T_camera_world[0]), recording.T_world_camera[-1])
