"""Metrics without the packages they come from."""

import sys

import pytest

from fast_snow.errors import EngineError
from fast_snow.evaluation.metrics import load_metric_package


def test_a_package_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)  # as if it were not installed
    with pytest.raises(EngineError, match=r'motmetrics: metrics need it .*uv pip install -e "\.\[eval\]"'):
        load_metric_package("motmetrics")


def test_a_module_that_is_there():
    assert load_metric_package("math") is __import__("math")
