"""A live run from the command line: ended by a signal, it leaves a complete graph."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from fast_snow.cli.main import main
from fast_snow.cli.terminal import terminable
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered

WINDOWS = ("--window.length", "4", "--window.overlap", "1")


def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fast_snow", "infer", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


def wait_for(stream: IO[str], begin: str) -> None:
    for line in stream:
        if line.startswith(begin):
            return
    pytest.fail(f"nothing begins with {begin!r}")


def test_the_first_signal_ends_a_live_run_with_its_graph(tmp_path: Path):
    scan = tmp_path / "scan"
    write_recording(rendered(SceneConfig(size=(48, 64), frames=60)), scan)
    with start(scan, "--live", "-o", tmp_path / "out", *WINDOWS) as run:
        assert run.stderr is not None
        wait_for(run.stderr, "track: 4 of 4")  # the first window
        run.send_signal(signal.SIGINT)
        printed, told = run.communicate(timeout=60)
    assert run.returncode == 0, told
    assert "stopping: what was read is finished and written" in told
    assert "live     stopped; " in printed
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert 4 <= record["frames"] < 60
    assert record["live"]["ended"] == "stopped"
    assert record["frames"] + record["live"]["frames_dropped"] <= record["live"]["frames_read"]
    assert record["config"]["live"]["real_time"]
    with pytest.raises(SystemExit, match="0"):
        main(["validate", str(tmp_path / "out")])


def test_signals_are_asked_first_and_then_obeyed():
    answers = iter([True, False])
    before = signal.getsignal(signal.SIGINT)
    with terminable(stop=lambda: next(answers)):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert next(answers, None) is None
    assert signal.getsignal(signal.SIGINT) is before


def test_credentials_are_in_no_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Port 1 refuses; `--debug` shows the causes too."""
    with pytest.raises(SystemExit) as end:
        main(["infer", "rtsp://user:hunter2@127.0.0.1:1/hunter2?x=hunter2", "-o", str(tmp_path / "out"), "--debug"])
    assert end.value.code == 2
    told = "".join(capsys.readouterr())
    assert "rtsp://127.0.0.1:1/…: cannot be opened (Connection refused)" in told
    assert "hunter2" not in told
