import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.kernels import masks
from fast_snow.kernels.mask_resize import resize
from tests.kernels.drawing import dense_masks, random_masks
from tests.reference import masks as reference


@settings(deadline=None)
@given(dense_masks(), st.tuples(st.integers(1, 9), st.integers(1, 90)))
def test_equals_the_reference(dense, shape):
    resized = resize(masks.encode(dense), shape)
    masks.validate(resized)
    np.testing.assert_array_equal(masks.decode(resized), reference.resize(dense, shape))


@settings(deadline=None)
@given(dense_masks())
def test_the_same_grid_changes_nothing(dense):
    np.testing.assert_array_equal(masks.decode(resize(masks.encode(dense), dense.shape[1:])), dense)


@settings(deadline=None)
@given(dense_masks(), st.integers(1, 3), st.integers(1, 3))
def test_whole_factors_up_and_back_change_nothing(dense, tall, wide):
    larger = resize(masks.encode(dense), (dense.shape[1] * tall, dense.shape[2] * wide))
    np.testing.assert_array_equal(masks.decode(larger), dense.repeat(tall, axis=1).repeat(wide, axis=2))
    np.testing.assert_array_equal(masks.decode(resize(larger, dense.shape[1:])), dense)


def test_a_mask_that_vanishes_stays_as_an_empty_entry():
    dense = np.zeros((2, 9, 9), np.bool_)
    dense[0, 0, 0] = dense[1] = True
    np.testing.assert_array_equal(masks.decode(resize(masks.encode(dense), (3, 3))).any(axis=(1, 2)), [False, True])


@pytest.mark.parametrize("shape", [(60, 50), (7, 11)])
def test_noise(shape):
    dense = random_masks(1, 5, 20, 30)
    np.testing.assert_array_equal(masks.decode(resize(masks.encode(dense), shape)), reference.resize(dense, shape))
