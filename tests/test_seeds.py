"""Which detections may start an object."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.discovery import Seeds, seeds
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.types import Detections
from tests.building import Box, detections

PERSON, SHIRT, BUTTON = (4, 2, 14, 22), (5, 6, 13, 14), (8, 8, 10, 10)


def left(found: Detections, *, min_points: int = 1, nested: float = 0.8) -> tuple[Seeds, list[Box]]:
    kept = seeds([found], min_points=min_points, nested_thresh=nested)
    return kept, [tuple(int(side) for side in box) for box in bounding_boxes(kept.detections[0].masks)]


def recorded(found: Detections) -> Detections:
    return replace(found, source_id=np.arange(len(found), dtype=np.int32))


def test_a_part_starts_no_object():
    kept, boxes = left(detections(SHIRT, PERSON))
    assert (boxes, kept.nested, kept.too_small) == ([PERSON], 1, 0)


def test_what_is_small_in_another_mask_is_an_object_on_it():
    """A cup on a table: inside its mask, but no part of it."""
    assert left(detections(PERSON, BUTTON))[1] == [PERSON, BUTTON]


def test_the_better_of_two_nested_detections_stays():
    kept, boxes = left(detections(PERSON, SHIRT, score=[0.3, 0.9]))
    assert (boxes, kept.nested) == ([SHIRT], 1)


@pytest.mark.parametrize(("inside", "nested"), [(7, 0), (8, 0), (9, 1)])
def test_nested_is_above_the_threshold(inside: int, nested: int):
    """Of ten columns `inside` lie in the larger one: a share of 0.7, 0.8 and 0.9."""
    other = (14 - inside, 2, 24 - inside, 12)
    assert left(detections(PERSON, other))[0].nested == nested


def test_all_stay_at_a_threshold_of_one():
    assert left(detections(PERSON, SHIRT), nested=1.0)[0].nested == 0


def test_a_detection_that_could_not_be_observed_starts_no_object():
    kept, boxes = left(detections(PERSON, (20, 2, 27, 9)), min_points=50)
    assert (boxes, kept.too_small) == ([PERSON], 1)  # 49 pixels


def test_recorded_objects_all_start():
    kept, boxes = left(recorded(detections(SHIRT, PERSON, BUTTON)), min_points=50)
    assert boxes == [SHIRT, PERSON, BUTTON]
    assert (kept.nested, kept.too_small) == (0, 0)


def test_no_detection_at_all():
    assert left(detections())[1] == []
