"""From video to graph with all three trained models' architectures, small and with random weights."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("ultralytics")
pytest.importorskip("depth_anything_3")
pytest.importorskip("transformers")
pytest.importorskip("sam3")
pytest.importorskip("onnxruntime")
import fast_snow
from bench.random_models import Models, tiny
from fast_snow import output
from fast_snow.cli.main import main
from fast_snow.cli.model_commands import ExportEngines
from fast_snow.config import Config, DepthFilterConfig, EnginesConfig
from fast_snow.inputs import open_input
from fast_snow.presets import as_options
from fast_snow.selection import select_engines
from fast_snow.synthetic.files import write_video
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:The feature will be removed:DeprecationWarning"),
]
SCENE = SceneConfig(size=(48, 64), frames=4)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.mp4"
    write_video(rendered(SCENE), path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    with tiny(tmp_path_factory.mktemp("models"), "cpu") as written:
        assert not written.left_out
        config = replace(
            written.config,
            fastsam=replace(written.config.fastsam, max_det=6),
            depth_filter=DepthFilterConfig(conf_thresh=0.0, min_points=1),
        )
        yield replace(written, config=config)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return 0 if end.value.code is None else end.value.code


def options(config: Config, **engines: str) -> list[str]:
    return as_options(replace(config, engines=replace(config.engines, **engines)))


def test_compiled_networks_and_sam3_from_the_command_line(
    models: Models, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    settings = options(models.config, geometry="da3-onnx", segmenter="fastsam-onnx", tracker="sam3-hf")
    assert command("infer", video, "-o", tmp_path / "early", *settings) == 2
    assert "fast-snow export-engines --model da3 --target onnx" in capsys.readouterr().err

    assert command("export-engines", "--like", video, *as_options(models.config, ExportEngines.settings)) == 0
    assert capsys.readouterr().out.count("built") == 2
    assert command("export-engines", "--like", video, *as_options(models.config, ExportEngines.settings)) == 0
    assert capsys.readouterr().out.count("up to date") == 2

    assert command("infer", video, "-o", tmp_path / "out", *settings) == 0
    assert command("validate", tmp_path / "out") == 0
    record = output.read_record(tmp_path / "out")
    assert [record["engines"][slot]["name"] for slot in ("geometry", "segmenter", "tracker")] == [
        "da3-onnx",
        "fastsam-onnx",
        "sam3-hf",
    ]
    assert {"onnxruntime", "torch", "transformers"} <= set(record["versions"])
    document = json.loads((tmp_path / "out/4dsg.json").read_text())
    assert document["metadata"]["num_frames"] == SCENE.frames
    assert document["tracks"]


@pytest.mark.slow
def test_the_permissive_preset_from_the_command_line(models: Models, video: Path, tmp_path: Path):
    preset = Path(__file__).resolve().parents[1] / "configs/permissive.toml"
    assert command("infer", video, "-o", tmp_path / "out", "--preset", preset, *as_options(models.config)) == 0
    assert command("validate", tmp_path / "out") == 0
    record = output.read_record(tmp_path / "out")
    engines = {slot: each["name"] for slot, each in record["engines"].items()}
    assert engines["geometry"].startswith("da3-")
    assert (engines["segmenter"], engines["tracker"]) == ("sam2", "edgetam")
    assert {"torch", "transformers", "timm"} <= set(record["versions"])
    assert {"ultralytics", "sam3"}.isdisjoint(record["versions"])
    document = json.loads((tmp_path / "out/4dsg.json").read_text())
    assert document["metadata"]["num_frames"] == SCENE.frames
    assert document["tracks"]


@pytest.mark.slow
def test_torch_and_the_package_sam3_from_python(models: Models, video: Path):
    config = replace(
        models.config,
        engines=replace(models.config.engines, geometry="da3-torch", segmenter="fastsam-torch", tracker="classical"),
    )
    chosen = select_engines(open_input(video, config.sampling), config).engines
    engines = fast_snow.Engines(
        geometry=chosen.geometry, segmenter=chosen.segmenter, tracker=lambda: models.open_tracker("sam3")
    )
    first, again = (fast_snow.build_graph(video, config=config, engines=engines).graph for _ in range(2))
    assert first.num_frames == SCENE.frames
    assert first.tracks
    assert {k: len(each.observations) for k, each in first.tracks.items()} == {
        k: len(each.observations) for k, each in again.tracks.items()
    }


def test_a_compiled_network_of_other_weights_is_refused(models: Models, video: Path, tmp_path: Path, capsys):
    from tests.engines.fastsam.networks import write_weights

    config = replace(models.config, engines=EnginesConfig(compiled_path=str(tmp_path / "compiled")))
    assert (
        command("export-engines", "--model", "fastsam", "--like", video, *as_options(config, ExportEngines.settings))
        == 0
    )
    other = write_weights(tmp_path / Path(config.fastsam.model_path).name, seed=1)
    config = replace(config, fastsam=replace(config.fastsam, model_path=str(other)))
    capsys.readouterr()
    assert command("infer", video, "-o", tmp_path / "out", *options(config, segmenter="fastsam-onnx")) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "made from other weights" in told
    assert "fast-snow export-engines --model fastsam --target onnx" in told
    assert not (tmp_path / "out").exists()
