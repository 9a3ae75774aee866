"""A kernel counts as slower only below half of its committed ratio."""

import json
from pathlib import Path

import pytest

from bench.ratios import COMMITTED, main, slower

ROOT = Path(__file__).resolve().parents[2]


def test_half_is_the_limit():
    assert slower({"a": 50.0, "b": 300.0}, {"a": 100.0, "b": 100.0}) == []
    (line,) = slower({"a": 49.9}, {"a": 100.0})
    assert line.startswith("a: got 49.9 times its reference, expected at least 50.0")
    assert slower({}, {"a": 100.0}) == ["a: not measured, expected a ratio near 100"]


@pytest.mark.parametrize(("share", "status"), [(0.6, 0), (0.4, 1)])
def test_a_report_is_held_against_the_committed_ratios(tmp_path, monkeypatch, share, status):
    monkeypatch.chdir(ROOT)
    committed = json.loads(COMMITTED.read_text())["ratios"]
    results = {name: {"ratio": share * ratio} for name, ratio in committed.items()}
    report = tmp_path / "kernels.json"
    report.write_text(json.dumps({"hardware": {}, "results": results}))
    assert main(report) == status
    assert json.loads((tmp_path / "ratios.json").read_text())["ratios"].keys() == committed.keys()
