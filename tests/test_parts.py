"""Masklets that are a part of another: dropped, and what merely lies in its mask stays."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

import fast_snow
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import decode, encode
from fast_snow.parts import without_parts
from fast_snow.types import Detections, TrackedFrame

GRID = (60, 80)
Named = tuple[int, np.ndarray]


def box(u: int, v: int, right: int, below: int) -> np.ndarray:
    mask = np.zeros(GRID, np.bool_)
    mask[v:below, u:right] = True
    return mask


BOX, TOP, FACE, ELSEWHERE = box(10, 20, 50, 50), box(14, 20, 46, 34), box(10, 34, 32, 50), box(60, 20, 75, 50)
BALL = cv2.circle(np.zeros(GRID, np.uint8), (30, 13), 7, 1, -1) > 0


def frame(*named: Named) -> TrackedFrame:
    """Return masklets given as (local id, mask)."""
    masks = np.stack([mask for _, mask in named]) if named else np.zeros((0, *GRID), np.bool_)
    return TrackedFrame(
        run_id=np.zeros(len(named), np.int32),
        local_id=np.array([i for i, _ in named], np.int32),
        masks=encode(masks),
        score=np.ones(len(named), np.float32),
    )


def found(*masks: np.ndarray, score: float = 0.9) -> Detections:
    encoded = encode(np.stack(masks) if masks else np.zeros((0, *GRID), np.bool_))
    return Detections(masks=encoded, box_xyxy=bounding_boxes(encoded), score=np.full(len(masks), score, np.float32))


def left(
    clip: Sequence[TrackedFrame], *, nested: float = 0.8, detections: Sequence[Detections] | None = None
) -> tuple[int, set[int]]:
    """Return how many masklets are dropped, and which stay; unless told otherwise all are detected in each frame."""
    if detections is None:
        detections = [found(*decode(each.masks)) for each in clip]
    kept = without_parts(clip, detections, nested_thresh=nested, iou_thresh=0.3)
    return kept.parts, {i for each in kept.frames for i in each.local_id.tolist()}


def test_the_faces_of_a_box_are_no_objects():
    """Each was found where the box as a whole was not; a part of a part goes as well."""
    clip = [frame((0, TOP), (1, BOX), (2, FACE), (3, box(12, 36, 24, 44)), (4, ELSEWHERE))] * 12
    assert left(clip) == (3, {1, 4})


def test_a_ball_that_lies_in_the_mask_of_its_crate_is_an_object():
    assert left([frame((0, BALL), (1, BOX | BALL))] * 5) == (0, {0, 1})


def test_what_the_floor_takes_in_is_an_object():
    """A mask that spills around an object is hardly more convex for having it."""
    floor = box(2, 45, 78, 56) | BALL | box(26, 18, 34, 46)
    assert left([frame((0, BALL), (1, floor))] * 5) == (0, {0, 1})


def test_what_is_detected_more_than_its_whole_is_an_object():
    """A mask that has spilt over it: all but one of the detections of either are of the object."""
    clip = [frame((0, FACE), (1, BOX))] * 5
    assert left(clip, detections=[found(BOX), *[found(FACE)] * 4]) == (0, {0, 1})
    assert left(clip, detections=[found(FACE), *[found(BOX)] * 4]) == (1, {1})
    assert left(clip, detections=[found(BOX, score=0.3), found(FACE), found(), found(), found()]) == (0, {0, 1})


def test_what_has_spilt_over_one_object_is_the_whole_of_none():
    clip = [frame((0, FACE), (1, BOX), (2, TOP))] * 5
    assert left(clip, detections=[found(BOX, TOP)] * 5) == (2, {1})
    assert left(clip, detections=[found(FACE), found(FACE), found(FACE), found(BOX), found(TOP)]) == (0, {0, 1, 2})


def test_half_of_a_thing_may_be_one_of_two_that_stand_side_by_side():
    """Either half is as convex as both."""
    assert left([frame((0, box(10, 20, 28, 50)), (1, BOX))] * 5) == (0, {0, 1})


def test_what_is_small_against_another_is_an_object_on_it():
    assert left([frame((0, box(20, 30, 30, 40)), (1, BOX))] * 5) == (0, {0, 1})


@pytest.mark.parametrize(("inside", "parts"), [(7, 0), (8, 0), (9, 1)])
def test_a_part_is_inside_by_more_than_the_threshold_over_all_frames(inside: int, parts: int):
    """A face that leaves the box, or outlives it, is something else: inside in so many of ten frames."""
    clip = [frame((0, FACE), (1, BOX))] * inside
    assert left([*clip, *[frame((0, FACE))] * (10 - inside)])[0] == parts
    assert left([*clip, *[frame((0, ELSEWHERE), (1, BOX))] * round(1.2 * (10 - inside))])[0] == parts


def test_nothing_is_a_part_at_a_threshold_of_one():
    assert left([frame((0, FACE), (1, BOX))] * 5, nested=1.0) == (0, {0, 1})


def test_recorded_objects_are_no_parts_and_have_none():
    def recorded(each: TrackedFrame, *ids: int) -> TrackedFrame:
        return replace(each, source_id=np.array(ids, np.int32))

    clip = frame((0, FACE), (1, BOX))
    for ids in ((5, 7), (5, -1), (-1, 7)):
        assert left([recorded(clip, *ids)] * 5) == (0, {0, 1})


def test_no_masklets_at_all():
    assert left([frame(), frame()]) == (0, set())


def test_a_face_that_was_found_alone_is_counted_and_no_track():
    """The segmenter answers the whole box at first, and only its face later."""
    look = np.random.default_rng(0).integers(40, 80, (*GRID, 3)).astype(np.uint8)
    look[BOX] += 100
    images = np.stack([look] * 8)

    def segment(image: np.ndarray) -> np.ndarray:
        return np.stack([FACE if image[0, 0, 0] == 1 else BOX])

    images[4:, 0, 0] = 1
    engines = fast_snow.Engines(segmenter=fast_snow.SegmenterFunction(segment, name="faces"))
    config = fast_snow.Config(engines=fast_snow.config.EnginesConfig(geometry="classical", tracker="classical"))
    result = fast_snow.build_graph(fast_snow.recording_from_arrays(images, fps=10.0), config=config, engines=engines)
    assert result.record["health"]["parts_dropped"] == 1
    assert len(result.graph.tracks) == 1
