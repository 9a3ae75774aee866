"""What recorders and other tools really write, and what strangers might: names, kinds of files, gaps and damage."""

import json
import os
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import open_input
from fast_snow.inputs.recording import IGNORE
from fast_snow.inputs.recording_folder import read_image_folder, read_recording_folder
from tests.inputs.recording_files import frames_of, save

COUNT = 12
SIZE = (12, 16)
META = {"fps": 10.0, "depth_scale": 1000.0, "intrinsics": {"fx": 15.0, "fy": 15.0, "cx": 7.5, "cy": 5.5}}


def pose_line(k):
    pose = np.eye(4)
    pose[0, 3] = k
    return " ".join(map(repr, pose.reshape(-1).tolist()))


@pytest.fixture
def folder(tmp_path):
    """A recording named without leading zeros; frame k is k + 1 metres away, stands at k and shows object k + 1."""
    root = tmp_path / "scan"
    for k in range(COUNT):
        save(root / "color" / f"{k}.png", np.full((*SIZE, 3), 10 * k, np.uint8))
        save(root / "depth" / f"{k}.png", np.full(SIZE, 1000 * (k + 1), np.uint16))
        save(root / "masks" / f"{k}.png", np.full(SIZE, k + 1, np.uint8))
    (root / "poses_c2w.txt").write_text("\n".join(map(pose_line, range(COUNT))))
    (root / "meta.json").write_text(json.dumps(META))
    return root


def assert_frames(recording, expected):
    """Colour, depth, pose, number and time of every frame belong together."""
    index = range(len(recording))
    assert [int(recording.read_color(k)[0, 0, 0]) // 10 for k in index] == expected
    prior = recording.prior(frames_of(recording, *index))
    assert prior.depth[:, 0, 0].tolist() == [k + 1 for k in expected]
    assert (-prior.T_camera_world[:, 0, 3]).tolist() == expected
    assert recording.id_maps(frames_of(recording, *index))[:, 0, 0].tolist() == [k + 1 for k in expected]
    assert [float(time) for time in recording.time] == pytest.approx([(k - expected[0]) / 10 for k in expected])


def test_names_without_leading_zeros_are_in_natural_order(folder):
    assert_frames(read_recording_folder(folder), list(range(COUNT)))


def test_hidden_files_are_no_images(folder):
    for kind in ("color", "depth", "masks"):
        (folder / kind / "._0.png").write_bytes(b"\0\5")
    assert_frames(read_recording_folder(folder), list(range(COUNT)))


@pytest.mark.parametrize("missing", ["depth/3.png", "masks/3.png"])
def test_a_frame_that_lacks_what_others_have_is_left_out(folder, missing):
    (folder / missing).unlink()
    with pytest.warns(FastSnowWarning, match=r"1 of 12 frames lack .* left out \(first: 3.png\)"):
        recording = read_recording_folder(folder)
    assert_frames(recording, [k for k in range(COUNT) if k != 3])


@pytest.mark.parametrize("word", ["-inf", "nan"])
def test_a_frame_without_a_finite_pose_is_left_out(folder, word):
    lines = [pose_line(k) for k in range(COUNT)]
    lines[0] = " ".join([word] * 16)
    (folder / "poses_c2w.txt").write_text("\n".join(lines))
    with pytest.warns(FastSnowWarning, match="1 of 12 frames"):
        recording = read_recording_folder(folder)
    assert_frames(recording, list(range(1, COUNT)))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_poses_may_have_a_byte_order_mark_and_comments(folder, encoding):
    (folder / "poses_c2w.txt").write_text("# camera to world\n\n" + "\n".join(map(pose_line, range(COUNT))), encoding)
    assert_frames(read_recording_folder(folder), list(range(COUNT)))


def test_no_frame_with_all_of_it_is_refused(folder):
    (folder / "poses_c2w.txt").write_text("\n".join([" ".join(["inf"] * 16)] * COUNT))
    with pytest.raises(InputError, match="no frame has all of depth image, mask and finite pose"):
        read_recording_folder(folder)


def test_two_images_of_one_frame_are_refused(folder):
    save(folder / "color" / "2.jpg", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(InputError, match=r"2.jpg and 2.png: two images of one frame"):
        read_recording_folder(folder)


# ------------------------------------------------------------------------------------------------ depth


@pytest.mark.parametrize("suffix", [".npy", ".tiff", ".exr"])
def test_depth_in_metres_needs_no_scale(folder, suffix):
    for k in range(COUNT):
        (folder / "depth" / f"{k}.png").unlink()
        depth = np.full(SIZE, k + 1, np.float32)
        depth[1, :3] = np.nan, np.inf, -1
        path = folder / "depth" / f"{k}{suffix}"
        if suffix == ".exr":
            openexr = pytest.importorskip("OpenEXR")
            openexr.File({"type": openexr.scanlineimage}, {"Z": depth}).write(str(path))
        else:
            np.save(path, depth) if suffix == ".npy" else save(path, depth)
    (folder / "meta.json").write_text(json.dumps({key: META[key] for key in ("fps", "intrinsics")}))
    recording = read_recording_folder(folder)
    assert_frames(recording, list(range(COUNT)))
    assert recording.read_depth(0)[1, :4].tolist() == [0, 0, 0, 1]


def test_the_largest_value_is_no_measurement(folder):
    save(folder / "depth" / "0.png", np.array([[65535, 65534] * 8] * SIZE[0], np.uint16))
    assert np.unique(read_recording_folder(folder).read_depth(0)).tolist() == [0, np.float32(65.534)]


@pytest.mark.parametrize(("scale", "median"), [(0.001, r"1e\+06 m"), (1e7, "0.0001 m")])
def test_an_inverted_unit_of_depth_is_refused(folder, scale, median):
    (folder / "meta.json").write_text(json.dumps(META | {"depth_scale": scale}))
    with pytest.raises(InputError, match=rf"depths of {median} \(median\) with depth_scale .*1000 where a unit is"):
        read_recording_folder(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no array"),
        (b"\x93NUMPY\x01\x00\x05\x00{'a'}", "no array"),
        (b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 117 + b"\n", "no array"),
    ],
)
def test_arrays_that_are_none_are_refused(folder, content, message):
    (folder / "depth" / "0.png").unlink()
    (folder / "depth" / "0.npy").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_recording_folder(folder)


@pytest.mark.parametrize(
    "array", [np.array([[None]]), np.zeros((2, 2, 2)), np.zeros((2, 2), complex), np.zeros((0, 2))]
)
def test_arrays_of_something_else_are_refused(folder, array):
    (folder / "depth" / "0.png").unlink()
    np.save(folder / "depth" / "0.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match="expected a table of numbers"):
        read_recording_folder(folder)


# ------------------------------------------------------------------------------------------------ masks


def rewrite_masks(folder, change):
    for k in range(COUNT):
        path = folder / "masks" / f"{k}.png"
        change(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), path)


def test_indices_of_a_palette_are_numbers(folder):
    def palette(ids, path):
        image = Image.fromarray(ids)
        image.putpalette([each for k in range(256) for each in (k, 255 - k, 7)])
        image.save(path)

    rewrite_masks(folder, palette)
    with Image.open(folder / "masks" / "0.png") as image:
        assert image.mode == "P"
    assert_frames(read_recording_folder(folder), list(range(COUNT)))


def test_one_bit_is_one_object(folder):
    rewrite_masks(folder, lambda ids, path: Image.fromarray(ids > 3).save(path))
    recording = read_recording_folder(folder)
    found = recording.id_maps(frames_of(recording, *range(COUNT)))[:, 0, 0].tolist()
    assert found == [0, 0, 0, *[1] * (COUNT - 3)]


def test_pictures_of_masks_are_refused(folder):
    rewrite_masks(folder, lambda ids, path: Image.fromarray(np.where(ids > 3, 255, 0).astype(np.uint8)).save(path))
    with pytest.raises(InputError, match=r"masks: no value but 0 and 255, .*write 1 in place of 255"):
        read_recording_folder(folder)


def test_frames_to_ignore_before_the_first_object_are_no_pictures(folder):
    save(folder / "masks" / "0.png", np.full(SIZE, 255, np.uint8))
    assert (read_recording_folder(folder).read_ids(0) == IGNORE).all()


# ------------------------------------------------------------------------------------------------ colour


def turned(path):
    """A JPEG of 8 x 12 pixels, dark above and bright below, whose note tells to turn it by a quarter."""
    pixels = np.zeros((12, 8, 3), np.uint8)
    pixels[6:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path, exif=exif)


def test_images_alone_are_turned_upright(tmp_path):
    turned(tmp_path / "1.jpg")
    (tmp_path / "meta.json").write_text('{"fps": 10}')
    image = read_image_folder(tmp_path).read_color(0)
    assert image.shape == (8, 12, 3)
    assert image[:, 2].mean() > 200
    assert image[:, -3].mean() < 50


def test_images_with_a_camera_stay_as_they_are_stored(tmp_path):
    turned(tmp_path / "1.jpg")
    (tmp_path / "meta.json").write_text(json.dumps({"fps": 10, "intrinsics": {"fx": 9, "fy": 9, "cx": 4, "cy": 6}}))
    assert read_image_folder(tmp_path).read_color(0).shape == (12, 8, 3)


def test_webp_is_read(folder):
    for k in range(COUNT):
        path = folder / "color" / f"{k}.png"
        save(path.with_suffix(".webp"), cv2.imread(str(path)))
        path.unlink()
    assert_frames(read_recording_folder(folder), list(range(COUNT)))


def test_a_folder_of_frames_is_an_input(tmp_path):
    for k in range(COUNT):
        save(tmp_path / "clip" / f"{k + 1:05d}.jpg", np.full((*SIZE, 3), 10 * k, np.uint8))
    with pytest.warns(FastSnowWarning, match="assuming 10 frames per second"):
        source = open_input(tmp_path / "clip", SamplingConfig())
    frames = list(source.read())
    assert [round(int(each.image[0, 0, 0]) / 10) for each in frames] == list(range(COUNT))
    assert frames[-1].time_s == pytest.approx((COUNT - 1) / 10)
    assert source.name == "clip"


@pytest.mark.parametrize("names", [(), ("notes.txt", "scan.mkv")])
def test_a_folder_of_something_else_is_refused_with_what_it_holds(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"holds {', '.join(names) or 'nothing'}; expected color/"):
        open_input(tmp_path, SamplingConfig())


# ------------------------------------------------------------------------------------------------ strangers


@pytest.mark.parametrize("name", ["color/4.png", "depth/4.png", "masks/4.png", "poses_c2w.txt", "meta.json"])
def test_nothing_outside_the_folder_is_read_and_nothing_waited_for(folder, tmp_path, name):
    outside = tmp_path / f"outside{(folder / name).suffix}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    with pytest.raises(InputError, match="a link that leads out of"):
        read_all(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(InputError, match="is a FIFO, expected a regular file"):
        read_all(folder)


def read_all(folder):
    recording = read_recording_folder(folder)
    frames = frames_of(recording, *range(len(recording)))
    recording.prior(frames)
    recording.id_maps(frames)
    return [recording.read_color(k) for k in range(len(recording))]


def test_an_image_that_grows_when_it_is_decoded_is_refused_by_its_header(folder):
    ok, data = cv2.imencode(".png", np.zeros((8, 8), np.uint16))
    assert ok
    content = bytearray(data.tobytes())
    content[16:24] = (40_000).to_bytes(4, "big") * 2  # of the header, whose check sum follows
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (folder / "depth" / "0.png").write_bytes(content)
    with pytest.raises(InputError, match="expected at most 50000000 in all"):
        read_recording_folder(folder)


@pytest.mark.parametrize("name", ["color/0.png", "depth/0.png", "masks/0.png", "meta.json", "poses_c2w.txt"])
def test_damage_of_any_byte_is_the_users_error_or_none(folder, name):
    sound, messages = (folder / name).read_bytes(), []
    draw = np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(sound)
        for place in draw.integers(0, len(content), 3):
            content[place] = draw.integers(256)
        (folder / name).write_bytes(content[: draw.integers(1, len(content) + 1)] if draw.random() < 0.3 else content)
        try:
            read_recording_folder(folder)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)
