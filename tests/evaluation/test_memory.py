"""The most memory that a piece of work needs, on systems that tell it in different ways."""

import subprocess
import sys
from pathlib import Path

import pytest

from fast_snow.evaluation import memory


@pytest.fixture
def no_proc(monkeypatch):
    monkeypatch.setattr(memory, "_STATUS", Path("missing"))
    monkeypatch.setattr(memory, "_FORGET", Path("missing") / "clear_refs")


def test_a_peak_holds_what_was_allocated():
    """In a process of its own: here, other tests' garbage may be freed meanwhile."""
    script = """
import numpy as np
from fast_snow.evaluation import memory
fresh, before = memory.forget_peak(), memory.peak_bytes()
block = np.ones(40_000_000, np.uint8)
assert memory.peak_bytes() - before >= (0.9 * block.nbytes if fresh else 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.usefixtures("no_proc")
def test_without_proc_the_system_tells_the_peak_of_the_whole_life():
    pytest.importorskip("resource")
    assert not memory.forget_peak()
    assert memory.peak_bytes() > 2**20


@pytest.mark.usefixtures("no_proc")
def test_where_no_system_tells_it_is_0(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory.peak_bytes() == 0
