"""Identities that the input records: the user's numbers are the object ids, always."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.api import Result, build_graph
from fast_snow.config import Config, DepthFilterConfig, FusionConfig, StepConfig, WindowConfig
from fast_snow.errors import EngineError
from fast_snow.fusion import FrameObjects, corrected
from fast_snow.graph import FoldState, fold, start
from fast_snow.identity import FIRST_UNRECORDED, NOT_KEPT, IdentityState, assign, join, reserve
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.output.graph_json import dumps, loads
from fast_snow.types import NO_SOURCE, TrackedFrame
from tests.building import objects, perception, tracked

GRID = (12, 16)
LEFT, RIGHT = (2, 2, 10, 10), (20, 2, 28, 10)
NEAR_LEFT = (3, 2, 11, 10)  # IoU with LEFT 56 / 72
PLAIN = Config(depth_filter=DepthFilterConfig(min_points=1), step=StepConfig(mask_margin=0))


def graph_of(ids: np.ndarray, config: Config = PLAIN) -> Result:
    """Run over id maps with a wall 2 m away and a camera that stands still."""
    n, height, width = ids.shape
    recording = recording_from_arrays(
        np.zeros((n, height, width, 3), np.uint8),
        10.0,
        depth=np.full(ids.shape, 2.0, np.float32),
        ids=ids.astype(np.int32),
        T_world_camera=np.tile(np.eye(4), (n, 1, 1)),
        intrinsics=np.array([[20.0, 0, width / 2], [0, 20, height / 2], [0, 0, 1]]),
    )
    return build_graph(from_recording(recording, config.sampling), config=config)


def id_maps(n: int) -> np.ndarray:
    return np.zeros((n, *GRID), np.int32)


@pytest.mark.parametrize("numbers", [(11, 22, 33), (65535, 1, 255), (2**31 - 1, 65536, 2)])
def test_numbers_of_a_recording_are_the_object_ids(numbers: tuple[int, int, int]):
    first, second, late = numbers
    ids = id_maps(4)
    ids[:, 1:4, 1:5], ids[:, 6:9, 1:5] = first, second
    ids[2:, 1:9, 9:14] = late
    result = graph_of(ids)
    assert list(result.graph.tracks) == [*sorted((first, second)), late]
    assert {k: (each.object_id, each.source_id) for k, each in result.graph.tracks.items()} == {
        k: (k, k) for k in numbers
    }
    assert sorted(result.labelled[3].object_id.tolist()) == sorted(numbers)
    assert {k: each.source_id for k, each in loads(dumps(result.graph)).tracks.items()} == {k: k for k in numbers}


@pytest.mark.parametrize("window", [WindowConfig(), WindowConfig(length=4, overlap=1)])
def test_an_identity_that_comes_back_out_of_patience_is_the_same_track(window: WindowConfig):
    ids = id_maps(10)
    ids[:, 6:9, 1:5] = 7
    ids[[0, 1, 8, 9], 1:4, 1:5] = 42
    impatient = FusionConfig(lost_patience=1, archive_patience=1)
    graph = graph_of(ids, replace(PLAIN, window=window, fusion=impatient)).graph
    assert {k: each.theta for k, each in graph.tracks.items()} == {7: (0, 9), 42: (0, 9)}
    assert [each.t for each in graph.tracks[42].observations] == [0, 1, 8, 9]
    assert graph.merges == ()


def test_recorded_identities_count_more_than_overlap():
    iou = np.array([[0.2, 0.9, 0.5]], np.float32)
    found = corrected(iou, np.array([4], np.int32), np.array([4, 8, NO_SOURCE], np.int32))
    assert found.tolist() == [[1.0, -1.0, 0.5]]


def test_an_identity_is_never_archived():
    frames = [recorded(objects(t, (run, 0, LEFT)), 42) for run, t in enumerate((0, 200, 400))]
    assert fold_frames(*frames) == ([[42], [42], [42]], [])


@pytest.mark.parametrize("window", [WindowConfig(), WindowConfig(length=4, overlap=2)])
def test_identities_that_follow_one_another_in_one_place_stay_apart(window: WindowConfig):
    """Their masks overlap wholly from frame to frame, within a window, where windows meet and across a gap."""
    ids = id_maps(9)
    for number, frames in ((5, slice(0, 3)), (3, slice(3, 4)), (9, slice(4, 7)), (5, slice(8, 9))):
        ids[frames, 2:9, 2:9] = number
    graph = graph_of(ids, replace(PLAIN, window=window)).graph
    assert {k: [each.t for each in track.observations] for k, track in graph.tracks.items()} == {
        5: [0, 1, 2, 8],
        3: [3],
        9: [4, 5, 6],
    }
    assert graph.merges == ()


def test_identities_are_not_parted_by_fusion_thresholds():
    """A recorded object that jumps across the image, and out of patience, is one object."""
    config = replace(
        PLAIN,
        fusion=FusionConfig(cross_run_iou_thresh=1.0, lost_patience=1, archive_patience=0),
        window=WindowConfig(length=3, overlap=1),
    )
    ids = id_maps(8)
    for t in (0, 3, 4, 7):
        ids[t, 2:6, 2 * (t % 4) : 2 * (t % 4) + 4] = 77
    assert [each.t for each in graph_of(ids, config).graph.tracks[77].observations] == [0, 3, 4, 7]


# ------------------------------------------------------------------------------- beside identities of a tracker


def recorded(frame: FrameObjects, *source_id: int) -> FrameObjects:
    return replace(frame, source_id=np.array(source_id, np.int32))


def fold_frames(*frames: FrameObjects):
    """Assign frame after frame; returns the ids of each frame and all merges."""
    state, ids, merges = IdentityState(), [], []
    for frame in frames:
        state = reserve(state, set(frame.source_id.tolist()) - {NO_SOURCE})
        state, object_id, merged = assign(state, frame, config=FusionConfig(), metric=True)
        ids.append(object_id.tolist())
        merges += [(each.t, each.kept, each.dropped) for each in merged]
    return ids, merges


def test_two_recorded_identities_are_never_one_object():
    both = recorded(objects(0, (0, 0, LEFT), (1, 0, LEFT)), 4, 8)
    assert fold_frames(both, both) == ([[4, 8], [4, 8]], [])


def test_one_that_overlaps_two_recorded_identities_does_not_make_them_one():
    frame = recorded(objects(0, (0, 0, LEFT), (1, 0, LEFT), (2, 0, LEFT), score=[0.2, 0.3, 0.9]), 4, 8, NO_SOURCE)
    assert fold_frames(frame) == ([[4, 8, NOT_KEPT]], [(0, 8, None)])


def test_the_recorded_observation_and_number_stay():
    ids, merges = fold_frames(
        recorded(objects(0, (0, 0, RIGHT), (1, 0, LEFT)), 300, NO_SOURCE),
        recorded(objects(1, (0, 0, LEFT), (1, 0, NEAR_LEFT), score=[0.1, 0.9]), 300, NO_SOURCE),
    )
    assert ids == [[300, FIRST_UNRECORDED], [300, NOT_KEPT]]
    assert merges == [(1, 300, FIRST_UNRECORDED)]


def test_one_identity_in_two_runs_is_one_object_wherever_it_is():
    frame = recorded(objects(0, (0, 0, LEFT), (1, 0, RIGHT), score=[0.4, 0.6]), 9, 9)
    assert fold_frames(frame) == ([[NOT_KEPT, 9]], [])


def test_new_objects_never_take_a_recorded_number():
    frame = recorded(objects(0, (0, 0, LEFT), (0, 1, RIGHT), (0, 2, (12, 12, 18, 20))), 65536, NO_SOURCE, NO_SOURCE)
    assert fold_frames(frame) == ([[65536, 65537, 65538]], [])


def test_joining_windows_leaves_recorded_identities_alone():
    before = recorded(objects(3, (0, 0, LEFT), (0, 1, RIGHT)), 6, 2)
    state, object_id, _ = assign(reserve(IdentityState(), (6, 2)), before, config=FusionConfig(), metric=True)
    after = recorded(objects(3, (2, 0, RIGHT), (2, 1, LEFT), (3, 0, NEAR_LEFT)), 6, 2, NO_SOURCE)
    state, merges = join(state, after, before, object_id, config=FusionConfig(), metric=True)
    assert [(each.kept, each.dropped) for each in merges] == [(6, None)]  # the masklet without a recorded identity
    away = recorded(objects(4, (2, 0, RIGHT), (2, 1, LEFT), (3, 0, (12, 12, 18, 20))), 6, 2, NO_SOURCE)
    state, found, _ = assign(state, away, config=FusionConfig(), metric=True)
    assert found.tolist() == [6, 2, FIRST_UNRECORDED]  # 6 is elsewhere, by the recording
    state, _ = join(state, replace(after, t=5), before, object_id, config=FusionConfig(), metric=True)
    _, _, merged = assign(state, replace(after, t=5), config=FusionConfig(), metric=True)
    assert [(each.kept, each.dropped) for each in merged] == [(2, FIRST_UNRECORDED)]


def windowed(*source_ids: int) -> FoldState:
    """Fold one window per number, each of one object that has it as its recorded identity."""
    state = start(Config())
    for window, source_id in enumerate(source_ids):
        frame = tracked((2 * window, 0, (2 + 14 * window, 2, 12 + 14 * window, 12)))
        frame = replace(frame, source_id=np.array([source_id], np.int32))
        state = fold(state, perception([frame], window=window, first=window), config=Config())
    return state


def test_a_number_that_is_in_use_is_refused():
    assert list(windowed(5, NO_SOURCE).graph.tracks) == [5, FIRST_UNRECORDED]
    with pytest.raises(EngineError, match="recorded identity 0 after that number had gone to an object without one"):
        windowed(NO_SOURCE, 0)


def test_identities_are_unknown_where_none_are_given():
    frame: TrackedFrame = tracked((0, 0, LEFT), (0, 1, RIGHT))
    assert frame.source_id.tolist() == [NO_SOURCE, NO_SOURCE]
    assert {
        track.source_id for track in fold(start(Config()), perception([frame]), config=Config()).graph.tracks.values()
    } == {None}
