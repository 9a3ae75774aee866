"""Prompts in the pixels that SAM counts: its encoder adds half a pixel to reach their centres."""

import numpy as np

from fast_snow.engines.sam3.prompting import as_kind, box_points, single_points
from fast_snow.kernels.masks import encode
from fast_snow.types import BoxPrompt, MaskPrompt, PointPrompt

GRID = (4, 8)


def point(u: float, v: float) -> PointPrompt:
    return PointPrompt(frame=0, uv=np.array([u, v], np.float32))


def test_a_pixel_of_a_grid_of_the_networks_size_stays_what_it_is():
    np.testing.assert_array_equal(single_points([point(3, 5)], (16, 16), 16).xy, [[[3, 5]]])


def test_a_pixel_becomes_the_middle_of_the_pixels_it_covers():
    found = single_points([point(0, 0), point(7, 3)], GRID, 16)
    np.testing.assert_array_equal(found.xy + 0.5, [[[1, 2]], [[15, 14]]])
    np.testing.assert_array_equal(found.label, [[1], [1]])


def test_a_box_is_its_two_corners():
    box = BoxPrompt(frame=0, box_xyxy=np.array([2, 1, 8, 4], np.float32))
    found = box_points([box], GRID, 16)
    np.testing.assert_array_equal(found.xy, [[[4, 4], [16, 16]]])
    np.testing.assert_array_equal(found.label, [[2, 3]])


def test_a_mask_becomes_what_is_wanted():
    inside = np.zeros((1, *GRID), np.bool_)
    inside[0, 1:3, 2:5] = True
    mask = MaskPrompt(frame=6, mask=encode(inside))
    box, at = as_kind(mask, "box"), as_kind(mask, "point")
    assert isinstance(box, BoxPrompt)
    assert isinstance(at, PointPrompt)
    np.testing.assert_array_equal(box.box_xyxy, [2, 1, 5, 3])
    u, v = at.uv.astype(int)
    assert inside[0, v, u]
    assert box.frame == at.frame == 6
    assert as_kind(mask, "mask") is mask
    assert as_kind(at, "box") is at
