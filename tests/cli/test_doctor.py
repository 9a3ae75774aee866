"""`fast-snow doctor`: what it recommends, and that it fits a terminal."""

import io
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from rich.console import Console

from fast_snow.cli import doctor
from fast_snow.cli.doctor import Finding, State
from fast_snow.cli.main import main
from fast_snow.config import Config, EnginesConfig, Sam2Config
from fast_snow.presets import load_preset


def findings(*missing: tuple[str, str]) -> tuple[Finding, ...]:
    """What the doctor finds on a GPU machine that has everything but some."""
    names = [("machine", "GPU"), *(("packages", each.name) for each in doctor.PACKAGES)]
    names += [("weights", each) for each in ("FastSAM-s", "da3-small", "sam3", "sam3-hf", "sam3.1", "sam2")]
    names += [(slot, "classical") for slot in doctor.SLOTS] + [("geometry", "da3-tensorrt")]
    assert set(missing) <= set(names)
    return tuple(
        Finding(topic=topic, name=name, state=State.MISSING if (topic, name) in missing else State.READY, detail="")
        for topic, name in names
    )


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ([], "fast-snow infer VIDEO"),
        ([("packages", "torch"), ("weights", "sam3")], 'uv pip install -e ".[models]"'),
        ([("weights", "FastSAM-s"), ("geometry", "da3-tensorrt")], "fast-snow fetch-models"),
        ([("weights", "sam2"), ("weights", "sam3-hf")], "fast-snow infer VIDEO"),
        ([("geometry", "da3-tensorrt")], "fast-snow export-engines --like VIDEO"),
        ([("geometry", "da3-tensorrt"), ("packages", "tensorrt")], "fast-snow infer VIDEO"),
        ([("machine", "GPU"), ("weights", "sam3"), ("packages", "torch")], "fast-snow infer VIDEO"),
    ],
)
def test_next_command(missing: list[tuple[str, str]], command: str):
    assert doctor.next_command(Config(), findings(*missing)) == command


def test_weights_that_the_settings_do_not_name_are_not_asked_for():
    config = Config(engines=EnginesConfig(tracker="sam3-hf"))
    assert doctor.next_command(config, findings(("weights", "sam3"))) == "fast-snow infer VIDEO"
    assert doctor.next_command(config, findings(("weights", "sam3-hf"))) == "fast-snow fetch-models"


def test_licences_of_the_weights_that_the_settings_name():
    assert doctor.licences(Config()) == (
        "FastSAM-s AGPL-3.0, da3-small Apache-2.0, sam3 SAM License; use restricted: FastSAM-s, sam3"
    )
    permissive = load_preset(Path(__file__).resolve().parents[2] / "configs/permissive.toml")
    assert doctor.licences(permissive) == (
        "sam2 Apache-2.0, da3-small Apache-2.0, edgetam Apache-2.0; none restricts use"
    )
    own = replace(permissive, sam2=Sam2Config(model_path="mine"))
    assert doctor.licences(own).endswith("edgetam Apache-2.0; those of your own weights are not known")


def test_the_last_lines_are_a_summary_and_the_next_command():
    out = io.StringIO()
    config = Config(engines=EnginesConfig(geometry="da3-onnx"))
    doctor.print_findings(Console(file=out, width=160), config, findings())
    summary, following = out.getvalue().splitlines()[-2:]
    assert summary == "selected  geometry da3-onnx, segmenter classical, tracker classical"
    assert following == "next      fast-snow infer VIDEO"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_fit_80_columns(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FAST_SNOW_HOME", str(tmp_path / ("a-long-name-" * 10)))
    monkeypatch.setattr("fast_snow.cli.terminal._WIDTH_OF_FILES", columns)
    with pytest.raises(SystemExit) as end:
        main(["doctor"])
    assert end.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= min(columns, 80)
    assert lines[-1].startswith("next")


def test_weights_and_compiled_networks_are_looked_for_in_one_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAST_SNOW_HOME", str(tmp_path))
    details = {(each.topic, each.name): each.detail for each in doctor.examine(Config())}
    assert str(tmp_path / "models/da3-small") in details["weights", "da3-small"]
    assert str(tmp_path / "models/fastsam") in details["weights", "FastSAM-s"]
    if find_spec("onnxruntime"):
        assert str(tmp_path / "models/compiled") in details["geometry", "da3-onnx"]
