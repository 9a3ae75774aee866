"""Compiling is noticed where Numba does it, and only there."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.event import trigger_event

from fast_snow.kernels.compilation import watched_compilation

KIND = "numba:compile"


def test_the_first_compilation_is_told_of_once_and_its_time_counts_once():
    begun: list[str] = []
    with watched_compilation(lambda: begun.append("now")) as watch:
        assert watch.seconds == 0.0
        with trigger_event(KIND), trigger_event(KIND):  # a kernel, and one that it calls
            assert begun == ["now"]
        first_s = watch.seconds
        with trigger_event(KIND):
            pass
    assert begun == ["now"]
    assert 0.0 < first_s < watch.seconds


def test_nothing_is_told_after_the_block():
    begun: list[str] = []
    with watched_compilation(lambda: begun.append("now")) as watch:
        pass
    with trigger_event(KIND):
        pass
    assert (begun, watch.seconds) == ([], 0.0)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_a_kernel_is_compiled_in_the_first_process_only(tmp_path: Path):
    (tmp_path / "kernel.py").write_text("import numba\n@numba.njit(cache=True)\ndef add(a, b):\n    return a + b\n")
    code = (
        "from fast_snow.kernels.compilation import watched_compilation\n"
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from kernel import add\n"
        "with watched_compilation(lambda: print('compiling')) as watch:\n"
        "    add(1, 2), add(3, 4)\n"
        "print(watch.seconds > 0)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    outputs = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs == ["compiling\nTrue\n", "False\n"]
