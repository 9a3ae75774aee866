"""Depth errors: a plain reference, laws, and pixels that do not count; which pixels and frames of a run are kept."""

from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.errors import InputError
from fast_snow.evaluation.metrics.depth import (
    MOST_FRAMES,
    MOST_SIDE,
    DepthSamples,
    DepthWatch,
    pair_depth,
    pool_depth,
    score_depth,
)
from fast_snow.kernels.mask_resize import resize
from fast_snow.kernels.masks import decode, encode
from fast_snow.types import DepthOrigin, Frames, Geometry


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


# ------------------------------------------------------------------------------------------------ samples


def frames(first: int, count: int) -> Frames:
    t = np.arange(first, first + count)
    return Frames(
        image=np.zeros((count, 2, 2, 3), np.uint8),
        t=t.astype(np.int32),
        time_s=t / 10,
        source_frame=(3 * t).astype(np.int64),
    )


def geometry(depth: np.ndarray, confidence: np.ndarray | None = None) -> Geometry:
    count = len(depth)
    return Geometry(
        depth=depth.astype(np.float32),
        confidence=np.ones(depth.shape, np.float32) if confidence is None else confidence,
        intrinsics=np.tile(np.eye(3), (count, 1, 1)),
        T_camera_world=np.tile(np.eye(4), (count, 1, 1)),
        metric=True,
        origin=DepthOrigin.NETWORK,
    )


def numbered(first: int, count: int, grid=(2, 3)) -> Geometry:
    """Return depth that is each frame's number, counted from 1."""
    return geometry(np.arange(first + 1, first + count + 1)[:, None, None] * np.ones((1, *grid)))


def test_small_grids_are_kept_whole_and_doubtful_depth_is_none():
    depth = np.array([[[1, 2, 3], [4, 5, 6]]])
    confidence = np.array([[[1, 0.5, 0.49], [np.nan, 0, 1]]], np.float32)
    (kept,) = DepthSamples().followed_by(frames(0, 1), geometry(depth, confidence), 0.5).frames
    assert kept.depth.tolist() == [[1, 2, 0], [0, 0, 6]]
    assert (kept.t, kept.source_frame, kept.window, kept.grid) == (0, 0, 0, (2, 3))


def test_a_frame_of_two_windows_is_that_of_the_first():
    samples = DepthSamples().followed_by(frames(0, 4), numbered(0, 4), 0.5)
    samples = samples.followed_by(frames(2, 4), numbered(100, 4), 0.5)
    assert [each.t for each in samples.frames] == [0, 1, 2, 3, 4, 5]
    assert [each.window for each in samples.frames] == [0, 0, 0, 0, 1, 1]
    assert [each.depth[0, 0] for each in samples.frames] == [1, 2, 3, 4, 103, 104]
    assert samples.frames[-1].source_frame == 15


@given(lengths=st.lists(st.integers(1, 150), min_size=1, max_size=8))
def test_what_is_kept_does_not_grow_and_is_evenly_spread(lengths: list[int]):
    samples, first = DepthSamples(), 0
    for length in lengths:
        samples = samples.followed_by(frames(first, length), numbered(first, length, (1, 1)), 0.5)
        first += length
    kept = [each.t for each in samples.frames]
    assert kept == list(range(0, first, samples.every))
    assert MOST_FRAMES / 2 < len(kept) <= MOST_FRAMES or samples.every == 1
    assert [each.depth.item() for each in samples.frames] == [t + 1 for t in kept]


def test_large_grids_are_sampled_evenly():
    rows, columns = np.mgrid[:480, :1000]
    samples = DepthSamples().followed_by(frames(0, 1), geometry((1000 * rows + columns + 1)[None]), 0.5)
    (kept,) = samples.frames
    assert kept.depth.shape == (MOST_SIDE, MOST_SIDE)
    v, u = np.divmod(kept.depth.astype(int) - 1, 1000)
    assert set(np.diff(v[:, 0])) == {3, 4}
    assert set(np.diff(u[0])) == {7, 8}
    assert (v[0, 0], u[0, 0]) == (1, 3)
    assert (v[-1, -1], u[-1, -1]) == (478, 996)


@pytest.mark.parametrize(("grid", "truth"), [((30, 40), (30, 40)), ((30, 40), (60, 80)), ((300, 400), (480, 640))])
def test_the_truth_beside_a_sample_is_of_the_same_place(grid, truth):
    """A plane's depth, seen at two sizes, is off by no more than what a pixel of either is wide."""

    def plane(shape):
        v, u = ((np.arange(side) + 0.5) / side for side in shape)
        return (2 + v[:, None] + 2 * u[None]).astype(np.float32)

    samples = DepthSamples().followed_by(frames(0, 1), geometry(plane(grid)[None]), 0.5)
    error = score_depth(samples.frames[0].beside(plane(truth)))
    assert error.rmse < 3 / min(grid)
    assert error.coverage == 1


def test_samples_of_a_small_grid_are_all_pairs():
    random = np.random.default_rng(0)
    truth, found = (random.uniform(1, 5, (20, 30)).astype(np.float32) for _ in range(2))
    truth[:5], found[:, :5] = 0, 0
    samples = DepthSamples().followed_by(frames(0, 1), geometry(found[None]), 0.5)
    assert score_depth(samples.frames[0].beside(truth)) == score_depth(pair_depth(truth, found))


def test_a_watched_engine_answers_as_before():
    watch = DepthWatch(0.5)
    closed = []

    @contextmanager
    def opened():
        yield lambda asked: numbered(int(asked.t[0]), len(asked))
        closed.append(True)

    with watch.over(opened)() as estimate:
        first = estimate(frames(0, 2))
    assert first.depth[1, 0, 0] == 2
    assert closed == [True]
    assert [each.t for each in watch.samples.frames] == [0, 1]
