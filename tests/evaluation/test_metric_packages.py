"""Metrics without the packages they come from."""

import sys

import pytest

from fast_snow.errors import EngineError
from fast_snow.evaluation.metric_packages import load


def test_a_package_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)  # as if it were not installed
    with pytest.raises(EngineError, match=r'motmetrics: metrics need it .*pip install "fast-snow\[eval\]"'):
        load("motmetrics")


def test_a_module_that_is_there():
    assert load("math") is __import__("math")
