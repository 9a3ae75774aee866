"""Shifting masks by whole pixels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fast_snow.kernels.masks import decode, encode, shift, validate


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(bool, st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 7))),
    st.integers(-8, 8),
    st.integers(-8, 8),
)
def test_a_shift_moves_every_pixel(dense: np.ndarray, du: int, dv: int):
    expected = np.zeros_like(dense)
    for i, v, u in zip(*np.nonzero(dense), strict=True):
        if 0 <= v + dv < dense.shape[1] and 0 <= u + du < dense.shape[2]:
            expected[i, v + dv, u + du] = True
    moved = shift(encode(dense), du, dv)
    validate(moved)
    np.testing.assert_array_equal(decode(moved), expected)
