"""Global ids: life cycle, fusion across runs, joining windows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.config import FusionConfig
from fast_snow.fusion import FrameObjects
from fast_snow.identity import NOT_KEPT, IdentityState, LifeCycle, assign, join, life_cycle
from tests.building import objects

LEFT, RIGHT = (2, 2, 10, 10), (20, 2, 28, 10)
NEAR_LEFT = (3, 2, 11, 10)  # IoU with LEFT 56 / 72


def fold(*frames: FrameObjects, config: FusionConfig = FusionConfig(), metric: bool = True):
    """Assign frame after frame; returns the ids of each frame, all merges and the state."""
    state, ids, merges = IdentityState(), [], []
    for frame in frames:
        state, object_id, merged = assign(state, frame, config=config, metric=metric)
        ids.append(object_id.tolist())
        merges += merged
    return ids, merges, state


def test_a_masklet_keeps_its_object():
    ids, merges, _ = fold(objects(0, (0, 0, LEFT), (0, 1, RIGHT)), objects(1, (0, 1, RIGHT), (0, 0, LEFT)))
    assert ids == [[0, 1], [1, 0]]
    assert merges == []


def test_masklets_of_one_run_are_never_fused():
    ids, merges, _ = fold(objects(0, (0, 0, LEFT), (0, 1, NEAR_LEFT)))
    assert ids == [[0, 1]]
    assert merges == []


def test_masklets_of_two_runs_are_one_object_and_the_better_observation_stays():
    ids, merges, _ = fold(
        objects(0, (0, 0, LEFT)),
        objects(1, (0, 0, LEFT), (1, 0, NEAR_LEFT), score=[0.6, 0.9]),
        objects(2, (1, 0, LEFT)),
    )
    assert ids == [[0], [NOT_KEPT, 0], [0]]
    assert [(each.t, each.kept, each.dropped) for each in merges] == [(1, 0, None)]
    assert merges[0].iou == pytest.approx(56 / 72)
    assert merges[0].distance == pytest.approx(1.0)


def test_two_known_objects_become_the_older_one():
    ids, merges, _ = fold(
        objects(0, (0, 0, LEFT), (1, 0, RIGHT)),
        objects(1, (0, 0, LEFT), (1, 0, NEAR_LEFT), score=[0.5, 0.9]),
        objects(2, (1, 0, LEFT)),
    )
    assert ids == [[0, 1], [NOT_KEPT, 0], [0]]
    assert [(each.kept, each.dropped) for each in merges] == [(0, 1)]


def test_masklets_that_part_again_get_their_own_object_back():
    ids, _, _ = fold(
        objects(0, (0, 0, LEFT), (1, 0, RIGHT)),
        objects(1, (0, 0, LEFT), (1, 0, NEAR_LEFT), score=[0.9, 0.5]),
        objects(2, (0, 0, LEFT), (1, 0, RIGHT), score=[0.9, 0.5]),
    )
    assert ids == [[0, 1], [0, NOT_KEPT], [0, 1]]


def test_distance_counts_only_in_metres():
    far = FusionConfig(merge_centroid_dist_m=0.5)
    frame = objects(0, (0, 0, LEFT), (1, 0, NEAR_LEFT))
    assert fold(frame, config=far, metric=True)[0] == [[0, 1]]
    assert fold(frame, config=far, metric=False)[0] == [[0, NOT_KEPT]]


@pytest.mark.parametrize(("gap", "expected"), [(1, 0), (2, 0), (3, 1)])
def test_another_run_continues_an_object_only_within_the_temporal_gap(gap: int, expected: int):
    ids, _, _ = fold(objects(0, (0, 0, LEFT)), objects(gap, (1, 0, NEAR_LEFT)))
    assert ids[1] == [expected]


def test_an_object_in_the_frame_is_not_taken_over():
    ids, _, _ = fold(objects(0, (0, 0, LEFT)), objects(1, (0, 0, RIGHT), (1, 0, LEFT)))
    assert ids == [[0], [0, 1]]


def test_life_cycle_counts_missed_frames():
    config = FusionConfig(lost_patience=5, archive_patience=30)
    states = [life_cycle(10, t, config) for t in (11, 15, 16, 45, 46)]
    assert states == [LifeCycle.ACTIVE, LifeCycle.ACTIVE, LifeCycle.LOST, LifeCycle.LOST, LifeCycle.ARCHIVED]


@pytest.mark.parametrize(("back", "expected"), [(35, 0), (36, 1)])
def test_an_archived_object_is_not_continued_by_its_masklet(back: int, expected: int):
    ids, _, state = fold(objects(0, (0, 0, LEFT)), objects(back, (0, 0, LEFT)))
    assert ids[1] == [expected]
    assert state.last_seen.object_id.tolist() == [expected]


def test_a_new_window_joins_the_objects_of_the_shared_frame():
    before = objects(3, (0, 0, LEFT), (0, 1, RIGHT))
    state, object_id, _ = assign(IdentityState(), before, config=FusionConfig(), metric=True)
    after = objects(3, (2, 0, RIGHT), (2, 1, NEAR_LEFT), (2, 2, (14, 14, 18, 18)))
    state, merges = join(state, after, before, object_id, config=FusionConfig(), metric=True)
    _, next_frame, _ = assign(
        state, objects(4, (2, 0, RIGHT), (2, 1, LEFT), (2, 2, (14, 14, 18, 18))), config=FusionConfig(), metric=True
    )
    assert next_frame.tolist() == [1, 0, 2]
    assert [(each.kept, each.dropped) for each in merges] == [(1, None), (0, None)]


def test_no_run_has_two_masklets_joined_to_one_object():
    before = objects(3, (0, 0, LEFT))
    state, object_id, _ = assign(IdentityState(), before, config=FusionConfig(), metric=True)
    after = objects(3, (2, 0, NEAR_LEFT), (2, 1, LEFT), score=[0.5, 0.9])
    state, _ = join(state, after, before, object_id, config=FusionConfig(), metric=True)
    assert dict(state.bound) == {(0, 0): 0, (2, 1): 0}


def test_every_merge_at_first_sight_is_recorded():
    """Three runs see one new object: beside the best observation there are two decisions, with their evidence."""
    frame = objects(0, (0, 0, LEFT), (1, 0, NEAR_LEFT), (2, 0, LEFT), (0, 1, RIGHT), score=[0.9, 0.5, 0.4, 0.3])
    ids, merges, _ = fold(frame, replace(frame, t=1))
    assert ids == [[0, NOT_KEPT, NOT_KEPT, 1]] * 2
    assert [(each.t, each.kept, each.dropped) for each in merges] == [(0, 0, None), (0, 0, None)]
    assert [each.iou for each in merges] == pytest.approx([56 / 72, 1.0])
    assert [each.distance for each in merges] == pytest.approx([1.0, 0.0])


def test_every_masklet_that_continues_an_absent_object_is_recorded():
    ids, merges, _ = fold(objects(0, (0, 0, LEFT)), objects(1, (2, 0, LEFT), (3, 0, NEAR_LEFT), score=[0.9, 0.5]))
    assert ids == [[0], [0, NOT_KEPT]]
    assert [(each.t, each.kept, each.dropped) for each in merges] == [(1, 0, None), (1, 0, None)]
    assert [each.iou for each in merges] == pytest.approx([1.0, 56 / 72])


def test_evidence_is_that_of_the_pair_that_decided():
    """The oldest object yields its place to the best observation, through which a third joins."""
    third = (4, 2, 12, 10)  # overlaps NEAR_LEFT as much as LEFT does, LEFT by 48 / 80 only
    _, merges, _ = fold(
        objects(0, (0, 0, LEFT)),
        objects(1, (0, 0, LEFT), (1, 0, NEAR_LEFT), (2, 0, third), score=[0.5, 0.9, 0.4]),
        config=FusionConfig(cross_run_iou_thresh=0.7),
    )
    assert [(each.kept, each.dropped) for each in merges] == [(0, None), (0, None)]
    assert [each.iou for each in merges] == pytest.approx([56 / 72, 56 / 72])


def test_nothing_in_a_frame():
    ids, merges, state = fold(objects(0), objects(1))
    assert (ids, merges, state.next_id) == ([[], []], [], 0)


box = st.tuples(st.integers(0, 20), st.integers(0, 12), st.integers(3, 10), st.integers(3, 10)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
masklet = st.tuples(st.integers(0, 2), st.integers(0, 3), box, st.floats(0, 1, width=32))
clip = st.lists(st.lists(masklet, max_size=6, unique_by=lambda m: m[:2]), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(clip)
def test_no_id_stands_twice_in_a_frame_and_order_does_not_matter(clip: list):
    def frames(reverse: bool) -> list[FrameObjects]:
        ordered = [list(reversed(frame)) if reverse else frame for frame in clip]
        return [objects(t, *(m[:3] for m in frame), score=[m[3] for m in frame]) for t, frame in enumerate(ordered)]

    ids, _, _ = fold(*frames(reverse=False))
    again, _, _ = fold(*frames(reverse=True))
    assert [list(reversed(frame)) for frame in again] == ids
    for frame in ids:
        kept = [each for each in frame if each != NOT_KEPT]
        assert len(kept) == len(set(kept))
    assert np.all([frame.count(NOT_KEPT) < len(frame) for frame in ids if frame])
