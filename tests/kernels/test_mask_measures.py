import numpy as np
from hypothesis import given, settings

from fast_snow.kernels import mask_measures, masks
from tests.kernels.drawing import dense_masks


@settings(deadline=None)
@given(dense_masks())
def test_area_and_box(dense):
    encoded = masks.encode(dense)
    np.testing.assert_array_equal(mask_measures.area(encoded), dense.sum(axis=(1, 2)))
    for mask, box in zip(dense, mask_measures.bounding_boxes(encoded), strict=True):
        v, u = np.nonzero(mask)
        expected = [u.min(), v.min(), u.max() + 1, v.max() + 1] if len(u) else [0, 0, 0, 0]
        np.testing.assert_array_equal(box, expected)


@settings(deadline=None)
@given(dense_masks())
def test_moments(dense):
    for mask, moment in zip(dense, mask_measures.moments(masks.encode(dense)), strict=True):
        v, u = np.nonzero(mask)
        expected = [u.mean(), v.mean(), *np.cov(u, v, bias=True)[np.triu_indices(2)]] if len(u) else [np.nan] * 5
        np.testing.assert_allclose(moment, expected, atol=1e-9)


@settings(deadline=None)
@given(dense_masks())
def test_the_point_is_inside(dense):
    for mask, (u, v) in zip(dense, mask_measures.inside_point(masks.encode(dense)), strict=True):
        assert mask[v, u] if mask.any() else (u, v) == (-1, -1)


def point_in(mask):
    return tuple(mask_measures.inside_point(masks.encode(mask[None]))[0])


def test_the_point_of_a_rectangle_is_its_middle():
    mask = np.zeros((40, 60), np.bool_)
    mask[10:21, 30:51] = True
    assert point_in(mask) == (40, 15)


def test_the_point_of_a_ring_is_in_the_middle_of_its_band():
    v, u = np.ogrid[:101, :101]
    radius = np.hypot(v - 50, u - 50)
    u, v = point_in((radius > 30) & (radius < 50))
    assert 36 < np.hypot(v - 50, u - 50) < 44


def test_the_point_avoids_a_thin_line():
    mask = np.zeros((50, 200), np.bool_)
    mask[10:40, 10:40] = True
    mask[25] = True
    u, v = point_in(mask)
    assert mask[v, u]
    assert abs(v - 25) < 16
