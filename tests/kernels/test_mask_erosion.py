"""Taking the border off masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fast_snow.errors import InputError
from fast_snow.kernels.mask_erosion import erode
from fast_snow.kernels.masks import decode, encode, validate
from fast_snow.types import Masks
from tests.kernels.drawing import dense_masks, random_masks
from tests.reference import mask_erosion as reference

MARGINS = st.integers(0, 6)


@st.composite
def mostly_full(draw: st.DrawFn) -> np.ndarray:
    """Stacks with few holes, so that erosion leaves something."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 14)), draw(st.integers(1, 40)))
    dense = np.ones(shape, bool)
    holes = draw(st.lists(st.tuples(*(st.integers(0, side - 1) for side in shape)), max_size=6))
    for hole in holes:
        dense[hole] = False
    return dense


@settings(max_examples=150, deadline=None)
@given(st.one_of(dense_masks(), mostly_full()), MARGINS)
def test_it_is_the_dense_erosion(dense: np.ndarray, margin: int):
    eroded = erode(encode(dense), margin)
    validate(eroded)
    np.testing.assert_array_equal(decode(eroded), reference.erode(dense, margin))


def test_larger_masks_and_more_runs_than_there_was_room_for():
    blocks = np.kron(random_masks(0, 6, 60, 80), np.ones((4, 5), bool))
    for margin in (1, 2):
        eroded = erode(encode(blocks), margin)
        validate(eroded)
        np.testing.assert_array_equal(decode(eroded), reference.erode(blocks, margin))
    assert len(erode(encode(blocks), 1).start) > 4096


@settings(max_examples=60, deadline=None)
@given(mostly_full(), st.integers(0, 3), st.integers(0, 3))
def test_margins_add_up(dense: np.ndarray, one: int, other: int):
    masks = encode(dense)
    twice, once = erode(erode(masks, one), other), erode(masks, one + other)
    np.testing.assert_array_equal(decode(twice), decode(once))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9))), st.integers(1, 3))
def test_the_frame_may_be_flipped_first(dense: np.ndarray, margin: int):
    flipped = decode(erode(encode(dense[:, ::-1, ::-1].copy()), margin))
    np.testing.assert_array_equal(flipped[:, ::-1, ::-1], decode(erode(encode(dense), margin)))


def test_a_rectangle_loses_its_border_but_not_at_the_frame():
    dense = np.zeros((2, 20, 30), bool)
    dense[0, 5:15, 8:20] = True
    dense[1, :15, 8:] = True  # cut by the frame above and on the right
    left, cut = decode(erode(encode(dense), 2))
    expected = np.zeros((2, 20, 30), bool)
    expected[0, 7:13, 10:18] = True
    expected[1, :13, 10:] = True
    np.testing.assert_array_equal(left, expected[0])
    np.testing.assert_array_equal(cut, expected[1])


def test_a_full_frame_keeps_all_and_a_thin_mask_nothing():
    dense = np.ones((2, 9, 11), bool)
    dense[1] = False
    dense[1, :, 4:6] = True
    full, thin = decode(erode(encode(dense), 1))
    assert full.all()
    assert not thin.any()


def test_empty_masks_stay_in_their_place():
    dense = np.zeros((3, 8, 8), bool)
    dense[1, 1:7, 1:7] = True
    eroded = erode(encode(dense), 1)
    assert decode(eroded).sum(axis=(1, 2)).tolist() == [0, 16, 0]
    nothing = Masks.empty((8, 8))
    assert len(erode(nothing, 3)) == 0


def test_no_margin_gives_the_masks_themselves():
    masks = encode(random_masks(1, 3, 12, 20))
    assert erode(masks, 0) is masks


def test_a_negative_margin_is_refused():
    with pytest.raises(InputError, match="margin: got -1 pixels, expected at least 0"):
        erode(Masks.empty((4, 4)), -1)
