"""An evaluation that is asked to end."""

import json
import signal
import subprocess
import sys
from time import sleep

from tests.inputs.video_files import grey, write


def test_a_terminated_evaluation_ends_in_one_line(tmp_path):
    write(tmp_path / "a.mp4", [grey(k, (120, 160)) for k in range(30)])
    manifest = tmp_path / "manifest.json"
    clip = {"name": "a", "licence": "none", "input": {"path": "a.mp4"}}
    manifest.write_text(json.dumps({"version": 1, "name": "one", "clips": [clip]}), encoding="utf-8")
    command = ["eval", "run", manifest, "--root", tmp_path, "-o", tmp_path / "out", "--systems", "fast-snow"]
    command += ["--repeat", "1000"]
    with subprocess.Popen(
        [sys.executable, "-m", "fast_snow", *map(str, command)], stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        while not any(
            (tmp_path / "out" / "runs").rglob("*.json")
        ):  # the first run is done: the engines' packages are loaded
            assert process.poll() is None
            sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert rest.strip().splitlines()[-1].startswith("fast-snow: interrupted; finished runs are kept")
    assert "SIGTERM" not in rest
