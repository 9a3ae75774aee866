"""Tracking metrics: published values, hand-sized cases, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("motmetrics")
pytest.importorskip("trackeval")
from fast_snow.errors import InputError
from fast_snow.evaluation.overlap import box_iou
from fast_snow.evaluation.tracking import as_objects, score
from fast_snow.evaluation.truth import ObjectsInFrame
from fast_snow.kernels.masks import concatenate, encode
from fast_snow.types import LabelledMasks

SIZE = (20, 30)
LEFT, RIGHT, AWAY = (0, 0, 10, 10), (15, 0, 25, 10), (0, 12, 8, 20)


def frame(index: int, objects: dict[int, tuple[int, int, int, int]], *, ignore=None, size=SIZE) -> ObjectsInFrame:
    dense = np.zeros((len(objects), *size), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(dense, objects.values(), strict=True):
        mask[y0:y1, x0:x1] = True
    ignored = None
    if ignore is not None:
        x0, y0, x1, y1 = ignore
        outline = np.zeros((1, *size), np.bool_)
        outline[0, y0:y1, x0:x1] = True
        ignored = encode(outline)
    return ObjectsInFrame(
        frame=index,
        object_id=np.array(list(objects), np.int64),
        box_xyxy=np.array(list(objects.values()), np.float32).reshape(-1, 4),
        masks=encode(dense),
        ignore=ignored,
    )


TRUTH = [frame(t, {1: LEFT, 2: RIGHT}) for t in range(6)]


def scored(found: list[dict[int, tuple[int, int, int, int]]], by: str = "mask"):
    return score(TRUTH, [frame(t, each) for t, each in enumerate(found)], by=by)


@pytest.mark.parametrize("by", ["mask", "box"])
def test_perfect_tracks(by: str):
    found = scored([{7: LEFT, 9: RIGHT}] * 6, by)
    assert (found.idf1, found.mota, found.hota, found.deta, found.assa) == pytest.approx((1, 1, 1, 1, 1))
    assert (found.switches, found.fragmentations, found.misses, found.false_positives) == (0, 0, 0, 0)


def test_one_switch():
    found = scored([{7: LEFT, 9: RIGHT}] * 3 + [{8: LEFT, 9: RIGHT}] * 3)
    assert (found.switches, found.fragmentations) == (1, 0)
    assert found.mota == pytest.approx(1 - 1 / 12)
    assert found.idf1 == pytest.approx(2 * 9 / 24)
    assert found.switches_per_1000 == pytest.approx(1000 / 6)


def test_a_gap_is_a_fragmentation_and_no_switch():
    found = scored([{7: LEFT, 9: RIGHT}] * 2 + [{9: RIGHT}] * 2 + [{7: LEFT, 9: RIGHT}] * 2)
    assert (found.switches, found.fragmentations, found.misses) == (0, 1, 2)
    assert found.mota == pytest.approx(1 - 2 / 12)


def test_a_swap_is_two_switches():
    found = scored([{7: LEFT, 9: RIGHT}] * 3 + [{9: LEFT, 7: RIGHT}] * 3)
    assert (found.switches, found.fragmentations) == (2, 0)
    assert found.idf1 == pytest.approx(0.5)


def test_flicker():
    found = scored([{7: LEFT, 9: RIGHT}, {9: RIGHT}] * 3)
    assert (found.misses, found.fragmentations) == (3, 2)


def test_a_false_positive_and_a_frame_without_result():
    found = score(TRUTH, [frame(t, {7: LEFT, 9: RIGHT, 11: AWAY}) for t in range(5)], by="mask")
    assert (found.false_positives, found.misses, found.frames) == (5, 2, 6)


def test_frames_without_annotation_do_not_count():
    found = score(TRUTH[::2], [frame(t, {7: LEFT, 9: RIGHT}) for t in range(6)], by="mask")
    assert (found.frames, found.outside, found.idf1) == (3, 6, 1.0)


def test_what_lies_in_ignored_pixels_counts_neither_way():
    truth = [frame(t, {1: LEFT}, ignore=(0, 11, 30, 20)) for t in range(3)]
    with_ignored = score(truth, [frame(t, {7: LEFT, 8: AWAY}) for t in range(3)], by="mask")
    assert (with_ignored.false_positives, with_ignored.found_objects, with_ignored.idf1) == (0, 3, 1.0)
    outside = score(truth, [frame(t, {7: LEFT, 8: RIGHT}) for t in range(3)], by="mask")
    assert outside.false_positives == 3


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        (TRUTH, [frame(40, {1: LEFT})], "no frame in common: the truth has frames 0 to 5, the result frames 40 to 40"),
        (TRUTH, [], "no frame in common: .* the result none"),
        (
            TRUTH,
            [frame(0, {1: LEFT}, size=(40, 60))],
            "frame 0: the ground truth is 20 x 30 pixels, the result 40 x 60",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line(truth, found, message: str):
    with pytest.raises(InputError, match=message):
        score(truth, found, by="mask")


def test_an_identity_twice_in_a_frame_is_refused():
    twice = ObjectsInFrame(frame=0, object_id=np.array([3, 3]), box_xyxy=np.array([LEFT, RIGHT], np.float32))
    with pytest.raises(InputError, match="frame 0: the result has an identity twice"):
        score(TRUTH, [twice], by="box")


def test_masks_of_a_run_come_to_the_annotated_size():
    masks = concatenate([TRUTH[0].masks], SIZE)
    labelled = LabelledMasks(t=0, object_id=np.array([1, 2], np.int32), masks=masks)
    (found,) = as_objects([labelled], np.array([12], np.int64), (40, 60))
    assert found.frame == 12
    np.testing.assert_array_equal(found.box_xyxy, 2 * TRUTH[0].box_xyxy)


def test_iou_of_boxes():
    a = np.array([[0, 0, 2, 2], [0, 0, 0, 0]], np.float32)
    b = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]], np.float32)
    np.testing.assert_allclose(box_iou(a, b), [[1 / 3, 1, 0], [0, 0, 0]])


def boxes_of(path: Path, frames: int) -> list[ObjectsInFrame]:
    rows = np.loadtxt(path, delimiter=",")
    found = []
    for index in range(1, frames + 1):
        here = rows[rows[:, 0] == index]
        box = here[:, 2:6].copy()
        box[:, 2:] += box[:, :2]
        found.append(
            ObjectsInFrame(frame=index - 1, object_id=here[:, 1].astype(np.int64), box_xyxy=box.astype(np.float32))
        )
    return found


def test_published_values(clips: Path):
    folder = clips / "tud_campus"
    reference = json.loads((folder / "reference.json").read_text())
    count = reference["frames"]
    found = score(boxes_of(folder / "gt.txt", count), boxes_of(folder / "test.txt", count), by="box")
    published, hota = reference["published_py_motmetrics"], reference["recomputed_hota"]
    for name in ("idf1", "idp", "idr", "mota", "motp"):
        assert getattr(found, name) == pytest.approx(published[name], abs=1e-6)
    assert found.switches == published["num_switches"] == 7
    assert found.fragmentations == published["num_fragmentations"] == 7
    assert (found.misses, found.false_positives) == (published["num_misses"], published["num_false_positives"])
    for name in ("HOTA", "DetA", "AssA"):
        assert getattr(found, name.lower()) == pytest.approx(hota[name], abs=1e-6)
    assert found.switches_per_1000 == pytest.approx(reference["per_1k_frames"]["id_switches"], abs=1e-3)
