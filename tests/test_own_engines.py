"""Engines that users bring: plain functions, one stage alone, by name from another package; and the kit that checks."""

from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import fast_snow
from fast_snow import testing
from fast_snow.config import ClassicalConfig, Config, EnginesConfig, SamplingConfig
from fast_snow.engines import recorded
from fast_snow.engines.classical.geometry.estimator import open_geometry
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.errors import ConfigError, EngineError
from fast_snow.selection import candidates
from fast_snow.synthetic.render import as_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered

SCENE = SceneConfig(size=(96, 128), frames=4)
CLASSICAL = ClassicalConfig()


def left_half(image: np.ndarray) -> np.ndarray:
    mask = np.zeros((1, *image.shape[:2]), bool)
    mask[0, 20:60, : image.shape[1] // 2] = True
    return mask


def wall(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count, height, width = images.shape[:3]
    K = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    return np.full((count, height, width), 3.0), np.tile(K, (count, 1, 1)), np.tile(np.eye(4), (count, 1, 1))


def test_a_function_as_segmenter_with_the_rest_as_configured():
    recording = as_recording(rendered(SCENE))
    engine = fast_snow.SegmenterFunction(left_half, name="left half")
    config = Config(engines=EnginesConfig(tracker="classical"))
    result = fast_snow.build_graph(recording, config=config, engines=fast_snow.Engines(segmenter=engine))
    assert len(result.graph.tracks) == 1
    names = {slot: each["name"] for slot, each in result.record["engines"].items()}
    assert names == {"geometry": "recorded", "segmenter": "left half", "tracker": "classical"}


def test_a_function_as_geometry():
    engine = fast_snow.GeometryFunction(wall, name="wall", metric=True)
    result = fast_snow.build_graph(as_recording(rendered(SCENE)), engines=fast_snow.Engines(geometry=engine))
    assert result.graph.metric
    assert all(
        token.centroid[2] == pytest.approx(3) for track in result.graph.tracks.values() for token in track.observations
    )


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros((1, 5, 5), bool),
        np.zeros((96, 128), bool),
        np.zeros((1, 96, 128)),
        (np.zeros((1, 96, 128), bool), [1, 1]),
    ],
)
def test_what_a_function_answers_wrongly_is_one_line(answer):
    engine = fast_snow.SegmenterFunction(lambda _: answer, name="mine")
    with pytest.raises(EngineError, match=r"segmenter mine: got .* expected bool \(m, 96, 128\) and \(m,\)"):
        testing.check_segmenter(engine)


@pytest.mark.parametrize(
    ("check", "opener"),
    [
        (testing.check_geometry, partial(open_geometry, CLASSICAL.geometry, seed=0, threads=1)),
        (testing.check_segmenter, partial(open_segmenter, CLASSICAL.segmenter, seed=0, threads=1)),
        (testing.check_tracker, partial(open_tracker, CLASSICAL.tracker, seed=0, threads=1)),
        (testing.check_segmenter, fast_snow.SegmenterFunction(left_half, name="left half")),
        (testing.check_geometry, fast_snow.GeometryFunction(wall, name="wall")),
    ],
    ids=["geometry", "segmenter", "tracker", "segmenter function", "geometry function"],
)
def test_engines_of_the_tree_pass_the_kit(check, opener):
    check(opener)


def test_recorded_engines_pass_the_kit():
    recording = as_recording(rendered(SCENE))
    testing.check_geometry(partial(recorded.open_geometry, recording))
    testing.check_segmenter(partial(recorded.open_segmenter, recording))


class Session:
    """Answers each propagation with the same frames."""

    def __init__(self, answer) -> None:
        self._answer = answer

    def add(self, prompts: Sequence[object]) -> None: ...

    def propagate(self):
        return self._answer

    def close(self) -> None: ...


def test_the_kit_finds_what_is_wrong():
    with pytest.raises(EngineError, match="got None as an answer"):
        testing.check_geometry(lambda: nullcontext(lambda _: None))
    with pytest.raises(EngineError, match="expected a function that returns a context manager"):
        testing.check_segmenter(lambda: None)

    @contextmanager
    def tracks():
        class Tracker:
            def start(self, *_):
                return Session(())

        yield Tracker()

    with pytest.raises(EngineError, match="got an answer for 0 frames, expected 4"):
        testing.check_tracker(tracks)


def test_confidence_must_be_normalised():
    @contextmanager
    def bold():
        with fast_snow.GeometryFunction(wall, name="wall")() as estimate:
            yield lambda frames: replace(estimate(frames), confidence=np.full((len(frames), 96, 128), 2, np.float32))

    with pytest.raises(EngineError, match="confidence outside of 0 to 1"):
        testing.check_geometry(bold)


def left_half_of_package(config: Config):
    assert isinstance(config, Config)
    return fast_snow.SegmenterFunction(left_half, name="unused")


def test_an_engine_of_another_package_is_taken_by_name_only(monkeypatch):
    offered = EntryPoint("halves", f"{__name__}:left_half_of_package", "fast_snow.segmenter")
    monkeypatch.setattr(candidates, "entry_points", lambda group: [offered] if group == offered.group else [])
    monkeypatch.setattr(EntryPoint, "load", lambda _: left_half_of_package)
    config = Config(
        engines=EnginesConfig(segmenter="halves", tracker="classical"), sampling=SamplingConfig(max_frames=2)
    )
    record = fast_snow.build_graph(as_recording(rendered(SCENE)), config=config).record
    assert record["engines"]["segmenter"]["name"] == "halves"
    with pytest.raises(ConfigError, match=r"engines.segmenter: got 'thirds', expected one of auto, recorded, .*halves"):
        fast_snow.build_graph(as_recording(rendered(SCENE)), config=Config(engines=EnginesConfig(segmenter="thirds")))
    plain = fast_snow.build_graph(as_recording(rendered(SCENE)), config=Config()).record
    assert plain["engines"]["segmenter"]["name"] == "recorded"
