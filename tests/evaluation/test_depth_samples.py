"""Samples of depth: which pixels and frames are kept, and what of the truth stands beside them."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.evaluation.metrics.depth import MOST_FRAMES, MOST_SIDE, DepthSamples, DepthWatch, pair_depth, score_depth
from fast_snow.types import DepthOrigin, Frames, Geometry


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
