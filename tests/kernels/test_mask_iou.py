import numpy as np
import pytest
from hypothesis import given, settings

from fast_snow.errors import InputError
from fast_snow.kernels import masks, threads
from fast_snow.kernels.mask_iou import pairwise_iou, pairwise_overlap
from fast_snow.types import Masks
from tests.kernels.drawing import dense_masks, random_masks
from tests.reference import masks as reference


@settings(deadline=None)
@given(dense_masks())
def test_laws(dense):
    encoded = masks.encode(dense)
    iou = pairwise_iou(encoded, encoded)
    np.testing.assert_array_equal(iou, iou.T)
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_array_equal(np.diag(iou), dense.any(axis=(1, 2)))
    np.testing.assert_array_equal(iou, reference.pairwise_iou(dense, dense))


@pytest.mark.parametrize("shape", [(1, 1), (9, 63), (9, 64), (30, 65), (17, 200)])
def test_equals_the_reference(shape):
    a, b = random_masks(1, 9, *shape), random_masks(2, 6, *shape)
    np.testing.assert_array_equal(pairwise_iou(masks.encode(a), masks.encode(b)), reference.pairwise_iou(a, b))


@settings(deadline=None)
@given(dense_masks())
def test_overlap_counts_pixels(dense):
    intersection, union = pairwise_overlap(masks.encode(dense), masks.encode(dense))
    np.testing.assert_array_equal(intersection, (dense[:, None] & dense[None]).sum(axis=(2, 3)))
    np.testing.assert_array_equal(union, (dense[:, None] | dense[None]).sum(axis=(2, 3)))


def test_boxes_that_do_not_meet():
    dense = np.zeros((3, 10, 200), np.bool_)
    dense[0, :4, :30] = dense[1, 5:, :30] = dense[2, :, 150:] = True
    np.testing.assert_array_equal(pairwise_iou(masks.encode(dense), masks.encode(dense)), np.eye(3))


def test_nothing_to_compare():
    some = masks.encode(random_masks(1, 3, 4, 5))
    assert pairwise_iou(some, Masks.empty((4, 5))).shape == (3, 0)
    assert pairwise_iou(Masks.empty((4, 5)), some).shape == (0, 3)


def test_the_number_of_threads_does_not_matter(monkeypatch):
    some = masks.encode(random_masks(3, 8, 20, 90))
    expected = pairwise_iou(some, some)
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    threads.limit(3)
    np.testing.assert_array_equal(pairwise_iou(some, some), expected)
    threads.limit(0)


def test_grids_must_agree():
    with pytest.raises(InputError, match="expected one grid"):
        pairwise_iou(Masks.empty((4, 5)), Masks.empty((5, 4)))
