"""Windows in worlds of their own: joined where they can be, each a segment where they cannot."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import fast_snow
from fast_snow.alignment import Similarity, align_geometry
from fast_snow.api import Result, build_graph
from fast_snow.config import Config, SamplingConfig, WindowConfig
from fast_snow.engines import recorded
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_folder import read_recording_folder
from fast_snow.output import graph_json
from fast_snow.protocols import GeometryEngine
from fast_snow.reasoning.mcp_server import graph_overview
from fast_snow.reasoning.prompt.prompt_sections import metadata_section
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.selection import Engines
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import NO_SOURCE, DepthOrigin, Frames, Geometry, SceneGraph, TrackedFrame
from tests.scenes import rendered

SCENE = SceneConfig(size=(48, 64), frames=18)
CONFIG = Config(window=WindowConfig(length=8, overlap=3))
LOST = 8
"""The first frame that the second window adds."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("segments") / "scan"
    write_recording(rendered(SCENE), folder)
    return read_recording_folder(folder)


def perturbed(recording: Recording, *, moved: bool, outliers: float = 0.0, lost: Sequence[int] = ()) -> Engines:
    """Return engines that give each window's recorded geometry in a world and a scale of its own.

    Args:
        recording: what the windows are of.
        moved: whether worlds differ; else all are that of the recording.
        outliers: the share of pixels whose depth is wrong, others in every window.
        lost: first frames of windows whose geometry has nothing to do with the others'.
    """

    @contextmanager
    def opened() -> Iterator[GeometryEngine]:
        with recorded.open_geometry(recording) as measure:

            def answer(frames: Frames) -> Geometry:
                rng, geometry = np.random.default_rng(int(frames.t[0])), measure(frames)
                depth = geometry.depth.copy()
                wrong = rng.random(depth.shape) < outliers
                depth[wrong] *= rng.uniform(0.3, 3, np.count_nonzero(wrong)).astype(np.float32)
                if int(frames.t[0]) in lost:
                    depth = rng.uniform(0.2, 20, depth.shape).astype(np.float32)
                geometry = replace(geometry, depth=depth, metric=False, origin=DepthOrigin.NETWORK)
                return align_geometry(random_similarity(rng), geometry) if moved else geometry

            yield answer

    return Engines(geometry=opened)


def random_similarity(rng: np.random.Generator) -> Similarity:
    rotation = Rotation.random(random_state=rng.integers(2**31)).as_matrix()
    return Similarity(scale=float(np.exp(rng.uniform(-1, 1))), R=rotation, t=rng.normal(size=3) * 3)


@pytest.mark.filterwarnings("ignore:seen, but not placed")
@pytest.mark.parametrize("outliers", [pytest.param(each, marks=pytest.mark.slow) for each in (0.0, 0.2)])
def test_windows_in_worlds_of_their_own_make_one_graph(outliers: float, recording: Recording):
    plain = build_graph(recording, config=CONFIG, engines=perturbed(recording, moved=False, outliers=outliers)).graph
    made = build_graph(recording, config=CONFIG, engines=perturbed(recording, moved=True, outliers=outliers))
    scale = np.linalg.norm(np.ptp(made.graph.ego.position, axis=0)) / np.linalg.norm(np.ptp(plain.ego.position, axis=0))
    assert made.graph.tracks.keys() == plain.tracks.keys()
    for object_id, track in plain.tracks.items():
        others = {each.t: each.centroid for each in made.graph.tracks[object_id].observations}
        for token in track.observations:
            depth = np.linalg.norm(token.centroid - plain.ego.position[token.t])
            assert np.linalg.norm(others[token.t] / scale - token.centroid) < 0.01 * depth
    assert not made.graph.segments
    joints = made.record["joints"]
    assert [each["t"] for each in joints] == [8, 13]
    assert all(each["joined"] and each["residual"] < 0.01 and each["drift"] < 0.02 for each in joints)


@pytest.fixture(scope="module")
def broken(recording: Recording) -> Result:
    """A run whose second window cannot be joined to the first, nor the third to the second."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        made = build_graph(recording, config=CONFIG, engines=perturbed(recording, moved=True, lost=[5]))
    assert "frames from 8 on cannot be joined" in str([str(each.message) for each in given])
    return made


def test_a_joint_that_cannot_be_made_starts_a_segment(broken: Result):
    graph = broken.graph
    assert graph.segments == ((0, 7), (8, 12), (13, 17))
    assert [graph.segment_of(t) for t in (0, 7, 8, 12, 13, 17)] == [0, 0, 1, 1, 2, 2]
    assert [each["joined"] for each in broken.record["joints"]] == [False, False]
    assert np.array_equal(graph.ego.t, np.arange(SCENE.frames))
    for first, _ in graph.segments:  # each has the world of its first camera
        np.testing.assert_allclose(graph.ego.position[first], 0, atol=1e-5)
        np.testing.assert_allclose(np.abs(graph.ego.quaternion_xyzw[first]), [0, 0, 0, 1], atol=1e-5)


def test_segments_are_written_and_read(broken: Result):
    text = graph_json.dumps(broken.graph)
    assert '"segments":[[0,7],[8,12],[13,17]]' in text.replace(" ", "")
    assert graph_json.dumps(graph_json.loads(text)) == text
    assert graph_json.loads(text).segments == broken.graph.segments
    with pytest.raises(InputError, match=r"metadata\.segments: got .*, expected first <= last"):
        graph_json.loads(text.replace("[8,12]", "[7,12]").replace("[8, 12]", "[7, 12]"))


def test_tools_do_not_compare_places_of_two_segments(broken: Result):
    graph = broken.graph
    answer = call_tool(graph, "camera_motion", {})
    assert answer.value is None
    assert "lie in segments [[0, 7], [13, 17]]" in answer.reason
    assert call_tool(graph, "camera_motion", {"t_from": 0, "t_to": 7}).value is not None
    several = next(k for k, track in graph.tracks.items() if track.theta[0] < LOST <= track.theta[1])
    assert "not known to each other" in call_tool(graph, "displacement", {"object_id": several}).reason
    within = {"object_id": several, "t_from": 0, "t_to": 7}
    assert "segments" not in call_tool(graph, "displacement", within).reason
    assert call_tool(graph, "when_visible", {"object_id": several}).value is not None


def test_a_model_is_told_of_segments(broken: Result):
    told = metadata_section(broken.graph, "graph", ())
    assert "segments: t = 0 to 7, t = 8 to 12, t = 13 to 17; each has a world" in told
    assert "the same for each segment" in told
    assert graph_overview(broken.graph)["segments"] == [[0, 7], [8, 12], [13, 17]]


@pytest.mark.filterwarnings("ignore:.*more than half of the objects")
def test_objects_of_a_new_segment_are_new(recording: Recording):
    engines = replace(perturbed(recording, moved=True, lost=[5]), tracker=nameless(recording))
    with pytest.warns(FastSnowWarning, match="cannot be joined"):
        graph = build_graph(recording, config=CONFIG, engines=engines).graph
    assert len(graph.segments) == 3
    for track in graph.tracks.values():
        assert graph.segment_of(track.theta[0]) == graph.segment_of(track.theta[1])


def nameless(recording: Recording):
    """Return a tracker that follows recorded masks without their identities."""

    class Session:
        def __init__(self, session):
            self._session = session

        def add(self, prompts) -> None:
            self._session.add(prompts)

        def propagate(self) -> list[TrackedFrame]:
            return [
                replace(each, source_id=np.full(len(each), NO_SOURCE, np.int32)) for each in self._session.propagate()
            ]

        def close(self) -> None:
            self._session.close()

    class Tracker:
        def __init__(self, tracker):
            self._tracker = tracker

        def start(self, frames, grid) -> Session:
            return Session(self._tracker.start(frames, grid))

    @contextmanager
    def opened():
        with recorded.open_tracker(recording) as tracker:
            yield Tracker(tracker)

    return opened


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:seen, but not placed")
@pytest.mark.parametrize("outliers", [0.0, 0.2])
def test_a_real_recording_in_worlds_of_its_windows_is_one_graph(outliers: float, clips: Path):
    """Outliers stay in: whether a gap in made-up depth parts an object may hang on the last digit of its scale."""
    kitchen = read_recording_folder(clips / "redkitchen_dev")
    config = replace(CONFIG, sampling=SamplingConfig(max_frames=18, max_side=240))
    config = replace(config, depth_filter=replace(config.depth_filter, remove_outliers=not outliers))
    plain = build_graph(kitchen, config=config, engines=perturbed(kitchen, moved=False, outliers=outliers)).graph
    made = build_graph(kitchen, config=config, engines=perturbed(kitchen, moved=True, outliers=outliers))
    assert max(apart(plain, made.graph)) < 0.01  # measured 2e-7: 20 tracks, 127 observations
    assert [each["joined"] for each in made.record["joints"]] == [True, True]


def apart(plain: SceneGraph, moved: SceneGraph) -> list[float]:
    """Return how far the centroids of two graphs of different scale are apart, as shares of their depth."""
    scale = np.linalg.norm(np.ptp(moved.ego.position, axis=0)) / np.linalg.norm(np.ptp(plain.ego.position, axis=0))
    return [
        float(np.linalg.norm(one.centroid / scale - other.centroid))
        / float(np.linalg.norm(other.centroid - plain.ego.position[other.t]))
        for k, track in plain.tracks.items()
        for one, other in zip(moved.tracks[k].observations, track.observations, strict=True)
    ]


@pytest.mark.slow
def test_a_long_scene_in_many_worlds(tmp_path: Path):
    write_recording(rendered(SceneConfig(size=(48, 64), frames=1000)), tmp_path / "scan")
    long = read_recording_folder(tmp_path / "scan")
    config = fast_snow.Config(window=WindowConfig(length=60, overlap=12))
    plain = build_graph(long, config=config, engines=perturbed(long, moved=False)).graph
    moved = build_graph(long, config=config, engines=perturbed(long, moved=True)).graph
    assert max(apart(plain, moved)) < 0.01
    assert not moved.segments
