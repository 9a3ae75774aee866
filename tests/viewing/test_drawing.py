"""Outlines and objects drawn into images."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.kernels.masks import encode
from fast_snow.types import LabelledMasks
from fast_snow.viewing.outlines import draw_objects, outlines
from fast_snow.viewing.palette import rgb_of


def labelled(*dense, ids=None, t=0):
    ids = range(len(dense)) if ids is None else ids
    return LabelledMasks(t=t, object_id=np.array(ids, np.int32), masks=encode(np.stack(dense)))


def ring():
    mask = np.zeros((40, 60), np.uint8)
    cv2.circle(mask, (30, 20), 15, 1, -1)
    cv2.circle(mask, (30, 20), 6, 0, -1)
    return mask.astype(bool)


def box(x0, y0, x1, y1, grid=(40, 60)):
    mask = np.zeros(grid, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def filled(outline, grid):
    """Fill the polygons by the even-odd rule."""
    mask = np.zeros(grid, np.uint8)
    cv2.fillPoly(mask, [polygon.astype(np.int32) for polygon in outline.polygons], 1)
    return mask.astype(bool)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_outline_encloses_its_mask(seed):
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=(60, 80)), (0, 0), 6)
    mask = noise > np.quantile(noise, 0.8)
    (outline,) = outlines(labelled(mask))
    u, v = outline.anchor
    assert mask[int(v), int(u)]
    again = filled(outline, mask.shape)
    assert (again & mask).sum() / (again | mask).sum() > 0.85


def test_outline_keeps_holes_and_puts_the_label_on_the_object():
    mask = ring()
    (outline,) = outlines(labelled(mask))
    assert len(outline.polygons) == 2
    assert mask[int(outline.anchor[1]), int(outline.anchor[0])]
    assert sum(len(polygon) for polygon in outline.polygons) < 60


def test_outline_of_a_box_is_its_corners():
    (outline,) = outlines(labelled(box(10, 5, 20, 9)))
    assert sorted(map(tuple, outline.polygons[0].tolist())) == [(10, 5), (10, 8), (19, 5), (19, 8)]


def test_small_objects_come_last_and_empty_ones_not_at_all():
    shapes = outlines(labelled(box(3, 3, 4, 4), np.zeros((40, 60), bool), box(0, 0, 30, 30), ids=[7, 8, 9]))
    assert [shape.object_id for shape in shapes] == [9, 7]
    assert shapes[1].anchor == (3, 3)
    assert shapes[1].polygons[0].tolist() == [[3, 3]]


def test_specks_beside_an_object_are_left_out():
    mask = box(10, 10, 30, 30)
    mask[0, 0] = True
    (outline,) = outlines(labelled(mask))
    assert len(outline.polygons) == 1


def test_drawing_marks_the_object_and_leaves_the_rest():
    image = np.full((400, 600, 3), 128, np.uint8)
    before = image.copy()
    drawn = draw_objects(image, labelled(box(20, 10, 40, 30), ids=[3]))
    np.testing.assert_array_equal(image, before)
    assert drawn.shape == image.shape
    np.testing.assert_array_equal(drawn[:90], before[:90])
    np.testing.assert_array_equal(drawn[:, :190], before[:, :190])
    expected = 0.2 * np.array(rgb_of(3)) + 0.8 * 128
    np.testing.assert_allclose(drawn[120, 220], expected, atol=1)
    assert (drawn == rgb_of(3)).all(axis=2).sum() > 400


def test_number_stays_inside_the_image():
    image = np.zeros((48, 64, 3), np.uint8)
    corner = draw_objects(image, labelled(box(59, 39, 60, 40), ids=[1234567]))
    assert (corner == rgb_of(1234567)).all(axis=2).any()
    assert draw_objects(np.zeros((4, 4, 3), np.uint8), labelled(box(0, 0, 60, 40), ids=[12])).shape == (4, 4, 3)


def test_nothing_to_draw_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    none = LabelledMasks(t=0, object_id=np.zeros(0, np.int32), masks=encode(np.zeros((0, 40, 60), bool)))
    np.testing.assert_array_equal(draw_objects(image, none), image)
