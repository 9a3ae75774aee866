"""`fetch-models` and `export-engines` have the settings that they read, and no others."""

import re
from pathlib import Path

import pytest

from fast_snow.cli.main import _parse, main
from fast_snow.cli.model_commands import ExportEngines, FetchModels
from fast_snow.presets import changed

COMMANDS = {"fetch-models": FetchModels, "export-engines": ExportEngines}
OTHER_VALUES = {
    "engines.segmenter": "sam2",
    "engines.tracker": "edgetam",
    "runtime.device": "cpu",
    **dict.fromkeys(("fastsam.imgsz", "da3.process_res", "sampling.max_side"), "320"),
    **dict.fromkeys(("fastsam.batch_size", "da3.chunk_size"), "3"),
    **dict.fromkeys((f"{each}.model_path" for each in ("fastsam", "sam2", "da3", "sam3", "edgetam")), "elsewhere"),
    "engines.compiled_path": "elsewhere",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_the_settings_that_are_read(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = set(re.findall(r"--([a-z0-9]+\.[a-z0-9.-]+)", capsys.readouterr().out))
    assert shown == {each.replace("_", "-") for each in COMMANDS[name].settings}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_reaches_the_configuration(name: str):
    options = [part for each in COMMANDS[name].settings for part in (f"--{each}", OTHER_VALUES[each])]
    command = _parse([name, *options])
    assert {setting: str(value) for setting, (value, _) in changed(command.config).items()} == {
        each: OTHER_VALUES[each] for each in COMMANDS[name].settings
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_other_settings_of_a_preset_do_no_harm(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAST_SNOW_VLM_BASE_URL", "http://localhost:1")
    preset = tmp_path / "preset.toml"
    preset.write_text('[step]\ngrid_size = 8\n[da3]\nmodel_path = "da3-base"\nchunk_overlap = 3\n', encoding="utf-8")
    command = _parse([name, "--preset", str(preset), "--fastsam.model-path", "FastSAM-x.pt"])
    assert set(changed(command.config)) == {"da3.model_path", "fastsam.model_path"}
