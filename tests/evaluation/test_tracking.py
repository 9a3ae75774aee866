"""Tracking metrics: the published values, cases that can be counted by hand, TrackEval's own preprocessing."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("motmetrics")
pytest.importorskip("trackeval")

import trackeval

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.evaluation.metrics.association import (
    associate_clip,
    duplicate_ids,
    iou,
    match_objects,
    share_ignored,
)
from fast_snow.evaluation.metrics.tracking import as_objects, score_tracking
from fast_snow.kernels.masks import decode, encode, encode_labels
from fast_snow.types import LabelledMasks
from tests.building import GRID, boxes

LEFT, RIGHT, FAR = (2, 2, 10, 10), (12, 2, 20, 10), (22, 12, 30, 20)
Corners = tuple[float, float, float, float]


def entry(frame: int, objects: Mapping[int, Corners], **kwargs) -> ObjectsInFrame:
    return ObjectsInFrame(
        frame=frame,
        object_id=np.array(list(objects), np.int64),
        box_xyxy=np.array(list(objects.values()), np.float32).reshape(-1, 4),
        **kwargs,
    )


def masked(frame: int, objects: Mapping[int, Corners], ignore=None, grid=GRID) -> ObjectsInFrame:
    return entry(
        frame,
        objects,
        masks=boxes(*objects.values(), grid=grid),
        ignore=None if ignore is None else boxes(ignore, grid=grid),
    )


def clip(*frames: Mapping[int, Corners]) -> list[ObjectsInFrame]:
    return [masked(frame, objects) for frame, objects in enumerate(frames)]


TWO = [{1: LEFT, 2: RIGHT}] * 6


def read_mot(path: Path) -> list[ObjectsInFrame]:
    """Read `frame, id, left, top, width, height, …`."""
    frames: dict[int, dict[int, Corners]] = defaultdict(dict)
    with path.open(newline="") as file:
        for frame, identity, *box in csv.reader(file):
            x, y, width, height = map(float, box[:4])
            frames[int(frame)][int(identity)] = (x, y, x + width, y + height)
    return [entry(*each) for each in sorted(frames.items())]


def test_published_values(clips: Path):
    folder = clips / "tud_campus"
    expected = json.loads((folder / "reference.json").read_text())
    found = score_tracking(read_mot(folder / "gt.txt"), read_mot(folder / "test.txt"), by="box")
    published = expected["published_py_motmetrics"]
    for name in ("idf1", "idp", "idr", "mota", "motp"):
        assert getattr(found, name) == pytest.approx(published[name], abs=1e-6)
    assert (found.switches, found.fragmentations) == (7, 7)
    assert (found.misses, found.false_positives) == (published["num_misses"], published["num_false_positives"])
    assert found.matches + found.misses == found.objects
    assert found.matches + found.false_positives == found.predicted
    assert 2 * found.id_matches / (found.objects + found.predicted) == pytest.approx(found.idf1)
    for name, value in expected["recomputed_hota"].items():
        assert getattr(found, name.lower()) == pytest.approx(value, abs=1e-6)
    assert found.frames == expected["frames"]
    assert found.switches_per_1000 == pytest.approx(expected["per_1k_frames"]["id_switches"], abs=1e-3)
    assert found.fragmentations_per_1000 == pytest.approx(expected["per_1k_frames"]["fragmentations"], abs=1e-3)


@pytest.mark.parametrize("by", ["mask", "box"])
def test_perfect(by: str):
    found = score_tracking(clip(*TWO), clip(*TWO), by=by)
    assert found.idf1 == found.idp == found.idr == found.mota == found.hota == found.deta == found.assa == 1
    assert found.recall == 1
    assert found.motp == found.switches == found.fragmentations == found.misses == found.false_positives == 0
    assert (found.frames, found.objects, found.predicted, found.matches, found.id_matches) == (6, 12, 12, 12, 12)


def test_ids_need_not_be_the_same_nor_small():
    renamed = [{2**60: LEFT, 7: RIGHT}] * 6
    assert score_tracking(clip(*TWO), clip(*renamed), by="mask").idf1 == 1


def test_one_switch():
    found = score_tracking(clip(*[{1: LEFT}] * 6), clip(*[{5: LEFT}] * 4, *[{6: LEFT}] * 2), by="mask")
    assert (found.switches, found.fragmentations, found.misses) == (1, 0, 0)
    assert found.mota == pytest.approx(1 - 1 / 6)
    assert found.idf1 == pytest.approx(2 * 4 / 12)
    assert found.switches_per_1000 == pytest.approx(1000 / 6)
    assert found.assa == pytest.approx((4 * 4 / 6 + 2 * 2 / 6) / 6)  # TPA / (TPA + FNA + FPA), over true positives
    assert found.deta == 1


def test_swap():
    swapped = [{1: LEFT, 2: RIGHT}] * 3 + [{2: LEFT, 1: RIGHT}] * 3
    found = score_tracking(clip(*TWO), clip(*swapped), by="mask")
    assert (found.switches, found.fragmentations) == (2, 0)
    assert found.idf1 == pytest.approx(0.5)
    assert found.assa == pytest.approx(3 / 9)


def test_gap_of_the_tracker():
    found = score_tracking(clip(*[{1: LEFT}] * 6), clip({1: LEFT}, {1: LEFT}, {}, {}, {1: LEFT}, {1: LEFT}), by="mask")
    assert (found.switches, found.fragmentations, found.misses) == (0, 1, 2)
    assert found.idf1 == pytest.approx(2 * 4 / (6 + 4))
    assert found.fragmentations_per_1000 == pytest.approx(1000 / 6)


def test_gap_of_the_truth_does_not_fragment():
    gap = [{1: LEFT}, {1: LEFT}, {}, {}, {1: LEFT}]
    assert score_tracking(clip(*gap), clip(*gap), by="mask").fragmentations == 0
    again = score_tracking(clip(*gap), clip(*gap[:3], {}, {2: LEFT}), by="mask")
    assert (again.switches, again.fragmentations) == (1, 0)  # a switch however long ago the last match was


def test_lost_for_good_is_no_fragmentation():
    assert score_tracking(clip(*[{1: LEFT}] * 4), clip({1: LEFT}, {1: LEFT}, {}, {}), by="mask").fragmentations == 0
    assert score_tracking(clip(*[{1: LEFT}] * 4), clip({}, {}, {1: LEFT}, {1: LEFT}), by="mask").fragmentations == 0


def test_flicker():
    found = score_tracking(
        clip(*[{1: LEFT}] * 7), clip(*[{1: LEFT} if i % 2 == 0 else {} for i in range(7)]), by="mask"
    )
    assert (found.switches, found.fragmentations, found.misses) == (0, 3, 3)


def test_coming_back_as_another_is_a_switch_and_a_fragmentation():
    found = score_tracking(clip(*[{1: LEFT}] * 3), clip({1: LEFT}, {}, {2: LEFT}), by="mask")
    assert (found.switches, found.fragmentations) == (1, 1)


def test_nothing_found():
    found = score_tracking(clip(*TWO), clip(*[{}] * 6), by="mask")
    assert found.idf1 == found.idp == found.idr == found.mota == found.hota == found.deta == found.assa == 0
    assert found.recall == 0
    assert (found.misses, found.matches, found.predicted) == (12, 0, 0)
    assert math.isnan(found.motp)


def test_all_wrong():
    found = score_tracking(clip(*[{1: LEFT}] * 2), clip(*[{1: FAR, 2: RIGHT}] * 2), by="mask")
    assert found.mota == pytest.approx(1 - (2 + 4) / 2)
    assert found.idf1 == found.hota == 0


def test_a_true_frame_without_an_entry_is_missed():
    found = score_tracking(clip(*TWO), clip(*TWO)[:4], by="mask")
    assert (found.frames, found.misses) == (6, 4)


def test_frames_outside_the_truth_do_not_count():
    found = score_tracking(clip(*TWO)[2:4], clip(*TWO), by="mask")
    assert (found.frames, found.frames_outside, found.false_positives, found.idf1) == (2, 4, 0, 1)


def test_the_threshold_is_met_by_its_own_value():
    half = {1: (2, 2, 10, 6)}  # IoU 1/2 with LEFT
    assert score_tracking(clip({1: LEFT}), clip(half), by="mask").matches == 1
    assert score_tracking(clip({1: LEFT}), clip(half), by="mask", iou_threshold=0.51).matches == 0


def test_what_lies_in_ignored_regions_counts_neither_way():
    truth = [masked(0, {1: LEFT}, ignore=(11, 0, 32, 11))]
    found = score_tracking(truth, [masked(0, {1: LEFT, 2: RIGHT, 3: FAR})], by="mask")
    assert (found.ignored, found.false_positives, found.predicted) == (1, 1, 2)  # FAR is outside of it
    assert found.idp == 0.5


@pytest.mark.parametrize(("edge", "ignored"), [(16, 0), (17, 1)])
@pytest.mark.parametrize("by", ["mask", "box"])
def test_more_than_half_must_be_in_an_ignored_region(edge: int, ignored: int, by: str):
    truth = [masked(0, {1: LEFT}, ignore=(12, 0, edge, 24))]
    assert score_tracking(truth, [masked(0, {2: RIGHT})], by=by).ignored == ignored


def test_a_match_in_an_ignored_region_stays():
    truth = [masked(0, {1: LEFT}, ignore=(0, 0, 32, 24))]
    found = score_tracking(truth, [masked(0, {1: LEFT, 2: RIGHT})], by="mask")
    assert (found.matches, found.ignored, found.idf1) == (1, 1, 1)


def test_boxes_past_the_edge_of_the_frame_are_partly_ignored():
    truth = masked(0, {}, ignore=(0, 0, 4, 24))
    found = entry(0, {1: (-4, 0, 4, 4), 2: (-3, 0, 4, 4)})
    np.testing.assert_allclose(share_ignored(truth, found, by="box"), [4 / 8, 4 / 7])


def test_iou_of_masks_is_exact():
    random = np.random.default_rng(0)
    a, b = random.random((4, *GRID)) < 0.5, random.random((3, *GRID)) < 0.7
    objects = [
        entry(0, dict.fromkeys(range(len(each)), LEFT), masks=encode(each)) for each in (a, b)
    ]  # in this test boxes do not matter
    common = (a[:, None] & b).sum(axis=(2, 3))
    union = (a[:, None] | b).sum(axis=(2, 3))
    np.testing.assert_array_equal(iou(*objects, by="mask"), common / union)


def test_iou_of_empty_boxes_is_0():
    np.testing.assert_array_equal(iou(entry(0, {1: (3, 3, 3, 3)}), entry(0, {1: (3, 3, 3, 3)}), by="box"), [[0]])


def test_as_many_pairs_as_can_be():
    ratio = np.array([[0.5, 0.99, 0], [0, 0.5, 0.99], [0, 0, 0.5]])  # the greatest sum alone would leave the last out
    assert match_objects(ratio, 0.5).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert match_objects(np.zeros((2, 2)), 0.5).tolist() == []


def test_sizes_that_differ_are_one_line():
    with pytest.raises(InputError, match="frame 0: the truth is of 32 x 24 pixels, the prediction of 16 x 12;"):
        score_tracking(clip({1: LEFT}), [masked(0, {1: (1, 1, 5, 5)}, grid=(12, 16))], by="mask")


def test_sizes_that_differ_are_seen_where_nothing_is_found():
    with pytest.raises(InputError, match="bring it to the truth's size"):
        score_tracking(clip({1: LEFT}), [masked(0, {}, grid=(12, 16))], by="mask")


def test_no_common_frame_is_one_line():
    with pytest.raises(InputError, match="2 frames from 0 to 1, prediction has 1 frames from 5 to 5: none in common"):
        score_tracking(clip({}, {1: LEFT}), [masked(5, {1: LEFT})], by="mask")
    with pytest.raises(InputError, match="prediction has no frames"):
        score_tracking(clip({1: LEFT}), [], by="mask")


def test_truth_without_objects_is_one_line():
    with pytest.raises(InputError, match="truth has no object in 1 frames"):
        score_tracking(clip({}), clip({1: LEFT}), by="mask")


def test_frames_and_ids_come_once():
    twice = entry(3, {1: LEFT})
    with pytest.raises(InputError, match="prediction: frame 3 comes twice"):
        score_tracking([twice], [twice, twice], by="box")
    doubled = ObjectsInFrame(frame=3, object_id=np.array([4, 4]), box_xyxy=np.zeros((2, 4), np.float32))
    assert duplicate_ids(each.object_id for each in (twice, doubled, doubled)) == 2
    with pytest.raises(InputError, match="prediction: frame 3 has object 4 twice"):
        score_tracking([twice], [doubled], by="box")


def test_masks_that_are_not_there_are_one_line():
    with pytest.raises(InputError, match="frame 0: the true objects have boxes alone; compare by boxes"):
        score_tracking([entry(0, {1: LEFT})], clip({1: LEFT}), by="mask")


def test_a_threshold_out_of_range():
    with pytest.raises(InputError, match="IoU threshold: got 0"):
        score_tracking(clip({1: LEFT}), clip({1: LEFT}), by="mask", iou_threshold=0.0)


def test_our_masks_take_the_size_and_the_frames_of_the_truth():
    dot = boxes((0, 0, 8, 8), (31, 23, 32, 24))
    labelled = [LabelledMasks(t=t, object_id=np.array([7, 9], np.int32), masks=dot) for t in range(2)]
    first, second = as_objects(labelled, np.array([30, 33]), (12, 64))
    assert (first.frame, second.frame) == (30, 33)
    assert first.object_id.tolist() == [7, 9]
    assert first.box_xyxy[0].tolist() == [0, 0, 16, 4]
    assert decode(first.masks).shape == (2, 12, 64)
    assert as_objects(labelled, np.array([30, 33]), (6, 8))[0].object_id.tolist() == [7]  # the dot is between centres
    with pytest.raises(InputError, match="frame t=1: the clip has 1 frames"):
        as_objects(labelled, np.array([30]), (12, 64))


def read_mots(folder: Path) -> list[ObjectsInFrame]:
    """Read id maps: 0 is background, 255 is to be ignored."""
    entries = []
    for frame, path in enumerate(sorted(folder.rglob("*.png"))):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.int32)
        ids = np.setdiff1d(labels, [0, 255]).astype(np.int32)
        entries.append(
            ObjectsInFrame(
                frame=frame,
                object_id=ids.astype(np.int64),
                box_xyxy=np.zeros((len(ids), 4), np.float32),
                masks=encode_labels(labels, ids),
                ignore=encode_labels(labels, np.array([255], np.int32)),
            )
        )
    return entries


def damaged(truth: Sequence[ObjectsInFrame]) -> list[ObjectsInFrame]:
    """Shift masks, swap ids half way, drop some, and add some inside and outside of the ignored region."""
    random = np.random.default_rng(0)
    entries = []
    for each in truth:
        dense = np.roll(decode(each.masks), 3, axis=2)
        extra = decode(each.ignore) & (np.arange(dense.shape[2]) % 200 < 150)
        spurious = np.zeros_like(extra)
        spurious[:, 400:440, 20:60] = True
        dense = np.concatenate([dense, extra, spurious])
        ids = np.concatenate([each.object_id, [100, 101]])
        if each.frame > len(truth) // 2:
            ids[:2] = ids[1::-1]
        dense[1:] &= ~np.maximum.accumulate(dense, axis=0)[:-1]  # the challenge knows no overlap
        kept = (random.random(len(ids)) < 0.8) & dense.any(axis=(1, 2))
        entries.append(
            ObjectsInFrame(
                frame=each.frame,
                object_id=ids[kept],
                box_xyxy=np.zeros((int(kept.sum()), 4), np.float32),
                masks=encode(dense[kept]),
            )
        )
    return entries


def prepared_by_trackeval(truth: Sequence[ObjectsInFrame], found: Sequence[ObjectsInFrame]) -> dict:
    """Run TrackEval's own MOTS rules over the masks."""
    coco = pytest.importorskip("pycocotools.mask")

    def rle(masks) -> list:
        return [coco.encode(np.asfortranarray(each, np.uint8)) for each in decode(masks)]

    challenge = object.__new__(trackeval.datasets.MOTSChallenge)  # its constructor wants the challenge's folders
    challenge.class_name_to_class_id = {"pedestrian": "2"}
    true_masks, found_masks = [rle(each.masks) for each in truth], [rle(each.masks) for each in found]
    raw = {
        "num_timesteps": len(truth),
        "seq": "05",
        "gt_ids": [each.object_id for each in truth],
        "gt_classes": [np.full(len(each), 2) for each in truth],
        "gt_dets": true_masks,
        "gt_ignore_region": [rle(each.ignore)[0] for each in truth],
        "tracker_ids": [each.object_id for each in found],
        "tracker_classes": [np.full(len(each), 2) for each in found],
        "tracker_dets": found_masks,
        "similarity_scores": [
            challenge._calculate_mask_ious(a, b, is_encoded=True, do_ioa=False)
            for a, b in zip(true_masks, found_masks, strict=True)
        ],
    }
    return challenge.get_preprocessed_seq_data(raw, "pedestrian")


def test_ignored_regions_and_hota_are_those_of_trackeval(clips: Path):
    truth = read_mots(clips / "mots20_05_dev")[:20]
    found = damaged(truth)
    data = prepared_by_trackeval(truth, found)
    ours = associate_clip(truth, found, by="mask", iou_threshold=0.5)
    assert ours.ignored > 0
    assert data["num_tracker_dets"] == sum(len(each.predicted) for each in ours.frames)
    for pair, theirs in zip(ours.frames, data["similarity_scores"], strict=True):
        np.testing.assert_allclose(pair.iou, theirs, rtol=0, atol=1e-15)
    scores = score_tracking(truth, found, by="mask")
    hota = trackeval.metrics.HOTA().eval_sequence(data)
    identity = trackeval.metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    clear = trackeval.metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    for name in ("HOTA", "DetA", "AssA", "LocA"):
        assert getattr(scores, name.lower()) == pytest.approx(hota[name].mean())
    assert scores.idf1 == pytest.approx(identity["IDF1"])
    assert (scores.misses, scores.false_positives) == (clear["CLR_FN"], clear["CLR_FP"])
    assert scores.switches == clear["IDSW"] > 0
