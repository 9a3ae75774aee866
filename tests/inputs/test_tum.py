"""TUM RGB-D folders, written here file by file."""

import json
from fractions import Fraction

import numpy as np
import pytest

from fast_snow.config import SamplingConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs import open_input
from fast_snow.inputs.tum import read_tum_folder
from tests.inputs.recording_files import frames_of, save


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
        ("rgb.txt", "1.0\n", "line 1: 0 words after the time stamp; expected 1"),
        ("rgb.txt", "1305031102.175304 ../0.png\n", "lies outside the folder"),
        ("rgb.txt", "1305031102.175304 rgb/7.png\n", r"7.png: no such file"),
        ("rgb.txt", "1.0 rgb/0.png\n", "no colour image has depth and pose within 20 ms"),
        ("groundtruth.txt", "1305031102.175304 0 0 0 0 0 0\n", "line 1: 6 words"),
        ("groundtruth.txt", "1305031102.175304 0 0 0 0 0 0 0\n", "line 1: not a rigid pose"),
        ("groundtruth.txt", "1305031102.175304 nan 0 0 0 0 0 1\n", "line 1: not a rigid pose"),
        ("groundtruth.txt", "1305031102.175304 x 0 0 0 0 0 1\n", "line 1: could not convert"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*within 20 ms and are left out")
def test_tum_damage_is_refused_in_one_line(tum, name, content, message):
    (tum / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_tum_folder(tum)
    assert "\n" not in str(caught.value)
