"""Peak memory on systems that tell it in different ways."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fast_snow import peak_memory


@pytest.fixture
def no_proc(monkeypatch):
    monkeypatch.setattr(peak_memory, "_STATUS", Path("missing"))
    monkeypatch.setattr(peak_memory, "_FORGET", Path("missing") / "clear_refs")


def test_a_peak_holds_what_was_allocated():
    """In a process of its own: here, other tests' garbage may be freed meanwhile."""
    script = """
import numpy as np
from fast_snow import peak_memory
fresh, before = peak_memory.forget_peak(), peak_memory.peak_bytes()
block = np.ones(40_000_000, np.uint8)
assert peak_memory.peak_bytes() - before >= (0.9 * block.nbytes if fresh else 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.usefixtures("no_proc")
def test_without_proc_the_system_tells_the_peak_of_the_whole_life():
    pytest.importorskip("resource")
    assert not peak_memory.forget_peak()
    assert peak_memory.peak_bytes() > 2**20


@pytest.mark.usefixtures("no_proc")
def test_where_no_system_tells_it_is_0(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory.peak_bytes() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells no other peak")
def test_a_peak_is_not_that_of_the_parent_process():
    block = np.ones(400_000_000, np.uint8)
    script = "from fast_snow import peak_memory; print(peak_memory.peak_bytes())"
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True)
    assert int(done.stdout) < block.nbytes
