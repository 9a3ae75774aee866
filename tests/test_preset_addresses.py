"""A preset of a stranger sends nothing to a server that the user did not name."""

import os
from pathlib import Path

import pytest

from fast_snow import presets
from fast_snow.cli.ask_commands import Ask
from fast_snow.cli.main import main
from fast_snow.config import VlmConfig
from fast_snow.errors import ConfigError

AWAY = "https://elsewhere.example/v1"
OWN = "https://own.example/v1"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(presets.BASE_URL, raising=False)


def preset(folder: Path, address: str) -> Path:
    path = folder / "preset.toml"
    path.write_text(f'[vlm]\nbase_url = "{address}"\nmodel = "m"\n')
    return path


@pytest.mark.parametrize("address", [AWAY, "http://10.0.0.1/v1", "http://localhost@elsewhere.example/v1", "", "x"])
def test_an_address_that_only_a_preset_names_is_refused(tmp_path, address):
    with pytest.raises(ConfigError, match="a preset alone may not send") as error:
        presets.load_preset(preset(tmp_path, address))
    assert "--vlm.base-url URL" in str(error.value)


@pytest.mark.parametrize("address", ["http://localhost:8000/v1", "http://127.0.0.1:1/v1", "http://[::1]/v1"])
def test_a_server_on_this_machine_is_not(tmp_path, address):
    assert presets.load_preset(preset(tmp_path, address)).vlm.base_url == address


def test_the_users_own_word_replaces_it(tmp_path, monkeypatch):
    path = preset(tmp_path, AWAY)
    assert presets.load_preset(path, base_url=OWN).vlm == VlmConfig(base_url=OWN, model="m")
    assert presets.load_preset(path, base_url=AWAY).vlm.base_url == AWAY
    monkeypatch.setenv(presets.BASE_URL, OWN)
    assert presets.load_preset(path).vlm.base_url == OWN


@pytest.mark.parametrize(
    ("options", "variable", "reached"),
    [
        ([], None, None),
        (["--vlm.base-url", OWN], None, OWN),
        ([f"--vlm.base-url={OWN}"], None, OWN),
        (["--vlm.base_url", OWN], None, OWN),
        ([], OWN, OWN),
        (["--vlm.base-url", OWN], AWAY, OWN),
    ],
)
def test_on_the_command_line(tmp_path, monkeypatch, capsys, options, variable, reached):
    asked = []
    monkeypatch.setattr(Ask, "run", lambda command: asked.append(command.vlm.base_url) or 0)
    if variable is not None:
        monkeypatch.setenv(presets.BASE_URL, variable)
    with pytest.raises(SystemExit) as end:
        main(["ask", "out", "why", "--preset", str(preset(tmp_path, AWAY)), *options])
    assert end.value.code == (2 if reached is None else 0)
    assert asked == ([] if reached is None else [reached])
    if reached is None:
        assert "a preset alone may not send prompts and your key to" in capsys.readouterr().err


def test_the_environment_names_the_server_without_a_preset_too(monkeypatch):
    asked = []
    monkeypatch.setattr(Ask, "run", lambda command: asked.append(command.vlm.base_url) or 0)
    monkeypatch.setenv(presets.BASE_URL, OWN)
    with pytest.raises(SystemExit):
        main(["ask", "out", "why"])
    assert asked == [OWN]


@pytest.mark.skipif(os.name != "posix", reason="FIFOs of POSIX")
def test_a_preset_that_would_wait_or_is_no_text(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "bytes").write_bytes(b"[vlm]\nmodel = '\xff'\n")
    for name, message in (("fifo", "is a FIFO"), ("bytes", "is not UTF-8"), ("gone", "cannot be read")):
        with pytest.raises(ConfigError, match=message):
            presets.load_preset(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[step]\niou_threshold = 1{'0' * 400}", "64 bits"),
        (f"[step]\ngrid_size = 1{'0' * 5000}", "64 bits"),
        ("[vlm]\nmodel" + ".a" * 60 + " = 1", "vlm.model: got a table, expected text"),
        ("[vlm]\n" + "x" * 100_000 + " = 1", "no such setting"),
        ("vlm = '" + "x" * 100_000 + "'", "expected a section"),
    ],
)
def test_values_that_nobody_can_mean(tmp_path, text, message):
    (tmp_path / "preset.toml").write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        presets.load_preset(tmp_path / "preset.toml")
    assert len(str(error.value)) < 1000
