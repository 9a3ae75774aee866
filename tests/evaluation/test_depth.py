"""Errors of depth against hand-made truth."""

import numpy as np
import pytest

from fast_snow.errors import InputError
from fast_snow.evaluation.depth import compare
from fast_snow.types import DepthOrigin, Geometry

SHAPE = (12, 16)


def geometry(depth: np.ndarray, confidence: float = 1.0) -> Geometry:
    count = len(depth)
    return Geometry(
        depth=depth.astype(np.float32),
        confidence=np.full(depth.shape, confidence, np.float32),
        intrinsics=np.repeat(np.eye(3)[None], count, axis=0),
        T_camera_world=np.repeat(np.eye(4)[None], count, axis=0),
        metric=False,
        origin=DepthOrigin.NETWORK,
    )


TRUTH = np.random.default_rng(0).uniform(1, 5, (2, *SHAPE)).astype(np.float32)
FRAMES = np.array([3, 7])


def read(frame: int) -> np.ndarray:
    return TRUTH[FRAMES.tolist().index(frame)]


def test_exact_depth_has_no_error():
    found = compare(read, FRAMES, geometry(TRUTH), "none")
    assert (found.abs_rel, found.rmse, found.close, found.share) == (0, 0, 1, 1)
    assert found.pixels == TRUTH.size


def test_alignment_takes_out_scale_and_shift():
    assert compare(read, FRAMES, geometry(2 * TRUTH), "none").abs_rel == pytest.approx(1)
    scaled = compare(read, FRAMES, geometry(2 * TRUTH), "scale")
    assert (scaled.abs_rel, scaled.scale) == pytest.approx((0, 0.5), abs=1e-6)
    shifted = compare(read, FRAMES, geometry(2 * TRUTH + 1), "scale and shift")
    assert (shifted.rmse, shifted.scale, shifted.shift) == pytest.approx((0, 0.5, -0.5), abs=1e-5)


def test_only_pixels_that_both_know_count():
    half = TRUTH.copy()
    half[:, :, ::2] = 0
    half[:, 0, 1] = np.nan
    found = compare(read, FRAMES, geometry(half), "none")
    assert found.pixels == TRUTH.size // 2 - 2
    assert found.share == pytest.approx(found.pixels / TRUTH.size)
    assert found.rmse == 0


def test_another_size_is_compared_by_nearest_pixel():
    large = TRUTH.repeat(2, axis=1).repeat(2, axis=2)
    assert compare(read, FRAMES, geometry(large), "none").abs_rel < 0.5
    coarse = compare(lambda frame: read(frame).repeat(2, axis=0).repeat(2, axis=1), FRAMES, geometry(TRUTH), "none")
    assert coarse.rmse == 0
    assert coarse.pixels == 4 * TRUTH.size


def test_nothing_to_compare_is_one_line():
    with pytest.raises(InputError, match=r"of 384 measured pixels none has a found depth"):
        compare(read, FRAMES, geometry(TRUTH, confidence=0.1), conf_thresh=0.5)
