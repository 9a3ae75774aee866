"""Masklets that repeat others: dropped, or joined to what the tracker lost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fast_snow
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.repeats import without_repeats
from fast_snow.types import DepthOrigin, Frames, Geometry, Prompt, TrackedFrame
from tests.building import Box, boxes, detections, frames, tracked

LEFT, RIGHT = (2, 2, 10, 10), (20, 2, 28, 10)


def lives(*masklets: tuple[int, int, dict[int, Box]], length: int) -> list[TrackedFrame]:
    """Return masklets given as (run id, local id, box by frame)."""
    return [tracked(*((run, i, box[t]) for run, i, box in masklets if t in box)) for t in range(length)]


def names(kept: Sequence[TrackedFrame]) -> list[list[tuple[int, int]]]:
    return [sorted(frame.names) for frame in kept]


def test_a_masklet_that_repeats_an_earlier_run_is_dropped():
    clip = [tracked((0, 0, LEFT), (1, 0, (3, 2, 11, 10)), (1, 1, RIGHT))] * 4
    resolved = without_repeats(clip, iou_thresh=0.5)
    assert (resolved.repeats, resolved.rejoined) == (1, 0)
    assert names(resolved.frames) == [[(0, 0), (1, 1)]] * 4


def test_a_masklet_that_only_crosses_another_stays():
    clip = [tracked((0, 0, LEFT), (1, 0, (2 + 6 * i, 2, 10 + 6 * i, 10))) for i in range(4)]
    assert without_repeats(clip, iou_thresh=0.5).repeats == 0


def test_no_masklets_at_all():
    resolved = without_repeats([tracked(), tracked()], iou_thresh=0.5)
    assert ([len(frame) for frame in resolved.frames], resolved.repeats) == ([0, 0], 0)


def test_two_frames_are_too_few_for_a_longer_masklet_to_repeat_another():
    for shared, repeats in ((2, 0), (3, 1)):
        clip = lives((0, 0, dict.fromkeys(range(shared), LEFT)), (1, 0, dict.fromkeys(range(8), LEFT)), length=8)
        assert without_repeats(clip, iou_thresh=0.5).repeats == repeats


def test_a_short_masklet_repeats_another_in_the_frames_that_it_has():
    clip = lives((0, 0, dict.fromkeys(range(8), LEFT)), (1, 0, {4: LEFT}), length=8)
    assert names(without_repeats(clip, iou_thresh=0.5).frames) == [[(0, 0)]] * 8


@pytest.mark.parametrize(
    "lost", [3, 62, 119, *(pytest.param(each, marks=pytest.mark.slow) for each in (30, 60, 70, 80, 100))]
)
def test_what_was_lost_and_found_again_is_one_masklet(lost: int):
    clip = lives((0, 0, dict.fromkeys(range(lost), LEFT)), (1, 0, dict.fromkeys(range(120), LEFT)), length=120)
    resolved = without_repeats(clip, iou_thresh=0.5)
    assert (resolved.repeats, resolved.rejoined) == (1, 120 - lost)
    assert names(resolved.frames) == [[(0, 0)]] * 120


def test_a_gap_between_two_sightings_is_filled():
    known = dict.fromkeys([*range(10), *range(20, 30)], LEFT)
    clip = lives((0, 0, known), (1, 0, dict.fromkeys(range(5, 25), LEFT)), length=30)
    assert names(without_repeats(clip, iou_thresh=0.5).frames) == [[(0, 0)]] * 30


def test_two_repeats_fill_gaps_one_after_the_other():
    clip = lives(
        (0, 0, dict.fromkeys(range(10), LEFT)),
        (1, 0, dict.fromkeys(range(20), LEFT)),
        (1, 1, dict.fromkeys(range(15, 30), LEFT)),
        length=30,
    )
    resolved = without_repeats(clip, iou_thresh=0.5)
    assert names(resolved.frames) == [[(0, 0)]] * 30
    assert (resolved.repeats, resolved.rejoined) == (2, 20)


def test_a_masklet_that_drifted_onto_its_neighbour_is_not_joined():
    """The neighbour was found at frame 70; swept back, its masklet slips onto the lost object before frame 50."""
    neighbour = {t: LEFT if t < 50 else RIGHT for t in range(120)}
    clip = lives((0, 0, dict.fromkeys(range(62), LEFT)), (1, 0, neighbour), length=120)
    resolved = without_repeats(clip, iou_thresh=0.5)
    assert resolved.rejoined == 0
    assert names(resolved.frames) == [[(0, 0)]] * 50 + [[(0, 0), (1, 0)]] * 12 + [[(1, 0)]] * 58
    right = boxes(RIGHT)
    assert all(pairwise_iou(frame.masks, right)[-1, 0] == 1 for frame in resolved.frames[50:])


def test_frames_that_a_masklet_gave_up_do_not_count_for_it():
    """The third one repeats the second in the frames that this keeps; the others only repeated the first."""
    second = {t: LEFT if t < 8 else RIGHT for t in range(16)}
    third = {t: (18, 18, 26, 24) if t < 8 else RIGHT for t in range(16)}
    clip = lives((0, 0, dict.fromkeys(range(11), LEFT)), (1, 0, second), (1, 1, third), length=16)
    resolved = without_repeats(clip, iou_thresh=0.5)
    assert names(resolved.frames) == [[(0, 0), (1, 0)]] * 11 + [[(1, 0)]] * 5


def test_a_gap_whose_sides_disagree_is_not_filled():
    known = dict.fromkeys([*range(20), *range(30, 40)], LEFT)
    other = {t: LEFT if t < 25 else RIGHT for t in range(40)}
    resolved = without_repeats(lives((0, 0, known), (1, 0, other), length=40), iou_thresh=0.5)
    assert resolved.rejoined == 0
    assert names(resolved.frames)[20:30] == [[(1, 0)]] * 10


def test_a_recorded_identity_is_never_added_to():
    def frame(t: int) -> TrackedFrame:
        both = tracked((0, 0, LEFT), (1, 0, LEFT)) if t < 6 else tracked((1, 0, LEFT))
        source = np.where(both.run_id == 0, 5, -1).astype(np.int32)
        return TrackedFrame(
            run_id=both.run_id, local_id=both.local_id, masks=both.masks, score=both.score, source_id=source
        )

    resolved = without_repeats([frame(t) for t in range(10)], iou_thresh=0.5)
    assert names(resolved.frames) == [[(0, 0)]] * 6 + [[(1, 0)]] * 4


span = st.tuples(st.integers(0, 11), st.integers(1, 12), st.integers(0, 3)).map(
    lambda s: dict.fromkeys(range(s[0], min(s[0] + s[1], 12)), (2 + 2 * s[2], 2, 10 + 2 * s[2], 10))
)


@given(st.lists(span, min_size=1, max_size=5))
def test_masks_are_neither_invented_nor_doubled(spans: list[dict[int, Box]]):
    clip = lives(*((i % 2, i, each) for i, each in enumerate(spans)), length=12)
    resolved = without_repeats(clip, iou_thresh=0.5)
    for before, after in zip(clip, resolved.frames, strict=True):
        assert len(set(after.names)) == len(after) <= len(before)
        assert set(after.names) <= {name for frame in clip for name in frame.names}
        assert len(before) == 0 or (pairwise_iou(after.masks, before.masks).max(axis=1, initial=0.0) == 1).all()
        covered = pairwise_iou(before.masks, after.masks).max(axis=1, initial=0.0)
        assert (covered > 0).all()  # what is dropped is covered by what stays


class _Losing:
    """Follows `LEFT` and `RIGHT`; the first pass loses `LEFT` at a frame, later passes hold it in every frame."""

    def __init__(self, count: int, lost: int) -> None:
        self.count, self.lost, self.passes, self.prompts = count, lost, 0, []

    def add(self, prompts: Sequence[Prompt]) -> None:
        self.prompts = list(prompts)

    def propagate(self) -> list[TrackedFrame]:
        run, self.passes = self.passes, self.passes + 1
        held = [LEFT if pairwise_iou(each.mask, boxes(LEFT))[0, 0] > 0.5 else RIGHT for each in self.prompts]
        return [
            tracked(*((run, i, box) for i, box in enumerate(held) if run or box == RIGHT or t < self.lost))
            for t in range(self.count)
        ]

    def close(self) -> None: ...


@contextmanager
def _tracker(lost: int) -> Iterator[object]:
    class Tracker:
        def start(self, frames: Frames, grid: tuple[int, int]) -> _Losing:  # noqa: ARG002
            return _Losing(len(frames), lost)

    yield Tracker()


@contextmanager
def _segmenter() -> Iterator[object]:
    yield lambda frames, geometry: [detections(LEFT, RIGHT)] * len(frames)  # noqa: ARG005


@contextmanager
def _wall() -> Iterator[object]:
    def estimate(frames: Frames) -> Geometry:
        n, (height, width) = len(frames), frames.image.shape[1:3]
        return Geometry(
            depth=np.full((n, height, width), 4.0, np.float32),
            confidence=np.ones((n, height, width), np.float32),
            intrinsics=np.tile(np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]]), (n, 1, 1)),
            T_camera_world=np.tile(np.eye(4), (n, 1, 1)),
            metric=True,
            origin=DepthOrigin.SENSOR,
        )

    yield estimate


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(30, marks=pytest.mark.slow),
        pytest.param(62, marks=pytest.mark.slow),
        pytest.param(100, marks=pytest.mark.slow),
    ],
)
def test_an_object_that_the_tracker_loses_keeps_its_identity(lost: int):
    images = frames(120).image
    config = fast_snow.Config(depth_filter=fast_snow.config.DepthFilterConfig(min_points=9))
    engines = fast_snow.Engines(geometry=_wall, segmenter=_segmenter, tracker=lambda: _tracker(lost))
    result = fast_snow.build_graph(fast_snow.recording_from_arrays(images, fps=10.0), config=config, engines=engines)
    seen = {track.object_id: [each.t for each in track.observations] for track in result.graph.tracks.values()}
    assert seen == {0: list(range(120)), 1: list(range(120))}
    assert result.record["health"]["masks_rejoined"] == 120 - lost
