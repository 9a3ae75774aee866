"""Engines of the caller's own: what is wrong with their answers is said in one line, and poses become rigid."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import copy
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fast_snow.config import Config
from fast_snow.engine_answers import checked_geometry
from fast_snow.errors import EngineError
from fast_snow.graph import fold, start
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.types import Geometry, Masks, Perception, Prompt, Segmentation, TrackedFrame, Window
from tests.building import GRID, boxes, detections, flat_geometry, frames, tracked

COUNT = 3
BOX = (4, 4, 20, 20)
Answer = Callable[[], Any]


def but(value: Any, **fields: Any) -> Any:
    """Return a copy with other fields, past every check: what a caller without type checks may build."""
    changed = copy(value)
    for name, field in fields.items():
        object.__setattr__(changed, name, field)
    return changed


class Session:
    """Answers with one masklet per frame in the first propagation, with none in the second."""

    def __init__(self, first: Answer) -> None:
        self.answers = [first, lambda: [tracked()] * COUNT]

    def add(self, prompts: list[Prompt]) -> None: ...

    def propagate(self) -> Any:
        return self.answers.pop(0)()

    def close(self) -> None: ...


class Tracker:
    """Starts sessions."""

    def __init__(self, first: Answer | None) -> None:
        self.first = first

    def start(self, *_: object) -> Session | None:
        return None if self.first is None else Session(self.first)


def geometry_of(**fields: Any) -> Geometry:
    return but(flat_geometry(COUNT), **fields)


def tracked_of(**fields: Any) -> list[TrackedFrame]:
    return [tracked((0, 0, BOX)), but(tracked((0, 0, BOX)), **fields), tracked((0, 0, BOX))]


def found_of(**fields: Any) -> list[Any]:
    return [detections(BOX), but(detections(BOX), **fields), detections(BOX)]


def seen(
    estimated: Answer = geometry_of,
    found: Answer = found_of,
    masklets: Answer | None = tracked_of,
    openers: Mapping[str, Any] = MappingProxyType({}),
) -> Perception:
    """Perceive with engines that answer so, or with other openers."""
    engines = EngineOpeners(
        geometry=lambda: nullcontext(lambda _: estimated()),
        segmenter=lambda: nullcontext(lambda *_: found()),
        tracker=lambda: nullcontext(Tracker(masklets)),
    )
    return perceive(
        Window(index=0, frames=frames(COUNT), shared=0),
        engines=but(engines, **openers),
        config=Config(),
    )


def stretched(factor: float) -> np.ndarray:
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[1, 0, 0] = factor
    return poses


WRONG_GEOMETRY = {
    "None as an answer, expected a Geometry": lambda: None,
    "a tuple as an answer": lambda: (1, 2),
    r"float32 of shape \(2, 24, 32\) as depth, expected float32 of shape \(3, 24, 32\)": lambda: flat_geometry(2),
    "uint16 of shape .* as depth, expected float32": lambda: geometry_of(depth=np.ones((COUNT, *GRID), np.uint16)),
    "a list as depth": lambda: geometry_of(depth=[[[1.0]]] * COUNT),
    "None as depth": lambda: geometry_of(depth=None),
    "float64 of shape .* as confidence": lambda: geometry_of(confidence=np.ones((COUNT, *GRID))),
    r"\(3, 5, 5\) as confidence": lambda: geometry_of(confidence=np.ones((COUNT, 5, 5), np.float32)),
    r"\(4,\) as intrinsics, expected float64 of shape \(3, 3, 3\)": lambda: geometry_of(intrinsics=np.ones(4)),
    "intrinsics that are no pinhole camera": lambda: geometry_of(intrinsics=np.zeros((COUNT, 3, 3))),
    r"\(3, 3, 4\) as T_camera_world": lambda: geometry_of(T_camera_world=np.zeros((COUNT, 3, 4))),
    "T_camera_world that is not rigid": lambda: geometry_of(T_camera_world=stretched(1.01)),
    "T_camera_world that is not rigid, ": lambda: geometry_of(T_camera_world=stretched(np.nan)),
    "T_camera_world that is not rigid, e": lambda: geometry_of(T_camera_world=stretched(-1)),
    "got metric 1 and origin": lambda: geometry_of(metric=1),
}
WRONG_DETECTIONS = {
    "None as an answer, expected a list of Detections": lambda: None,
    "a generator as an answer": lambda: (each for each in found_of()),
    "an answer for 2 frames, expected 3": lambda: found_of()[:2],
    "a Masks as a frame's answer, expected Detections": lambda: [boxes(BOX)] * COUNT,
    "a ndarray as masks|bool of shape .* as masks": lambda: found_of(masks=np.ones((1, *GRID), bool)),
    r"masks on a grid of \(12, 16\), expected the analysis grid \(24, 32\)": lambda: found_of(
        masks=boxes((1, 1, 5, 5), grid=(12, 16))
    ),
    "None as score": lambda: found_of(score=None),
    r"float32 of shape \(2,\) as score, expected float32 of shape \(1,\)": lambda: found_of(
        score=np.ones(2, np.float32)
    ),
    "float64 of shape .* as score": lambda: found_of(score=np.ones(1)),
    "a score of nan": lambda: found_of(score=np.full(1, np.nan, np.float32)),
    "a score of 97.0, expected confidences from 0 to 1": lambda: found_of(score=np.full(1, 97, np.float32)),
    "as box_xyxy": lambda: found_of(box_xyxy=np.zeros((0, 4), np.float32)),
    "int64 of shape .* as source_id": lambda: found_of(source_id=np.ones(1, np.int64)),
    "a negative source_id": lambda: found_of(source_id=np.full(1, -7, np.int32)),
    "got -1 background_regions": lambda: Segmentation(frames=tuple(found_of()), background_regions=-1),
}
WRONG_MASKLETS = {
    "None as an answer, expected a list of TrackedFrame": lambda: None,
    "an answer for 4 frames, expected 3": lambda: [*tracked_of(), tracked()],
    "an answer for 0 frames": list,
    "a dict as an answer": lambda: {0: tracked()},
    "a Detections as a frame's answer, expected TrackedFrame": found_of,
    "masks on a grid of": lambda: tracked_of(masks=boxes((1, 1, 5, 5), grid=(12, 16))),
    r"float32 of shape \(1,\) as score, expected float32 of shape \(0,\)": lambda: tracked_of(masks=Masks.empty(GRID)),
    "int64 of shape .* as local_id": lambda: tracked_of(local_id=np.zeros(1, np.int64)),
    "None as run_id": lambda: tracked_of(run_id=None),
    "one local_id twice in a frame": lambda: [tracked((0, 3, BOX), (0, 3, (0, 0, 3, 3)))] * COUNT,
    "a run_id other than 0": lambda: [tracked((1, 0, BOX))] * COUNT,
    "masks whose offsets do not fit": lambda: tracked_of(masks=but(boxes(BOX), offset=np.array([0, 99], np.int32))),
    "a run that is empty or leaves": lambda: tracked_of(masks=but(boxes(BOX), stop=boxes(BOX).stop + np.int32(9999))),
    "as masks.start": lambda: tracked_of(masks=but(boxes(BOX), start=boxes(BOX).start.astype(np.int64))),
}


def one_line(message: str, work: Callable[[], object]) -> None:
    with pytest.raises(EngineError, match=message) as refusal:
        work()
    assert "\n" not in str(refusal.value)


def test_sound_engines_are_taken():
    assert [len(each) for each in seen().tracked] == [1, 1, 1]
    assert seen().health.background_regions == 0


def test_a_segmenter_may_tell_how_much_is_background():
    health = seen(found=lambda: Segmentation(frames=tuple(found_of()), background_regions=4)).health
    assert (health.detections, health.background_regions) == (COUNT, 4)


@pytest.mark.parametrize("message", WRONG_GEOMETRY)
def test_a_wrong_geometry(message: str):
    one_line(f"^geometry engine: .*({message})", partial(seen, WRONG_GEOMETRY[message]))


@pytest.mark.parametrize("message", WRONG_DETECTIONS)
def test_wrong_detections(message: str):
    one_line(f"^segmenter engine: .*({message})", partial(seen, found=WRONG_DETECTIONS[message]))


@pytest.mark.parametrize("message", WRONG_MASKLETS)
def test_wrong_masklets(message: str):
    one_line(f"^tracker engine: .*({message})", partial(seen, masklets=WRONG_MASKLETS[message]))


@pytest.mark.parametrize("slot", ["geometry", "segmenter", "tracker"])
@pytest.mark.parametrize(
    "opener", [None, "da3", lambda: None, lambda: "engine", lambda: nullcontext(None), lambda: nullcontext(3)]
)
def test_what_opens_no_engine(slot: str, opener: object):
    one_line(f"^{slot} engine: got ", partial(seen, openers={slot: opener}))


def test_a_tracker_that_starts_no_session():
    one_line("^tracker engine: got None as the TrackingSession", lambda: seen(masklets=None))


def test_what_an_engine_raises_itself_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        seen(lambda: 1 // 0)


def test_a_window_on_another_grid_than_the_first():
    state = fold(start(Config()), seen(), config=Config())
    geometry = flat_geometry(COUNT)
    cut = but(geometry, depth=geometry.depth[:, ::2, ::2], confidence=geometry.confidence[:, ::2, ::2])
    one_line("got a window on a grid of", lambda: fold(state, but(seen(), geometry=cut, shared=1), config=Config()))


# -------------------------------------------------------------------------------------------------- poses

angles = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
noise = st.lists(st.floats(-1e-4, 1e-4), min_size=9, max_size=9)


@given(angles, noise)
def test_poses_become_the_nearest_rotation(angle: tuple[float, ...], off: list[float]):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", angle).as_matrix()
    poses = np.stack([pose] * COUNT)
    poses[1:, :3, :3] += np.reshape(off, (3, 3))
    rigid = checked_geometry(geometry_of(T_camera_world=poses), COUNT).T_camera_world
    np.testing.assert_allclose(rigid[:, :3, :3] @ np.swapaxes(rigid[:, :3, :3], 1, 2), [np.eye(3)] * COUNT, atol=1e-12)
    np.testing.assert_allclose(rigid, poses, atol=4e-4)


def test_rigid_poses_stay_as_they_are_to_the_last_bit():
    pose = np.eye(4)
    pose[:3] = np.column_stack([Rotation.from_euler("xyz", (0.3, -1, 2)).as_matrix(), (1, 2, 3)])
    poses = np.stack([pose] * COUNT)
    assert np.array_equal(checked_geometry(geometry_of(T_camera_world=poses), COUNT).T_camera_world, poses)


def test_camera_and_objects_agree_where_poses_are_off_by_rounding():
    """Rotations are off by 1e-4: each object is 4 m before its camera."""
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    for i in range(COUNT):
        poses[i, :3, :3] = Rotation.from_euler("xyz", (0.1 * i, 0.2, -0.1)).as_matrix().round(4)
        poses[i, :3, 3] = (0.5 * i, 1.0, -2.0)
    perception = seen(partial(geometry_of, T_camera_world=poses))
    graph = fold(start(Config()), perception, config=Config()).graph
    in_camera = (4.0 / 20.0 * (11.5 - 16), 4.0 / 20.0 * (11.5 - 12), 4.0)
    for token, q, xyz in zip(graph.tracks[0].observations, graph.ego.quaternion_xyzw, graph.ego.position, strict=True):
        np.testing.assert_allclose(token.centroid, Rotation.from_quat(q).apply(in_camera) + xyz, atol=1e-6)
