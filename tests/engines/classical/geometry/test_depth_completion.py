"""Depth completion on measurements made by hand."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fast_snow.engines.classical.geometry.depth_completion import ASSUMED, UNKNOWN, complete
from fast_snow.engines.classical.geometry.triangulation import TriangulatedDepth

SHAPE = (60, 80)


def measured(depth, confidence, inconsistent=None):
    depth, confidence = np.asarray(depth, np.float32), np.asarray(confidence, np.float32)
    still = np.zeros(depth.shape, bool) if inconsistent is None else inconsistent
    return TriangulatedDepth(depth=depth, confidence=confidence, inconsistent=still)


def ramp():
    """Depth that shrinks from 9 above to 3 below, all of it trusted."""
    return np.repeat(np.linspace(9, 3, SHAPE[0])[:, None], SHAPE[1], axis=1), np.full(SHAPE, 0.9)


def test_trusted_depth_is_kept():
    depth, confidence = ramp()
    depth[10:20, 30:50], confidence[10:20, 30:50] = 1000.0, 0.49
    filled, sure = complete(measured(depth, confidence))
    trusted = confidence >= 0.5
    np.testing.assert_allclose(filled[trusted], depth[trusted], rtol=1e-6)
    np.testing.assert_array_equal(sure, confidence.astype(np.float32))


def test_a_hole_is_filled_between_its_neighbours():
    depth, confidence = ramp()
    truth = depth.copy()
    depth[25:35, 30:50], confidence[25:35, 30:50] = 0.0, 0.0
    filled, sure = complete(measured(depth, confidence))
    np.testing.assert_allclose(filled[25:35, 30:50], truth[25:35, 30:50], rtol=0.05)
    np.testing.assert_array_equal(sure[25:35, 30:50], 0)


@pytest.mark.parametrize("shape", [(8, 100), (100, 8), (1, 300), (37, 50)])
def test_a_single_trusted_corner_fills_images_of_any_shape(shape):
    depth, confidence = np.zeros(shape), np.zeros(shape)
    depth[0, 0], confidence[0, 0] = 7.0, 0.8
    filled, _ = complete(measured(depth, confidence))
    np.testing.assert_allclose(filled, 7.0, rtol=1e-4)


def test_what_moves_stands_on_what_is_seen_below_it():
    depth, confidence = ramp()
    moving = np.zeros(SHAPE, bool)
    moving[20:40, 30:45] = True
    confidence[moving], depth[moving] = 0.9, 50.0
    below = depth[40, 30]
    filled, sure = complete(measured(depth, confidence, moving))
    np.testing.assert_allclose(filled[moving], below, rtol=1e-5)
    np.testing.assert_array_equal(sure[moving], ASSUMED)


def test_what_moves_at_the_lower_edge_takes_the_depth_around_it():
    depth, confidence = ramp()
    moving = np.zeros(SHAPE, bool)
    moving[40:, 30:45] = True
    confidence[moving] = 0.0
    filled, sure = complete(measured(depth, confidence, moving))
    assert 3 < filled[moving].min() == filled[moving].max() < 5
    np.testing.assert_array_equal(sure[moving], ASSUMED)


def test_a_guess_need_not_pass_the_gate():
    depth, confidence = ramp()
    moving = np.zeros(SHAPE, bool)
    moving[20:40, 30:45] = True
    _, sure = complete(measured(depth, confidence, moving), of_movers=UNKNOWN)
    assert (sure[moving] == UNKNOWN).all()
    assert UNKNOWN < 0.5


def test_specks_do_not_move():
    depth, confidence = ramp()
    speck = np.zeros(SHAPE, bool)
    speck[30, 40] = True
    filled, sure = complete(measured(depth, confidence, speck))
    np.testing.assert_allclose(filled, depth, rtol=1e-6)
    np.testing.assert_array_equal(sure, confidence.astype(np.float32))


def test_where_nothing_is_trusted_nothing_is_said():
    filled, sure = complete(measured(np.full(SHAPE, 4.0), np.full(SHAPE, 0.4), np.ones(SHAPE, bool)))
    assert (filled > 0).all()
    np.testing.assert_array_equal(sure, 0)


@settings(deadline=None)
@example(1, 16, 0.875, 0.0, 183630)  # all that is trusted stands at one end
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_every_pixel_gets_positive_depth_within_what_was_trusted(height, width, untrusted, moving, seed):
    random = np.random.default_rng(seed)
    shape = (height, width)
    confidence = np.where(random.random(shape) < untrusted, 0.3, 0.8)
    depth = np.where(confidence < 0.5, 0.0, np.exp(random.normal(size=shape)))
    filled, sure = complete(measured(depth, confidence, random.random(shape) < moving))
    assert filled.shape == sure.shape == shape
    assert np.isfinite(filled).all()
    assert (filled > 0).all()
    assert ((sure >= 0) & (sure <= 1)).all()
    trusted = confidence >= 0.5
    if trusted.any():
        assert filled.min() >= depth[trusted].min() * (1 - 1e-4)
        assert filled.max() <= depth[trusted].max() * (1 + 1e-4)
