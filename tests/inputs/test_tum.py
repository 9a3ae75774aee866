"""TUM RGB-D folders, written here file by file."""

import dataclasses
import itertools
import json
import os
import warnings
from fractions import Fraction

import numpy as np
import pytest

from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import open_input, text_tables
from fast_snow.inputs.time_stamps import UNITS, unit_of
from fast_snow.inputs.tum import read_tum_folder
from fast_snow.limits import TABLE_LINES
from tests.inputs.recording_files import frames_of, save
from tests.mutations import damaged


@pytest.fixture
def tum(tmp_path):
    """A TUM folder: three colour images, depth 5 ms later, poses at 100 Hz; the last image has no depth."""
    root = tmp_path / "freiburg"
    stamps = [Fraction("1305031102.175304") + Fraction(k, 30) for k in range(3)]
    rgb, depth = ["# color images", "# timestamp filename"], ["# depth maps"]
    for k, stamp in enumerate(stamps):
        save(root / "rgb" / f"{k}.png", np.full((480, 640, 3), 10 * k, np.uint8))
        rgb.append(f"{float(stamp):.6f} rgb/{k}.png")
        if k < 2:
            save(root / "depth" / f"{k}.png", np.full((480, 640), 5000 * (k + 1), np.uint16))
            depth.append(f"{float(stamp) + 0.005:.6f} depth/{k}.png")
    poses = ["# timestamp tx ty tz qx qy qz qw"]
    for k in range(12):
        half = k / 20
        numbers = (k / 10, 0, 0, 0, 0, np.sin(half), np.cos(half))
        poses.append(f"{float(stamps[0]) + k / 100 + 0.002:.6f} " + " ".join(f"{number:.4f}" for number in numbers))
    (root / "rgb.txt").write_text("\n".join(rgb) + "\n")
    (root / "depth.txt").write_text("\n".join(depth) + "\n")
    (root / "groundtruth.txt").write_text("\n".join(poses) + "\n")
    return root


def test_tum_takes_the_nearest_within_20_ms(tum):
    with pytest.warns(FastSnowWarning, match="1 of 3 colour images have no depth or no pose within 20 ms"):
        recording = read_tum_folder(tum)
    assert len(recording) == 2
    assert [float(time) for time in recording.time] == pytest.approx([0, 1 / 30], abs=1e-6)
    prior = recording.prior(frames_of(recording, 0, 1))
    assert prior.depth[:, 0, 0].tolist() == [1.0, 2.0]
    assert prior.intrinsics[0].tolist() == [[525, 0, 319.5], [0, 525, 239.5], [0, 0, 1]]
    # 33.3 ms after the first image the nearest pose is the fourth, at 32 ms.
    assert recording.T_world_camera[:, 0, 3].tolist() == [0.0, 0.3]
    yaw = np.arctan2(recording.T_world_camera[1, 1, 0], recording.T_world_camera[1, 0, 0])
    assert yaw == pytest.approx(0.3, abs=1e-3)


def test_tum_without_depth_keeps_all_images_and_takes_calibration(tum):
    (tum / "depth.txt").unlink()
    (tum / "meta.json").write_text(json.dumps({"intrinsics": {"fx": 500, "fy": 501, "cx": 320, "cy": 240}}))
    source = open_input(tum, SamplingConfig(target_fps=100.0))
    assert not source.recording.has_depth
    assert source.expected_frames == 3
    assert source.recording.intrinsics[0, 0] == 500


def test_tum_masks_are_named_like_the_colour_images(tum):
    (tum / "depth.txt").unlink()
    for k in range(3):
        save(tum / "masks" / f"{k}.png", np.full((480, 640), k + 1, np.uint8))
    recording = read_tum_folder(tum)
    assert recording.id_maps(frames_of(recording, 0, 1, 2))[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rgb.txt", "# nothing\n", r"rgb.txt: no lines"),
        ("rgb.txt", "soon rgb/0.png\n", "line 1: time stamp 'soon'; expected seconds"),
        ("rgb.txt", "1e100000000 rgb/0.png\n", "line 1: time stamp '1e100000000'; expected seconds"),
        ("rgb.txt", "1/3 rgb/0.png\n", "line 1: time stamp '1/3'; expected seconds"),
        ("rgb.txt", "nan rgb/0.png\n", "line 1: time stamp 'nan'; expected seconds"),
        ("rgb.txt", f"{'9' * 9999} rgb/0.png\n", "line 1: time stamp '9+'; expected seconds"),
        ("rgb.txt", "1.0\n", "line 1: 0 words after the time stamp; expected 1"),
        ("rgb.txt", "1305031102.175304 ../0.png\n", "lies outside the folder"),
        ("rgb.txt", "1305031102.175304 rgb/7.png\n", r"7.png: no such file"),
        ("rgb.txt", "1305031102.175304 rgb/\0.png\n", "lies outside the folder"),
        ("rgb.txt", f"1305031102.175304 {'x' * 300}.png\n", "no such file"),
        ("depth.txt", "1305031102.175304 depth/7.png\n", r"7.png: no such file"),
        ("rgb.txt", "1.0 rgb/0.png\n", "no colour image has depth and pose within 20 ms"),
        ("groundtruth.txt", "1305031102.175304 0 0 0 0 0 0\n", "line 1: 6 words"),
        ("groundtruth.txt", "1305031102.175304 0 0 0 0 0 0 0\n", "line 1: not a rigid pose"),
        ("groundtruth.txt", "1305031102.175304 nan 0 0 0 0 0 1\n", "no pose of finite numbers"),
        ("groundtruth.txt", "1305031102.175304 0 0 0 0 0 0 1e300\n", "line 1: not a rigid pose"),
        ("groundtruth.txt", "1305031102.175304 x 0 0 0 0 0 1\n", "line 1: could not convert"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*within 20 ms and are left out")
def test_tum_damage_is_refused_in_one_line(tum, name, content, message):
    (tum / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_tum_folder(tum)
    assert "\n" not in str(caught.value)


def in_unit(path, per_second, begin=Fraction(0)):
    """Write a list again with stamps in another unit, and from another beginning on."""
    lines = [line.split(maxsplit=1) for line in path.read_text().splitlines() if not line.startswith("#")]
    path.write_text("".join(f"{round((Fraction(stamp) - begin) * per_second)} {rest}\n" for stamp, rest in lines))


@pytest.mark.parametrize("begin", [Fraction(0), Fraction(1305031102), Fraction(1305031102) - 30 * 3600])
@pytest.mark.parametrize(
    "units",
    [
        {"rgb.txt": 10**9, "depth.txt": 10**9, "groundtruth.txt": 10**9},
        {"rgb.txt": 10**3, "depth.txt": 10**3, "groundtruth.txt": 10**3},
        {"rgb.txt": 10**6, "depth.txt": 10**9, "groundtruth.txt": 10**6},
    ],
)
def test_stamps_in_other_units_are_recognised_list_by_list(tum, units, begin):
    for name, per_second in units.items():
        in_unit(tum / name, per_second, begin)
    with pytest.warns(FastSnowWarning) as caught:
        recording = read_tum_folder(tum)
    words = {10**9: "nanoseconds", 10**6: "microseconds", 10**3: "milliseconds"}
    said = [str(each.message) for each in caught if "taken as" in str(each.message)]
    assert [each.partition("taken as ")[2].partition(";")[0] for each in said] == [words[k] for k in units.values()]
    assert [float(time) for time in recording.time] == pytest.approx([0, 1 / 30], abs=1e-3)
    assert recording.T_world_camera[:, 0, 3].tolist() == [0.0, 0.3]


@pytest.mark.parametrize(
    ("stamps", "name"),
    [
        ([0, 1, 2, 3], "seconds"),
        ([1305031102, 1305034702, 1305038302], "seconds"),
        ([5.0], "seconds"),
        ([1305031102175], "milliseconds"),
        ([0, 33, 67, 100], "milliseconds"),
        ([0, 33_333, 66_667], "microseconds"),
        ([0, 33_333_333, 66_666_667], "nanoseconds"),
        ([9e13, 9e13 + 33_333_333, 9e13 + 66_666_667], "nanoseconds"),  # since the phone was switched on
        ([1e119, -1e119], "seconds"),
    ],
)
def test_the_unit_of_a_list_is_that_of_its_magnitude_or_spacing(stamps, name):
    assert unit_of(np.array(stamps, float)).name == name


def test_a_list_of_the_same_clock_decides_where_several_units_are_plausible():
    fast = 5e6 * np.arange(9)  # 5 ms, or 5 s
    assert (unit_of(fast).name, unit_of(fast, like=UNITS[3]).name) == ("microseconds", "nanoseconds")


def small(folder, size=(24, 32), meta=None, **lists):
    """A folder of three images of another camera."""
    for k in range(3):
        save(folder / "rgb" / f"{k}.png", np.full((*size, 3), 10 * k, np.uint8))
        save(folder / "depth" / f"{k}.png", np.full(size, 1000 * (k + 1), np.uint16))
    for name in ("rgb", "depth"):
        (folder / f"{name}.txt").write_text("".join(f"{k}.5 {name}/{k}.png\n" for k in range(3)))
    if meta is not None:
        (folder / "meta.json").write_text(json.dumps(meta))
    return folder


CAMERA = {"fx": 30, "fy": 30, "cx": 15.5, "cy": 11.5}


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (None, r'expected "intrinsics": .* and "depth_scale": .* for images of 32x24 \(only 640x480'),
        ({"depth_scale": 1000}, 'expected "intrinsics": {"fx"'),
        ({"intrinsics": CAMERA}, 'meta.json: expected "depth_scale": 1000.0'),
        ({"intrinsics": None, "depth_scale": 1000}, 'expected "intrinsics"'),
    ],
)
def test_kinects_calibration_is_for_images_of_its_size(tmp_path, meta, message):
    with pytest.raises(InputError, match=message) as caught:
        read_tum_folder(small(tmp_path, meta=meta))
    assert "\n" not in str(caught.value)


def test_other_cameras_need_their_calibration_only_where_something_depends_on_it(tmp_path):
    recording = read_tum_folder(small(tmp_path, meta={"intrinsics": CAMERA, "depth_scale": 1000}))
    assert recording.intrinsics[0].tolist() == [30, 0, 15.5]
    assert recording.read_depth(1).max() == 2
    (tmp_path / "meta.json").unlink()
    (tmp_path / "depth.txt").unlink()
    assert read_tum_folder(tmp_path).intrinsics is None
    (tmp_path / "groundtruth.txt").write_text("".join(f"{k}.5 0 0 0 0 0 0 1\n" for k in range(3)))
    with pytest.raises(InputError, match='expected "intrinsics"'):
        read_tum_folder(tmp_path)


KNOWN = {"intrinsics": CAMERA, "depth_scale": 1000}


def test_images_that_are_not_on_disk_are_left_out(tmp_path):
    small(tmp_path, meta=KNOWN)
    (tmp_path / "depth" / "1.png").unlink()
    (tmp_path / "rgb" / "2.png").unlink()
    with pytest.warns(FastSnowWarning) as caught:
        recording = read_tum_folder(tmp_path)
    assert [str(each.message).partition(": ")[2] for each in caught] == [
        "1 of 3 images are not on disk and are left out",
        "1 of 3 images are not on disk and are left out",
        "1 of 2 colour images have no depth or no pose within 20 ms and are left out",
    ]
    assert recording.read_depth(0).max() == 1
    assert len(recording) == 1


def test_frames_without_a_mask_are_left_out_and_masks_are_told_apart(tmp_path):
    small(tmp_path, meta=KNOWN)
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="masks: no mask of the name of a colour image"):
        read_tum_folder(tmp_path)
    for k in (0, 2):
        save(tmp_path / "masks" / f"{k}.png", np.full((24, 32), k + 1, np.uint8))
    with pytest.warns(FastSnowWarning, match="1 of 3 colour images have no mask and are left out"):
        recording = read_tum_folder(tmp_path)
    assert recording.id_maps(frames_of(recording, 0, 1))[:, 0, 0].tolist() == [1, 3]
    save(tmp_path / "other" / "0.png", np.zeros((24, 32, 3), np.uint8))
    (tmp_path / "rgb.txt").write_text("0.5 rgb/0.png\n1.5 other/0.png\n")
    with pytest.raises(InputError, match="2 images named 0; expected each once"):
        read_tum_folder(tmp_path)


def test_lines_of_one_time_count_once(tmp_path):
    small(tmp_path, meta=KNOWN)
    (tmp_path / "rgb.txt").write_text((tmp_path / "rgb.txt").read_text() * 2)
    recording = read_tum_folder(tmp_path)
    assert recording.time == (0, 1, 2)


def test_poses_that_are_not_finite_are_left_out_and_rotations_are_orthonormal(tmp_path):
    small(tmp_path, meta=KNOWN)
    lines = ["0.5 1 2 3 0.0011 0.7067 -0.0034 0.7075", "1.5 nan nan nan nan nan nan nan", "2.5 0 0 -inf 0 0 0 1"]
    (tmp_path / "groundtruth.txt").write_text("\n".join(lines))
    with pytest.warns(FastSnowWarning) as caught:
        recording = read_tum_folder(tmp_path)
    assert "2 of 3 poses hold NaN or infinity and are left out" in str(caught[0].message)
    assert "2 of 3 colour images have no depth or no pose" in str(caught[1].message)
    rotation = recording.T_world_camera[0, :3, :3]
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-12


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_may_begin_with_a_byte_order_mark(tmp_path, encoding):
    small(tmp_path, meta=KNOWN)
    for name in ("rgb.txt", "depth.txt"):
        (tmp_path / name).write_text((tmp_path / name).read_text(), encoding=encoding)
    assert len(read_tum_folder(tmp_path)) == 3


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and links of POSIX")
@pytest.mark.parametrize("name", ["rgb.txt", "depth.txt", "groundtruth.txt", "meta.json"])
def test_lists_are_regular_files_inside_the_folder(tmp_path, name):
    folder = small(tmp_path / "tum", meta=KNOWN)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(InputError, match=rf"{name}: is a FIFO"):
        read_tum_folder(folder)
    (folder / name).unlink()
    (tmp_path / "elsewhere").write_text("0.5 rgb/0.png 0 0 0 0 0\n")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="a link that leads out of"):
        read_tum_folder(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"cannot be read|no such file"):
        read_tum_folder(folder)


def test_damaged_lists_are_read_or_refused(tmp_path):
    small(tmp_path, meta=KNOWN)
    (tmp_path / "groundtruth.txt").write_text("".join(f"{k}.5 0 0 0 0 0 0 1\n" for k in range(3)))
    for name in ("rgb.txt", "depth.txt", "groundtruth.txt"):
        sound = (tmp_path / name).read_bytes()
        for content in damaged(sound, 25):
            (tmp_path / name).write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FastSnowWarning)
                try:
                    recording = read_tum_folder(tmp_path)
                except InputError as error:
                    assert "\n" not in str(error)  # noqa: PT017
                    continue
            assert all(one < other for one, other in itertools.pairwise(recording.time))
        (tmp_path / name).write_bytes(sound)


def test_a_list_has_a_largest_number_of_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "TABLE_LINES", dataclasses.replace(TABLE_LINES, largest=3))
    (tmp_path / "list.txt").write_bytes(b"# one\r\n\r\n1 a\r")
    assert list(text_tables.numbered_lines(tmp_path / "list.txt")) == [(3, "1 a")]
    (tmp_path / "list.txt").write_text("1 a\n2 b\n3 c\n4 d\n")
    with pytest.raises(InputError, match="more than 3 lines"):
        list(text_tables.numbered_lines(tmp_path / "list.txt"))
