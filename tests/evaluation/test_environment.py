"""Peak memory on systems that tell it in different ways, and metrics without the packages they come from."""

import subprocess
import sys
from pathlib import Path

import pytest

from fast_snow.errors import EngineError
from fast_snow.evaluation import environment
from fast_snow.evaluation.metrics import load_metric_package


@pytest.fixture
def no_proc(monkeypatch):
    monkeypatch.setattr(environment, "_STATUS", Path("missing"))
    monkeypatch.setattr(environment, "_FORGET", Path("missing") / "clear_refs")


def test_a_peak_holds_what_was_allocated():
    """In a process of its own: here, other tests' garbage may be freed meanwhile."""
    script = """
import numpy as np
from fast_snow.evaluation import environment
fresh, before = environment.forget_peak(), environment.peak_bytes()
block = np.ones(40_000_000, np.uint8)
assert environment.peak_bytes() - before >= (0.9 * block.nbytes if fresh else 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.usefixtures("no_proc")
def test_without_proc_the_system_tells_the_peak_of_the_whole_life():
    pytest.importorskip("resource")
    assert not environment.forget_peak()
    assert environment.peak_bytes() > 2**20


@pytest.mark.usefixtures("no_proc")
def test_where_no_system_tells_it_is_0(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert environment.peak_bytes() == 0


def test_a_package_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)  # as if it were not installed
    with pytest.raises(EngineError, match=r'motmetrics: metrics need it .*uv pip install -e "\.\[eval\]"'):
        load_metric_package("motmetrics")


def test_a_module_that_is_there():
    assert load_metric_package("math") is __import__("math")
