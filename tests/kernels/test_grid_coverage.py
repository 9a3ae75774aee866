import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.kernels import masks
from fast_snow.kernels.grid_coverage import coverage
from fast_snow.types import Masks
from tests.kernels.drawing import dense_masks, random_masks
from tests.reference import masks as reference


@settings(deadline=None)
@given(dense_masks(), st.integers(1, 20))
def test_equals_the_reference(dense, grid_size):
    share = coverage(masks.encode(dense), grid_size)
    assert ((share >= 0) & (share <= 1)).all()
    np.testing.assert_array_equal(share, reference.coverage(dense, grid_size))


@pytest.mark.parametrize("shape", [(48, 64), (37, 53), (16, 16), (5, 7), (1, 1)])
@pytest.mark.parametrize("grid_size", [1, 16])
def test_grids(shape, grid_size):
    dense = random_masks(1, 5, *shape)
    np.testing.assert_array_equal(coverage(masks.encode(dense), grid_size), reference.coverage(dense, grid_size))


def test_full_and_empty_masks():
    share = coverage(masks.encode(np.stack([np.ones((20, 30), np.bool_), np.zeros((20, 30), np.bool_)])), 4)
    np.testing.assert_array_equal(share, np.stack([np.ones((4, 4)), np.zeros((4, 4))]))


def test_cells_without_pixels_are_empty():
    share = coverage(masks.encode(np.ones((1, 2, 2), np.bool_)), 4)
    assert share.sum() == 4


def test_one_pixel_of_a_known_cell():
    dense = np.zeros((1, 32, 64), np.bool_)
    dense[0, 2, 63] = True
    expected = np.zeros((1, 16, 16), np.float32)
    expected[0, 1, 15] = 1 / (2 * 4)
    np.testing.assert_array_equal(coverage(masks.encode(dense), 16), expected)


def test_no_masks():
    assert coverage(Masks.empty((20, 30)), 16).shape == (0, 16, 16)
