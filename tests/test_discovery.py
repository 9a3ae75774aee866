"""New objects among detections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.discovery import Prompts, discover, is_new, prompts_of_frame
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import bounding_boxes
from tests.building import detections, tracked

LEFT, RIGHT = (2, 2, 10, 10), (20, 2, 28, 10)


def prompted(asked: Prompts) -> list[tuple[int, list[float]]]:
    return [(each.frame, bounding_boxes(each.mask)[0].tolist()) for each in asked.prompts]


def test_the_first_pass_starts_from_every_detection():
    assert prompted(prompts_of_frame(detections(LEFT, RIGHT), 3)) == [(3, list(LEFT)), (3, list(RIGHT))]


def test_the_first_pass_starts_from_the_best_where_there_are_too_many():
    found = detections(LEFT, (12, 12, 20, 22), RIGHT, score=[0.9, 0.9, 0.5])
    asked = prompts_of_frame(found, 0, most=2)
    assert prompted(asked) == [(0, list(LEFT)), (0, [12, 12, 20, 22])]
    assert asked.left_out == 1


def test_the_best_candidates_are_prompted_where_there_are_too_many():
    found = [detections(LEFT, RIGHT, score=[0.5, 0.9]), detections((2, 12, 12, 22), score=[0.9])]
    asked = discover(found, [tracked()] * 2, iou_thresh=0.3, most=2)
    assert prompted(asked) == [(0, list(RIGHT)), (1, [2, 12, 12, 22])]
    assert asked.left_out == 1
    assert discover(found, [tracked()] * 2, iou_thresh=0.3, most=0) == Prompts((), 3)


def test_a_tracked_object_is_not_discovered():
    assert discover([detections(LEFT)] * 3, [tracked((0, 0, LEFT))] * 3, iou_thresh=0.3) == Prompts((), 0)


def test_one_new_object_in_many_frames_is_prompted_once_at_its_best_frame():
    moving = [(20 - i, 2, 28 - i, 10) for i in range(5)]
    found = [detections(box, score=[0.9 if i == 3 else 0.5]) for i, box in enumerate(moving)]
    prompts = discover(found, [tracked()] * 5, iou_thresh=0.3)
    assert prompted(prompts) == [(3, list(moving[3]))]


def test_a_larger_view_of_equal_score_is_the_better_prompt():
    found = [detections((20, 2, 26, 10)), detections(RIGHT), detections((21, 2, 28, 10))]
    assert prompted(discover(found, [tracked()] * 3, iou_thresh=0.3)) == [(1, list(RIGHT))]


def test_neighbours_that_do_not_overlap_are_two_objects():
    found = [detections(LEFT), detections(RIGHT)]
    assert prompted(discover(found, [tracked()] * 2, iou_thresh=0.3)) == [(0, list(LEFT)), (1, list(RIGHT))]


def test_small_objects_are_linked_under_a_moving_camera():
    """Everything shifts by eight pixels a frame, more than the new object is wide."""
    found = [detections((2 + 8 * i, 18, 6 + 8 * i, 22)) for i in range(3)]
    known = [tracked((0, 0, (4 + 8 * i, 2, 12 + 8 * i, 10))) for i in range(3)]
    assert len(discover(found, known, iou_thresh=0.3).prompts) == 1


def test_a_gap_ends_a_candidate():
    found = [detections(LEFT), detections(), detections(LEFT)]
    assert len(discover(found, [tracked()] * 3, iou_thresh=0.3).prompts) == 2


@pytest.mark.parametrize(("known", "expected"), [((2, 2, 10, 4), True), ((2, 2, 10, 5), False)])
def test_new_is_below_the_threshold(known: tuple[int, int, int, int], expected: bool):
    assert is_new(detections(LEFT), tracked((0, 0, known)), 0.3).tolist() == [expected]  # IoU 0.25 and 0.375


def test_everything_is_new_where_nothing_is_known():
    assert is_new(detections(LEFT, RIGHT), tracked(), 0.3).tolist() == [True, True]


corner = st.tuples(st.integers(0, 24), st.integers(0, 16), st.integers(2, 8), st.integers(2, 8)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(corner, max_size=4), min_size=1, max_size=5), st.lists(corner, max_size=3))
def test_every_new_detection_belongs_to_a_prompted_candidate(clip: list, known: list):
    found = [detections(*frame) for frame in clip]
    tracks = [tracked(*((0, i, box) for i, box in enumerate(known)))] * len(clip)
    prompts = discover(found, tracks, iou_thresh=0.3).prompts
    new = [np.count_nonzero(is_new(f, t, 0.3)) for f, t in zip(found, tracks, strict=True)]
    assert max(new) <= len(prompts) <= sum(new)
    for each in prompts:
        assert pairwise_iou(each.mask, tracks[each.frame].masks).max(initial=0.0) < 0.3
