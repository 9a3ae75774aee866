"""The range of depth that belongs to an object, and what a gap separates from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.kernels.depth_range import RULE, GapRule, depth_ranges
from fast_snow.kernels.masks import encode
from tests.reference import depth_range as reference

GRID = 60, 80
V, U = np.mgrid[: GRID[0], : GRID[1]].astype(np.float64)


def outliers(inside: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Find the outliers of one mask whose depth can all be used, as an image."""
    depth = depth.astype(np.float32)
    found = depth_ranges(encode(inside[None]), depth, np.ones_like(depth), conf_thresh=0.5)
    near, far = found.bounds[0]
    beyond = inside & ~((depth > near) & (depth < far))
    assert found.outliers[0] == beyond.sum()
    return beyond


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    base=st.sampled_from([1e-30, 0.01, 1.0, 4.0, 1e4, 1e30]),
    noise=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    share=st.sampled_from([0.0, 0.005, 0.02, 0.1, 0.3, 0.45]),
    factor=st.sampled_from([0.3, 0.8, 1.05, 1.2, 2.0, 5.0]),
    rule=st.builds(
        GapRule,
        least_gap=st.sampled_from([0.02, 0.06, 0.1]),
        spread=st.sampled_from([0.0, 1.0, 2.0]),
        most_within=st.sampled_from([0.005, 0.01, 0.05]),
        most_beyond=st.sampled_from([0.2, 0.35, 0.5]),
    ),
)
def test_equals_the_reference(seed, base, noise, share, factor, rule):
    random = np.random.default_rng(seed)
    grid = 13, 22
    depth = (base * np.exp(noise * random.standard_normal(grid))).astype(np.float32)
    depth[random.random(grid) < share] *= np.float32(factor)
    for bad in (np.nan, np.inf, -np.inf, 0, -1):
        depth[random.random(grid) < 0.01] = bad
    confidence = random.random(grid).astype(np.float32)
    confidence[random.random(grid) < 0.01] = np.nan
    dense = random.random((3, *grid)) < 0.7
    found = depth_ranges(encode(dense), depth, confidence, conf_thresh=0.2, rule=rule)
    for i, mask in enumerate(dense):
        usable = depth[mask & (confidence >= np.float32(0.2)) & np.isfinite(depth) & (depth > 0)]
        beyond = reference.outliers(usable, rule)
        near, far = found.bounds[i]
        np.testing.assert_array_equal(beyond, ~((usable > near) & (usable < far)))
        assert found.outliers[i] == beyond.sum()


def convex(seed: int) -> np.ndarray:
    """Draw a convex patch: what lies on one side of some lines."""
    random = np.random.default_rng(seed)
    inside = np.ones(GRID, np.bool_)
    for angle in random.uniform(0, 2 * np.pi, random.integers(0, 6)):
        inside &= np.cos(angle) * (U - 40) + np.sin(angle) * (V - 30) < random.uniform(5, 30)
    return inside


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**31), slope=st.floats(0, 0.95), angle=st.floats(0, 6.3))
def test_a_convex_patch_of_a_plane_stays_whole(seed, slope, angle):
    """However it is slanted: its inverse depth is linear in the image, here from 1 down to a twentieth."""
    along = np.cos(angle) * (U - 40) + np.sin(angle) * (V - 30)
    inverse = 1 - slope * (along - along.min()) / np.ptp(along)
    assert not outliers(convex(seed), 4 / inverse).any()


@pytest.mark.parametrize(("side", "depth_of_side"), [(0.05, 1.2), (0.1, 1.5), (0.2, 3.0), (0.4, 3.0)])
def test_a_box_seen_at_its_edge_stays_whole(side: float, depth_of_side: float):
    """Most pixels at one depth, the rest on a face that runs far back: the spread alone would cut the face off."""
    edge = (1 - side) * GRID[1]
    inverse = 1 + (1 / depth_of_side - 1) * np.maximum(U - edge, 0) / (GRID[1] - edge)
    assert not outliers(np.ones(GRID, np.bool_), 2 / inverse).any()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 10.0])
def test_what_lies_behind_or_before_is_left_out(share: float, factor: float):
    depth = 3 + 0.004 * U
    bled = share * GRID[0] > V
    depth[bled] *= factor
    beyond = outliers(np.ones(GRID, np.bool_), depth)
    assert beyond[bled].all()
    assert beyond[~bled].sum() < RULE.most_within * depth.size  # the object's own end, where the gap begins


def test_one_pixel_far_behind_is_left_out():
    depth = np.full(GRID, 3.0)
    depth[7, 9] = 30
    assert np.argwhere(outliers(np.ones(GRID, np.bool_), depth)).tolist() == [[7, 9]]


def test_two_large_parts_are_one_object():
    depth = np.where(0.6 * GRID[1] > U, 3.0, 5.0)
    assert not outliers(np.ones(GRID, np.bool_), depth).any()
    depth[:2] = 9.0  # behind both
    np.testing.assert_array_equal(outliers(np.ones(GRID, np.bool_), depth), depth == 9)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), exponent=st.integers(-20, 20))
def test_neither_scale_nor_order_matters(seed, exponent):
    random = np.random.default_rng(seed)
    depth = np.exp(random.normal(1, 0.05, GRID)).astype(np.float32)
    depth[random.random(GRID) < 0.1] *= np.float32(random.choice([0.4, 1.7]))
    inside = random.random(GRID) < 0.6
    beyond = outliers(inside, depth)
    np.testing.assert_array_equal(outliers(inside, depth * np.float32(2.0**exponent)), beyond)
    order = random.permutation(depth.size)
    shuffled = [each.reshape(-1)[order].reshape(GRID) for each in (inside, depth, beyond)]
    np.testing.assert_array_equal(outliers(shuffled[0], shuffled[1]), shuffled[2])


def test_a_mask_without_depth_has_no_range_of_its_own():
    depth = np.full(GRID, np.nan, np.float32)
    found = depth_ranges(encode(np.ones((1, *GRID), np.bool_)), depth, np.ones_like(depth), conf_thresh=0.5)
    assert found.bounds.tolist() == [[0, np.inf]]
    assert found.outliers.tolist() == [0]
