"""The process that compiles kernels beside a first run: when it starts and ends, and what it spares the run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from numba import njit

from fast_snow.compiling_ahead import compiled_ahead
from fast_snow.kernels import threads

COMPILED = """
import json, sys
from numba.core.event import Listener, install_listener
import fast_snow

class Names(Listener):
    def __init__(self):
        self.names, self.open = set(), 0
    def on_start(self, event):
        if not self.open:
            self.names.add(event.data["dispatcher"].py_func.__module__)
        self.open += 1
    def on_end(self, event):
        self.open -= 1

with install_listener("numba:compile", Names()) as compiled:
    fast_snow.build_graph(sys.argv[1])
print(json.dumps(sorted(compiled.names)))
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Put a program in place of Python that notes its number and arguments and waits; return what was noted."""
    noted, program = tmp_path / "noted", tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$$ $@" >> {noted}\nexec cat {tmp_path}/fifo\n')
    program.chmod(0o700)
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(sys, "executable", str(program))
    return lambda: noted.read_text().splitlines() if noted.exists() else []


@pytest.mark.skipif(threads.PER_CORE < 2, reason="a single core has no room for a second process")
def test_it_starts_with_the_first_kernel_and_ends_with_the_run(python: Callable[[], list[str]]):
    with compiled_ahead():
        for kernel in (njit(lambda x: x + 1), njit(lambda x: x - 1)):
            kernel(np.zeros(2))
        latest = monotonic() + 60
        while not python():
            assert monotonic() < latest
    ((number, *arguments),) = (each.split() for each in python())
    assert arguments == ["-m", "fast_snow.compiling_ahead"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)


def test_it_does_not_start_where_all_is_compiled(python: Callable[[], list[str]]):
    kernel = njit(lambda x: x + 1)
    kernel(np.zeros(2))
    with compiled_ahead():
        kernel(np.ones(2))
    assert python() == []


@pytest.mark.slow
def test_a_run_after_it_compiles_the_kernels_of_geometry_and_segmenter_alone(tmp_path: Path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "ignore", "-m", "fast_snow.compiling_ahead"], env=environment, check=True)
    example = Path(__file__).parents[1] / "examples" / "scene.mp4"
    command = [sys.executable, "-W", "ignore", "-c", COMPILED, str(example)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    modules = json.loads(done.stdout)
    assert {each.split(".")[-1] for each in modules} <= {"camera_motion", "edge_aware", "region_tree", "superpixels"}
    assert modules
