"""Depth errors: a plain reference, laws, and pixels that do not count."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.errors import InputError
from fast_snow.evaluation.metrics.depth import pair_depth, pool_depth, score_depth
from fast_snow.kernels.mask_resize import resize
from fast_snow.kernels.masks import decode, encode


def depths(seed: int, shape=(12, 16), nothing: float = 0.2) -> np.ndarray:
    random = np.random.default_rng(seed)
    depth = random.uniform(0.5, 8, shape).astype(np.float32)
    depth[random.random(shape) < nothing] = 0
    return depth


def plain(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float, int]:
    """Compute AbsRel, RMSE and delta < 1.25 pixel by pixel, on one grid."""
    relative, squared, right, pixels = 0.0, 0.0, 0, 0
    for d, f in zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True):
        if d > 0 and f > 0 and np.isfinite(f):
            pixels += 1
            relative += abs(f - d) / d
            squared += (f - d) ** 2
            right += max(f / d, d / f) < 1.25
    return relative / pixels, (squared / pixels) ** 0.5, right / pixels, pixels


@given(seed=st.integers(0, 2**32 - 1))
def test_equals_the_plain_reference(seed: int):
    truth, found = depths(seed), depths(seed + 1)
    found[0, :3] = np.nan, np.inf, -1
    error = score_depth(pair_depth(truth, found))
    expected = plain(truth, found)
    assert (error.abs_rel, error.rmse, error.delta, error.pixels) == pytest.approx(expected)
    assert error.coverage == pytest.approx(expected[-1] / np.count_nonzero(truth))


def test_by_hand():
    error = score_depth(pair_depth(np.array([[1, 2, 4, 0]], np.float32), np.array([[1, 3, 4, 9]], np.float32)))
    assert error.abs_rel == pytest.approx(0.5 / 3)
    assert error.rmse == pytest.approx((1 / 3) ** 0.5)
    assert error.delta == pytest.approx(2 / 3)
    assert (error.pixels, error.coverage, error.scale, error.shift) == (3, 1, 1, 0)


def test_a_factor_of_exactly_five_quarters_is_wrong():
    both = np.array([[1, 4]], np.float32), np.array([[1.25, 5]], np.float32)
    assert score_depth(pair_depth(*both)).delta == score_depth(pair_depth(*both[::-1])).delta == 0


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10), shift=st.floats(0, 3))
def test_what_the_alignment_may_change_is_no_error(seed: int, scale: float, shift: float):
    truth = depths(seed)
    scaled = score_depth(pair_depth(truth, truth * np.float32(scale)), "scale")
    assert (scaled.abs_rel, scaled.rmse, scaled.delta) == pytest.approx((0, 0, 1), abs=1e-5)
    assert scaled.scale == pytest.approx(1 / scale, rel=1e-5)
    moved = np.where(truth > 0, truth * np.float32(scale) + np.float32(shift), 0).astype(np.float32)
    shifted = score_depth(pair_depth(truth, moved), "scale_shift")
    assert (shifted.abs_rel, shifted.rmse, shifted.delta) == pytest.approx((0, 0, 1), abs=1e-4)
    assert (shifted.scale, shifted.shift) == pytest.approx((1 / scale, -shift / scale), rel=1e-3, abs=1e-3)


@given(seed=st.integers(0, 2**32 - 1))
def test_scale_and_shift_are_those_of_least_squares(seed: int):
    pairs = pair_depth(depths(seed), depths(seed + 1))
    error = score_depth(pairs, "scale_shift")
    design = np.stack([pairs.predicted, np.ones(len(pairs))], axis=1)
    expected, *_ = np.linalg.lstsq(design, pairs.truth, rcond=None)
    assert (error.scale, error.shift) == pytest.approx(tuple(expected))
    assert error.rmse <= min(score_depth(pairs).rmse, score_depth(pairs, "scale").rmse) + 1e-12


def test_a_depth_below_0_after_alignment_is_not_right():
    pairs = pair_depth(np.array([[1, 1, 1, 20]], np.float32), np.array([[1, 2, 3, 4]], np.float32))
    error = score_depth(pairs, "scale_shift")
    aligned = error.scale * pairs.predicted + error.shift
    assert aligned[0] < 0
    assert error.delta == 0
    assert error.abs_rel == pytest.approx(np.mean(np.abs(aligned - pairs.truth) / pairs.truth))


def test_flat_depth_is_scaled():
    flat = np.full((2, 2), 2, np.float32)
    error = score_depth(pair_depth(np.array([[3, 3], [4, 5]], np.float32), flat), "scale_shift")
    assert (error.scale, error.shift) == (3.5 / 2, 0)


def test_the_grid_of_the_truth_is_taken_as_masks_take_it():
    found = (np.arange(1, 7 * 9 + 1).reshape(7, 9)).astype(np.float32)
    pairs = pair_depth(np.ones((10, 5), np.float32), found)
    picked = resize(encode(np.stack([found == value for value in found.ravel()])), (10, 5))
    expected = np.tensordot(found.ravel(), decode(picked), axes=1)
    np.testing.assert_array_equal(pairs.predicted.reshape(10, 5), expected)


def test_pooled_frames_share_an_alignment():
    truth = depths(0)
    frames = [pair_depth(truth, truth * 2), pair_depth(truth, truth * 4)]
    assert [score_depth(each, "scale").abs_rel for each in frames] == pytest.approx([0, 0], abs=1e-6)
    pooled = score_depth(pool_depth(frames), "scale")
    assert pooled.abs_rel > 0.2
    assert pooled.pixels == sum(map(len, frames))
    assert pooled.coverage == 1


def test_nothing_in_common_is_one_line():
    truth = depths(0)
    with pytest.raises(InputError, match=rf"of the {np.count_nonzero(truth)} pixels with true depth none"):
        score_depth(pair_depth(truth, np.zeros_like(truth)))
    with pytest.raises(InputError, match="of the 0 pixels"):
        score_depth(pool_depth([]))


def test_sensor_depth_at_half_the_size_is_close_to_itself(clips: Path):
    folder = clips / "redkitchen_dev" / "depth"
    raw = cv2.imread(str(min(folder.glob("*.png"))), cv2.IMREAD_UNCHANGED)
    truth = (raw / 1000).astype(np.float32)
    error = score_depth(pair_depth(truth, np.ascontiguousarray(truth[::2, ::2])))
    assert error.delta > 0.99
    assert 0 < error.abs_rel < 0.01
    assert error.coverage > 0.95
