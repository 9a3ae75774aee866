"""Hard cuts end a window; what moves, darkens or is sampled rarely does not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fast_snow.config import SamplingConfig, WindowConfig
from fast_snow.inputs import open_input
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.inputs.windows import windows

CONFIG = WindowConfig(length=6, overlap=2)


def scene(seed: int, frames: int) -> np.ndarray:
    """Return images of a picture that moves past."""
    rng = np.random.default_rng(seed)
    hue = 45 * seed
    coarse = np.stack([(hue + rng.integers(0, 25, (9, 30))) % 180, *rng.integers(60, 255, (2, 9, 30))], axis=-1)
    large = cv2.resize(coarse.astype(np.uint8), (480, 144), interpolation=cv2.INTER_CUBIC)
    rgb = cv2.cvtColor(large, cv2.COLOR_HSV2RGB)
    return np.stack([rgb[:, 3 * i : 3 * i + 256] for i in range(frames)])


def cut(images: np.ndarray, *, fps: float = 10.0, config: WindowConfig = CONFIG, **known: object) -> list[list[int]]:
    recording = recording_from_arrays(images, fps, **known)
    found = list(windows(open_input(recording, SamplingConfig()), config))
    assert [each.index for each in found] == list(range(len(found)))
    return [[int(each.frames.t[0]), int(each.frames.t[-1]), each.shared] for each in found]


def test_windows_end_at_cuts():
    images = np.concatenate([scene(0, 8), scene(1, 6), scene(2, 1), scene(3, 3)])
    assert cut(images) == [[0, 5, 0], [4, 7, 2], [8, 13, 0], [14, 14, 0], [15, 17, 0]]
    off = WindowConfig(length=6, overlap=2, split_at_cuts=False)
    assert cut(images, config=off) == [[0, 5, 0], [4, 9, 2], [8, 13, 2], [12, 17, 2]]


def test_motion_light_and_rare_samples_are_no_cuts():
    lit = (scene(0, 8) * np.linspace(1, 0.3, 8)[[0, 1, 2, 7, 6, 5, 4, 3], None, None, None]).astype(np.uint8)
    assert cut(lit) == [[0, 5, 0], [4, 7, 2]]
    assert cut(np.concatenate([scene(0, 4), scene(1, 4)]), fps=2.0) == [[0, 5, 0], [4, 7, 2]]


def test_recorded_poses_know_one_world():
    poses = np.tile(np.eye(4), (8, 1, 1))
    assert cut(np.concatenate([scene(0, 4), scene(1, 4)]), T_world_camera=poses) == [[0, 5, 0], [4, 7, 2]]


CLIPS = Path(__file__).resolve().parents[2] / "examples/scene.mp4"


@pytest.mark.slow
def test_the_example_has_no_cut():
    source = open_input(CLIPS, SamplingConfig())
    assert [each.shared for each in windows(source, WindowConfig(length=20, overlap=5))][1:] == [5, 5, 5]
