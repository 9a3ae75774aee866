"""Counting for how many frames pixels have been in sight."""

import numpy as np

from fast_snow.engines.classical.tracking.in_sight import in_full, kept_in_sight, nothing_in_sight

SHAPE = 21, 31


def test_a_pixel_is_counted_where_it_goes_and_begins_anew_where_flow_is_not_trusted():
    back = np.full((*SHAPE, 2), (-4.0, 0.0), np.float32)  # all moves 4 pixels to the right
    trust = np.ones(SHAPE, np.float32)
    trust[10:14, 10:14] = 0.1
    once = kept_in_sight(nothing_in_sight(SHAPE), back, trust)
    twice = in_full(kept_in_sight(once, back, np.ones(SHAPE, np.float32)), SHAPE)
    assert twice.shape == SHAPE
    assert (twice[10:14, 14:18] == 1).all()
    assert (twice[:10, 4:] == 2).all()


def test_the_count_ends_before_it_overflows():
    count, still = nothing_in_sight(SHAPE), np.zeros((*SHAPE, 2), np.float32)
    for _ in range(300):
        count = kept_in_sight(count, still, np.ones(SHAPE, np.float32))
    assert (count == 255).all()
