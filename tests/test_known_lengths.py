"""Metres from what is known before a run: of the synthetic scene, whose scale is known, in another unit."""

import warnings
from contextlib import nullcontext
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from fast_snow import packed_values
from fast_snow.api import Engines, Result, build_graph, load, stream
from fast_snow.cli.main import main
from fast_snow.config import Config, EnginesConfig, MetricDepthConfig, SamplingConfig, SourceConfig, WindowConfig
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning
from fast_snow.graph import start
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_folder import read_recording_folder
from fast_snow.inputs.recording_writer import write_recording
from fast_snow.known_lengths import KnownLengths, camera_heights, nothing_known
from fast_snow.perception_files import PerceptionFiles
from fast_snow.protocols import OpenGeometry, OpenMetricDepth
from fast_snow.scaling import in_metres, rescaled
from fast_snow.selection import select_engines
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import DepthOrigin, Ego, Frames, Geometry, MetricDepth, Scale, SceneGraph
from tests.building import perception, tracked
from tests.scenes import rendered

FACTOR = 2.5
"""Metres per unit of what is not metric here."""
EXACT = Config(sampling=SamplingConfig(target_fps=10.0))


@pytest.fixture(scope="module")
def scene() -> SyntheticScene:
    return rendered(SceneConfig(size=(120, 160), frames=8))


def in_units(scene: SyntheticScene) -> Recording:
    """Return the scene as if depth and poses were known up to scale."""
    recording = as_recording(scene)
    poses = scene.T_world_camera.copy()
    poses[:, :3, 3] /= FACTOR
    read = recording.read_depth
    assert read is not None
    return replace(recording, read_depth=lambda k: read(k) / FACTOR, T_world_camera=poses, metric=False)


@pytest.fixture(scope="module")
def graph(scene: SyntheticScene) -> SceneGraph:
    """Return a graph in units that holds the camera's path alone."""
    position = (scene.T_world_camera[:, :3, 3] - scene.T_world_camera[0, :3, 3]) / FACTOR
    ego = Ego(
        t=np.arange(8, dtype=np.int32),
        time_s=np.arange(8) / 10.0,
        source_frame=np.arange(8, dtype=np.int64),
        position=position.astype(np.float32),
        quaternion_xyzw=np.tile(np.float32([0, 0, 0, 1]), (8, 1)),
        intrinsics=np.ones((8, 4), np.float32),
    )
    return replace(start(EXACT).graph, metric=False, depth_origin=(DepthOrigin.SENSOR,), ego=ego)


@pytest.fixture(scope="module")
def measured(scene: SyntheticScene) -> KnownLengths:
    """Return what its one window measures."""
    height = camera_heights(geometry_of(scene), 0.5) / FACTOR
    return replace(nothing_known(np.arange(8, dtype=np.int32)), height=height)


def geometry_of(scene: SyntheticScene, frames: slice = slice(None)) -> Geometry:
    depth = scene.depth[frames]
    return Geometry(
        depth=depth,
        confidence=(depth > 0).astype(np.float32),
        intrinsics=np.repeat(scene.intrinsics[None], len(depth), axis=0),
        T_camera_world=np.linalg.inv(scene.T_world_camera[frames]),
        metric=True,
        origin=DepthOrigin.SENSOR,
    )


def distance_moved(scene: SyntheticScene, last: int = 7) -> float:
    return float(np.linalg.norm(scene.T_world_camera[last, :3, 3] - scene.T_world_camera[0, :3, 3]))


def test_the_camera_is_as_high_above_the_floor_as_it_is(scene: SyntheticScene):
    heights = camera_heights(geometry_of(scene), 0.5)
    assert heights == pytest.approx(scene.T_world_camera[:, 2, 3], rel=0.01)


@pytest.mark.parametrize("rows", [slice(0, 40), slice(0, 4)])
def test_where_no_floor_is_seen_there_is_no_height(rows: slice, scene: SyntheticScene):
    walls = scene.depth.copy()
    walls[:, rows.stop :] = 0
    geometry = replace(geometry_of(scene), depth=walls, confidence=(walls > 0).astype(np.float32))
    assert np.isnan(camera_heights(geometry, 0.5)).all()


@pytest.mark.parametrize("way", ["height", "baseline", "both"])
def test_what_is_known_before_a_run_makes_it_metric(
    way: str, scene: SyntheticScene, graph: SceneGraph, measured: KnownLengths
):
    height = f"{np.median(scene.T_world_camera[:, 2, 3]):.3f} m ± 0.02"
    moved = f"0 7 = {100 * distance_moved(scene):.1f} cm ± 2"
    source = SourceConfig(camera_height=height * (way != "baseline"), baseline=moved * (way != "height"))
    metric = in_metres(graph, measured, source)
    scale = metric.scale
    assert metric.metric
    assert scale is not None
    assert scale.statements == (2 if way == "both" else 1)
    assert abs(log(scale.metres_per_unit / FACTOR)) < 2 * scale.relative_sigma < 0.4
    assert np.allclose(metric.ego.position, FACTOR * graph.ego.position, rtol=2 * scale.relative_sigma, atol=0.01)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SourceConfig(camera_height="9 m ± 0.01", baseline="0 7 = 0.1 m"), "contradict each other"),
        (SourceConfig(baseline="0 700 = 1 m"), "no such frames"),
    ],
)
def test_what_gives_no_scale_is_told(source: SourceConfig, message: str, graph: SceneGraph, measured: KnownLengths):
    with pytest.warns(FastSnowWarning, match=message):
        assert in_metres(graph, measured, source) is graph
    with pytest.warns(FastSnowWarning, match="no floor is seen"):
        assert in_metres(graph, nothing_known(), SourceConfig(camera_height="1 m")) is graph
    parted = replace(graph, segments=((0, 3), (4, 7)))
    with pytest.warns(FastSnowWarning, match="2 segments, each in an unknown scale"):
        assert in_metres(parted, measured, SourceConfig(baseline="0 1 = 1 m")) is parted


def test_metres_that_are_known_otherwise_are_held_against_it(
    scene: SyntheticScene, graph: SceneGraph, measured: KnownLengths
):
    metric = replace(rescaled(graph, Scale(metres_per_unit=FACTOR, relative_sigma=0.01, statements=1)), scale=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FastSnowWarning)
        right = SourceConfig(baseline=f"0 7 = {distance_moved(scene):.2f} m")
        assert in_metres(metric, measured, right) is metric
    with pytest.warns(FastSnowWarning, match=r"'0 7 = 9 m' gives .* but the input itself gives 1 ± 0\.01 m per unit"):
        assert in_metres(metric, measured, SourceConfig(baseline="0 7 = 9 m")) is metric


@pytest.mark.parametrize(
    "source",
    [{"camera_height": "high"}, {"camera_height": "0 m"}, {"baseline": "1 m"}, {"baseline": "3 3 = 1 m"}],
)
def test_what_is_no_length_is_refused(source: dict[str, str]):
    with pytest.raises(ConfigError, match=r"source\.\w+: got .*, expected"):
        SourceConfig(**source)


@pytest.fixture
def rare(scene: SyntheticScene, tmp_path: Path) -> Path:
    """Return a recording folder in which three of eight frames have depth, of half the size."""
    folder = tmp_path / "rare"
    small = replace(as_recording(scene), T_world_camera=None)
    write_recording(from_recording(small, EXACT.sampling), folder, depth_scale=1000.0)
    for path in sorted((folder / "depth").iterdir())[3:]:
        path.unlink()
    return folder


def estimated(scene: SyntheticScene) -> OpenGeometry:
    def estimate(frames: Frames) -> Geometry:
        geometry = geometry_of(scene)[frames.source_frame]
        poses = geometry.T_camera_world.copy()
        poses[:, :3, 3] /= FACTOR
        depth = geometry.depth / np.float32(FACTOR)
        return replace(geometry, depth=depth, T_camera_world=poses, metric=False, origin=DepthOrigin.NETWORK)

    return lambda: nullcontext(estimate)


def test_depth_of_some_frames_gives_the_scale(rare: Path, scene: SyntheticScene):
    with pytest.warns(FastSnowWarning, match="3 of 8 frames have a depth image"):
        recording = read_recording_folder(rare)
    assert (len(recording), recording.has_depth) == (8, False)
    config = replace(EXACT, sampling=replace(EXACT.sampling, max_frames=4))
    opened = from_recording(recording, config.sampling)
    result = build_graph(opened, config=config, engines=Engines(geometry=estimated(scene)))
    scale = result.graph.scale
    assert scale is not None
    assert scale.metres_per_unit == pytest.approx(FACTOR, rel=scale.relative_sigma)
    assert scale.relative_sigma < 0.02
    assert result.record["input"]["some_depth"] is True


def test_depth_of_some_frames_is_converted_with_them(rare: Path, tmp_path: Path):
    with pytest.warns(FastSnowWarning, match="3 of 8 frames have a depth image"):
        before = read_recording_folder(rare)
    write_recording(from_recording(before, EXACT.sampling), tmp_path / "copy")
    with pytest.warns(FastSnowWarning, match="3 of 8 frames have a depth image"):
        after = read_recording_folder(tmp_path / "copy")
    assert before.read_some_depth is not None
    assert after.read_some_depth is not None
    assert after.intrinsics == pytest.approx(before.intrinsics)
    for k in range(8):
        assert np.array_equal(before.read_some_depth(k), after.read_some_depth(k))


def test_a_rebuilt_run_keeps_its_metres(scene: SyntheticScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder, out = tmp_path / "units", tmp_path / "out"
    write_recording(from_recording(in_units(scene), EXACT.sampling), folder)
    keep = ["--output.keep-perception", "--sampling.target-fps", "10", "--sampling.max-frames", "4", "--quiet"]

    def run(*arguments: str) -> Scale | None:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0, capsys.readouterr().err
        return load(out).scale

    assert run("infer", str(folder), "-o", str(out), *keep) is None
    moved = f"0 3 = {distance_moved(scene, 3):.3f} m"
    height = f"{np.median(scene.T_world_camera[:4, 2, 3]):.3f} m"
    known = run("rebuild", str(out), "--source.baseline", moved, "--source.camera-height", height, "--quiet")
    assert known is not None
    assert known.statements == 2
    assert known.metres_per_unit == pytest.approx(FACTOR, rel=0.01)
    stated = run("rescale", str(out), f"camera {moved} ± 0.1")
    assert stated is not None
    assert stated.relative_sigma > known.relative_sigma
    before = load(out).ego.position
    assert run("rebuild", str(out), "--fusion.reidentify", "--quiet") == stated
    assert np.allclose(load(out).ego.position, before, rtol=1e-6, atol=1e-7)


def stand_in(scene: SyntheticScene, asked: list[int]) -> OpenMetricDepth:
    """Return a network that overestimates all depth by a tenth, at half the images' size; of one row it has none."""

    def estimate(frames: Frames, geometry: Geometry) -> np.ndarray:
        assert len(geometry) == len(frames)
        asked.extend(frames.source_frame.tolist())
        depth = 1.1 * scene.depth[frames.source_frame, ::2, ::2]
        depth[:, 0] = 0
        return depth.astype(np.float32)

    return lambda: nullcontext(estimate)


def with_network(scene: SyntheticScene, config: Config, asked: list[int], geometry: OpenGeometry) -> Result:
    recording = replace(as_recording(scene), T_world_camera=None, read_depth=None)
    engines = Engines(geometry=geometry, metric_depth=stand_in(scene, asked))
    return build_graph(from_recording(recording, config.sampling), config=config, engines=engines)


@pytest.mark.parametrize("error", [None, 0.3])
def test_a_metric_depth_network_gives_the_scale_within_its_error(error: float | None, scene: SyntheticScene):
    asked: list[int] = []
    config = replace(
        EXACT, window=WindowConfig(length=6, overlap=2), metric_depth=MetricDepthConfig(error=error)
    )  # two windows
    result = with_network(scene, config, asked, estimated(scene))
    scale = result.graph.scale
    assert result.graph.metric
    assert scale is not None
    assert scale.metres_per_unit == pytest.approx(1.1 * FACTOR, rel=0.01)
    assert abs(log(scale.metres_per_unit / FACTOR)) < scale.relative_sigma
    assert scale.relative_sigma == pytest.approx(error or 0.15, rel=0.02)
    assert asked == [0, 2, 3, 5, 6, 7]
    assert result.record["engines"]["metric_depth"]["meaning"] == "brought by the caller"


def test_metric_geometry_needs_no_network(scene: SyntheticScene):
    asked: list[int] = []
    config = replace(EXACT, sampling=replace(EXACT.sampling, max_frames=3))
    result = with_network(scene, config, asked, lambda: nullcontext(lambda frames: geometry_of(scene)[frames.t]))
    assert result.graph.scale is None
    assert not asked


def test_depth_that_is_recorded_is_taken_before_that_of_a_network(rare: Path, scene: SyntheticScene):
    asked: list[int] = []
    with pytest.warns(FastSnowWarning, match="3 of 8 frames"):
        opened = from_recording(read_recording_folder(rare), EXACT.sampling)
    chosen = select_engines(opened, EXACT, Engines(metric_depth=stand_in(scene, asked)))
    assert chosen.engines.metric_depth is None


@pytest.mark.parametrize("name", ["da3metric", "yolo26-depth"])
def test_a_network_without_weights_is_told(name: str, rare: Path, tmp_path: Path):
    source = from_recording(replace(as_recording(rendered(SceneConfig(size=(24, 32), frames=2)))), EXACT.sampling)
    missing = MetricDepthConfig(model_path=str(tmp_path / "da3metric-large"))
    config = replace(EXACT, engines=EnginesConfig(metric_depth=name), metric_depth=missing)
    with pytest.raises(ConfigError, match=f"--engines.metric-depth {name} needs .*da3metric-large"):
        select_engines(source, config)


@pytest.mark.parametrize("answer", [np.ones((2, 4), np.float32), np.ones((3, 4, 4), np.float32), None])
def test_what_is_no_depth_is_refused(answer: object, scene: SyntheticScene):
    recording = replace(as_recording(scene), T_world_camera=None, read_depth=None)
    config = replace(EXACT, sampling=replace(EXACT.sampling, max_frames=2))
    engines = Engines(geometry=estimated(scene), metric_depth=lambda: nullcontext(lambda *_: answer))
    with pytest.raises(EngineError, match=r"metric_depth engine: got .* expected"):
        build_graph(from_recording(recording, config.sampling), config=config, engines=engines)


def test_metric_depth_stays_with_the_perception(tmp_path: Path):
    depth = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    estimated = MetricDepth(row=np.array([0, 2], np.int32), depth=depth)
    files = PerceptionFiles(folder=tmp_path, key="run", recorded=(), recording=None)
    window = replace(perception([tracked()] * 3), metric_depth=estimated)
    packed_values.write(files.path(0), files.stored(window, ()))
    kept = files.load(0)[0].metric_depth
    assert kept is not None
    assert np.array_equal(kept.row, [0, 2])
    assert np.array_equal(kept.depth, depth)


def test_a_graph_that_grows_is_metric_from_where_its_scale_is_known(scene: SyntheticScene):
    opened = from_recording(in_units(scene), EXACT.sampling)
    known = SourceConfig(baseline=f"0 5 = {distance_moved(scene, 5):.3f} m")
    config = replace(EXACT, window=WindowConfig(length=5, overlap=2), source=known)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FastSnowWarning)
        views = list(stream(opened, config=config))
    assert [each.metric for each in views] == [False] * 5 + [True] * 3
    assert views[-1].scale is not None
    assert np.linalg.norm(views[-1].ego.position[-1]) == pytest.approx(distance_moved(scene), rel=0.01)
