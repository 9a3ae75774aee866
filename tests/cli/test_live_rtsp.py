"""A minute of a real RTSP stream with the classical engines: the server dies midway, a signal ends the run."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_live import start, wait_for
from tests.output.runs import files

SERVER = Path(__file__).parents[1] / "inputs/live/rtsp_server.py"
PASSWORD = "hunter2"
BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@pytest.fixture
def python() -> str:
    """An interpreter that has the server's bindings."""
    for found in filter(None, (sys.executable, "/usr/bin/python3", shutil.which("python3"))):
        if subprocess.run([found, "-c", BINDINGS], capture_output=True).returncode == 0:
            return found
    pytest.skip("no GStreamer RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi")


@contextmanager
def serving(python: str, port: str) -> Iterator[str]:
    with subprocess.Popen([python, str(SERVER), port], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


@pytest.mark.slow
def test_a_minute_of_rtsp_with_a_server_that_dies(python: str, tmp_path: Path, record_property):
    out = tmp_path / "out"
    with serving(python, "0") as port:
        address = f"rtsp://viewer:{PASSWORD}@127.0.0.1:{port}/live"
        run = start(address, "-o", out, "--window.length", "30", "--window.overlap", "6", "--live.timeout-s", "5")
        assert run.stderr is not None
        wait_for(run.stderr, "geometry: 0 of 30")
        began = time.monotonic()
        time.sleep(15)
    time.sleep(2)
    with serving(python, port):
        time.sleep(max(0.0, began + 60 - time.monotonic()))
        run.send_signal(signal.SIGINT)
        printed, told = run.communicate(timeout=300)
    assert run.returncode == 0, told
    record = json.loads((out / "run.json").read_text())
    live = record["live"]
    print(live, record["frames"], record["wall_seconds"])
    for name, value in live.items():
        record_property(name, value)
    assert live["ended"] == "stopped"
    assert live["reconnects"] >= 1
    assert record["frames"] + live["frames_dropped"] <= live["frames_read"]
    assert live["frames_read"] > 300
    assert record["tracks"] > 0
    assert subprocess.run([sys.executable, "-m", "fast_snow", "validate", out]).returncode == 0
    assert subprocess.run([sys.executable, "-m", "fast_snow", "view", out]).returncode == 0
    assert PASSWORD not in printed + told
    assert not [name for name, data in files(out).items() if PASSWORD.encode() in data]
