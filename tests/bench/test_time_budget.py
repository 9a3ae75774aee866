"""Parts end in time, name what was left out, and outlive what goes wrong."""

import time
from collections.abc import Iterator

import pytest

from bench.time_budget import OutOfTimeError, Trial, at_most, run_part
from fast_snow.errors import ConfigError


def fails() -> None:
    raise RuntimeError("broken")


def lacks() -> None:
    raise ConfigError("no weights")


def found(*trials: Trial, budget_s: float = 60.0) -> dict:
    saved: list[list[str]] = []
    report = run_part(lambda: trials, budget_s, lambda part: saved.append([each["name"] for each in part["results"]]))
    assert len(saved) == len(trials)  # after every setting
    return report


def test_what_fails_is_told_and_the_rest_runs(capsys: pytest.CaptureFixture[str]):
    report = found(Trial("a", fails), Trial("b", lacks), Trial("c", lambda: {"x": 1}))
    assert report["results"] == [
        {"name": "a", "failed": "RuntimeError: broken"},
        {"name": "b", "skipped": "no weights"},
        {"name": "c", "x": 1},
    ]
    assert "broken" in capsys.readouterr().err


def test_what_takes_too_long_is_interrupted_and_the_rest_left_out():
    began = time.monotonic()
    slow = Trial("slow", lambda: time.sleep(30))
    report = found(Trial("quick", dict), slow, Trial("late", dict), budget_s=0.2)
    assert time.monotonic() - began < 5
    assert [each["name"] for each in report["results"]] == ["quick"]
    assert report["left_out"] == ["slow", "late"]


def test_a_list_of_settings_that_breaks_is_told(capsys: pytest.CaptureFixture[str]):
    def broken() -> Iterator[Trial]:
        yield Trial("a", dict)
        fails()

    report = run_part(broken, 60.0, lambda _: None)
    assert report["results"] == [{"name": "a"}, {"name": "settings", "failed": "RuntimeError: broken"}]


def test_no_alarm_is_left():
    with at_most(0.1):
        pass
    time.sleep(0.2)
    with pytest.raises(OutOfTimeError), at_most(0.05):
        time.sleep(5)
