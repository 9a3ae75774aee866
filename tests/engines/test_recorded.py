"""The recorded engines against a tiny recording in memory."""

import tracemalloc

import numpy as np
import pytest

from fast_snow.engines.recorded import open_geometry, open_segmenter, open_tracker, visible_objects
from fast_snow.errors import InputError
from fast_snow.inputs.recording import IGNORE, recording_from_arrays
from fast_snow.kernels.masks import decode, encode
from fast_snow.types import BoxPrompt, DepthOrigin, Frames, MaskPrompt, Masks, PointPrompt

GRID = (12, 16)
COUNT = 4


def id_maps():
    """Object 7 walks to the right and is gone in frame 2; object 9 rests; some pixels are to be ignored."""
    ids = np.zeros((COUNT, *GRID), np.int32)
    for k in range(COUNT):
        if k != 2:
            ids[k, 2:6, 2 * k : 2 * k + 4] = 7
        ids[k, 8:11, 4:12] = 9
        ids[k, 0, :] = IGNORE
    return ids


def poses():
    T_world_camera = np.repeat(np.eye(4)[None], COUNT, axis=0)
    T_world_camera[:, 0, 3] = np.arange(COUNT)
    return T_world_camera


def make(*, depth=True, poses_=True, ids=None):
    metres = np.ones((COUNT, *GRID), np.float32)
    metres[:, :, 0] = 0
    return recording_from_arrays(
        np.zeros((COUNT, 24, 32, 3), np.uint8),
        10.0,
        depth=metres if depth else None,
        ids=id_maps() if ids is None else ids,
        T_world_camera=poses() if poses_ else None,
        intrinsics=np.array([[20.0, 0, 8], [0, 20, 6], [0, 0, 1]]),
    )


def frames(*source):
    count = len(source)
    return Frames(
        image=np.zeros((count, 24, 32, 3), np.uint8),
        t=np.arange(count, dtype=np.int32),
        time_s=np.zeros(count),
        source_frame=np.array(source, dtype=np.int64),
    )


def test_every_id_of_a_map_is_found_wherever_it_lies():
    """Also one pixel in the first or last column, between equal neighbours, and beside what is ignored."""
    ids = np.random.default_rng(0).choice([IGNORE, 0, 0, 0, 3, 5, 900], (COUNT, *GRID)).astype(np.int32)
    ids[0], ids[1] = 0, 0
    ids[0, 5, 0], ids[0, 6, -1] = 11, 12
    found = visible_objects(make(ids=ids), frames(*range(COUNT)), GRID)
    for labels, objects in zip(ids, found, strict=True):
        assert objects.ids.tolist() == [each for each in np.unique(labels).tolist() if each > 0]
        for each, dense in zip(objects.ids, decode(objects.masks), strict=True):
            np.testing.assert_array_equal(dense, labels == each)


def test_the_maps_of_a_window_are_not_held_at_once():
    each = np.zeros((200, 300), np.int32)
    each[50:80, 40:90] = 7
    recording = recording_from_arrays(
        np.zeros((40, *each.shape, 3), np.uint8), fps=10.0, ids=np.broadcast_to(each, (40, *each.shape))
    )
    window = Frames(
        image=np.zeros((40, *each.shape, 3), np.uint8),
        t=np.arange(40, dtype=np.int32),
        time_s=np.arange(40) / 10,
        source_frame=np.arange(40),
    )
    visible_objects(recording, window[:1], each.shape)  # compiles
    tracemalloc.start()
    try:
        assert len(visible_objects(recording, window, each.shape)) == 40
        assert tracemalloc.get_traced_memory()[1] < 10 * each.nbytes
    finally:
        tracemalloc.stop()


@pytest.fixture
def session():
    with open_tracker(make()) as tracker:
        started = tracker.start(frames(*range(COUNT)), GRID)
        yield started
        started.close()


def point(u, v, frame=0):
    return PointPrompt(frame=frame, uv=np.array([u, v], np.float32))


def box(*corners, frame=0):
    return BoxPrompt(frame=frame, box_xyxy=np.array(corners, np.float32))


def mask(dense, frame=0):
    return MaskPrompt(frame=frame, mask=encode(dense[None]))


def seen(tracked, local_id):
    """Return one masklet as a stack of dense masks."""
    stack = np.zeros((len(tracked), *GRID), bool)
    for dense, frame in zip(stack, tracked, strict=True):
        for index in np.flatnonzero(frame.local_id == local_id):
            dense |= decode(frame.masks)[index]
    return stack


def test_geometry_is_what_was_given():
    with open_geometry(make()) as estimate:
        geometry = estimate(frames(3, 1))
    assert geometry.grid == GRID
    assert geometry.metric
    assert geometry.origin is DepthOrigin.SENSOR
    assert geometry.T_camera_world[:, 0, 3].tolist() == [-3, -1]
    assert np.array_equal(geometry.confidence, geometry.depth > 0)
    assert geometry.depth[0, 0].tolist() == [0.0] + [1.0] * 15


def test_every_id_is_a_detection():
    recording = make()
    with open_geometry(recording) as estimate, open_segmenter(recording) as segment:
        window = frames(1, 2)
        first, second = segment(window, estimate(window))
    assert first.box_xyxy.tolist() == [[2, 2, 6, 6], [4, 8, 12, 11]]
    assert first.score.tolist() == [1, 1]
    assert np.array_equal(decode(first.masks), [id_maps()[1] == 7, id_maps()[1] == 9])
    assert second.box_xyxy.tolist() == [[4, 8, 12, 11]]


def test_masks_of_another_size_come_on_the_analysis_grid():
    recording = make(ids=id_maps().repeat(2, axis=1).repeat(2, axis=2))
    with open_geometry(recording) as estimate, open_segmenter(recording) as segment:
        (first,) = segment(frames(0), estimate(frames(0)))
    assert np.array_equal(decode(first.masks), [id_maps()[0] == 7, id_maps()[0] == 9])


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        (point(1.4, 3.4), 7),
        (point(11, 10), 9),
        (box(0, 1, 6, 7), 7),
        (box(0, 0, 16, 12), 9),
        (mask(id_maps()[1] == 9), 9),
        (mask(id_maps()[1] == 7), 7),
        (point(7, 3, frame=3), 7),
    ],
)
def test_a_prompt_follows_the_id_that_explains_it_best(session, prompt, number):
    session.add([prompt])
    assert np.array_equal(seen(session.propagate(), 0), id_maps() == number)


@pytest.mark.parametrize(
    "prompt",
    [
        point(1, 3, frame=2),  # object 7 is gone
        point(15, 7),
        point(3, 0),  # ignored
        point(-1, 3),
        point(3, 12),
        box(13, 0, 16, 7),
        mask(id_maps()[0] == IGNORE),
        mask(np.zeros(GRID, bool)),
    ],
)
def test_a_prompt_on_nothing_gives_an_object_without_masks(session, prompt):
    session.add([prompt, point(5, 9)])
    tracked = session.propagate()
    assert not seen(tracked, 0).any()
    assert np.array_equal(seen(tracked, 1), id_maps() == 9)


def test_local_ids_count_on_and_runs_are_numbered(session):
    session.add([point(5, 9)])
    session.add([point(1, 3), point(2, 3)])
    first = session.propagate()
    session.add([point(1, 3)])
    second = session.propagate()
    empty_run = session.propagate()
    assert [frame.local_id.tolist() for frame in first] == [[0, 1, 2], [0, 1, 2], [0], [0, 1, 2]]
    assert [frame.local_id.tolist() for frame in second] == [[3], [3], [], [3]]
    assert {int(run) for frame in first for run in frame.run_id} == {0}
    assert {int(run) for frame in second for run in frame.run_id} == {1}
    assert [len(frame) for frame in empty_run] == [0] * COUNT
    assert np.array_equal(seen(first, 1), seen(first, 2))
    assert all(frame.score.tolist() == [1.0] * len(frame) for frame in first)


def test_a_recording_without_objects_finds_none():
    with open_tracker(make(ids=np.zeros((COUNT, *GRID), np.int32))) as tracker:
        session = tracker.start(frames(0, 1), GRID)
        session.add([point(3, 3), mask(np.ones(GRID, bool))])
        assert [len(frame) for frame in session.propagate()] == [0, 0]


def test_masks_of_a_frame_without_objects_stay_on_the_grid(session):
    session.add([point(1, 3)])
    assert session.propagate()[2].masks.shape == Masks.concatenate([Masks.empty(GRID)], GRID).shape


@pytest.mark.parametrize(
    ("open_engine", "given", "message"),
    [
        (open_geometry, {"depth": False}, "no depth for the recorded geometry"),
        (open_geometry, {"poses_": False}, "no poses for the recorded geometry"),
        (open_geometry, {"depth": False, "poses_": False}, "no depth and poses for"),
    ],
)
def test_what_is_not_there_is_refused_when_opened(open_engine, given, message):
    with pytest.raises(InputError, match=message), open_engine(make(**given)):
        pass


@pytest.mark.parametrize("open_engine", [open_segmenter, open_tracker])
def test_masks_that_are_not_there_are_refused_when_opened(open_engine):
    bare = recording_from_arrays(np.zeros((1, 4, 4, 3), np.uint8), 10.0)
    with pytest.raises(InputError, match="no masks for the recorded"), open_engine(bare):
        pass
