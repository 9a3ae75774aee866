"""Progress where there is no terminal, a log that tells that work goes on without a line for every step; summaries."""

from pathlib import Path

import pytest
from numba.core.event import trigger_event

from fast_snow.cli.terminal import COMPILING, print_summary, shown_progress
from fast_snow.config import Config
from fast_snow.graph import start
from fast_snow.run_record import RunSummary
from fast_snow.types import Health


def told(capsys: pytest.CaptureFixture[str], steps: list[tuple[float, int, int]]) -> list[str]:
    times = iter([0.0, *(at_s for at_s, _, _ in steps)])
    with shown_progress(clock=lambda: next(times)) as progress:
        for _, done, total in steps:
            progress("runs", done, total)
    return capsys.readouterr().err.splitlines()


def test_a_short_stage_tells_its_beginning_and_its_end(capsys):
    assert told(capsys, [(0, 0, 3), (1, 1, 3), (2, 2, 3), (3, 3, 3)]) == ["runs: 0 of 3", "runs: 3 of 3"]


def test_a_long_stage_also_tells_that_it_goes_on(capsys):
    steps = [(0, 0, 4), (11, 1, 4), (15, 2, 4), (22, 3, 4), (30, 4, 4)]
    assert told(capsys, steps) == ["runs: 0 of 4", "runs: 1 of 4", "runs: 3 of 4", "runs: 4 of 4"]


def test_a_stage_of_unknown_length_is_no_flood(capsys):
    assert told(capsys, [(0, 0, 0), (1, 1, 0), (2, 2, 0), (12, 3, 0)]) == ["runs: 0 of ?", "runs: 3 of ?"]


def test_an_end_that_engine_and_stage_report_is_told_once(capsys):
    steps = [(0, 0, 3), (1, 3, 3), (1, 3, 3), (2, 0, 3), (3, 3, 3)]
    assert told(capsys, steps) == ["runs: 0 of 3", "runs: 3 of 3", "runs: 0 of 3", "runs: 3 of 3"]


@pytest.mark.parametrize("quiet", [False, True])
def test_a_line_says_that_kernels_are_compiled(quiet: bool, capsys: pytest.CaptureFixture[str]):
    with shown_progress(quiet=quiet):
        for _ in range(2):
            with trigger_event("numba:compile"):
                pass
    assert capsys.readouterr().err.splitlines() == ([] if quiet else [COMPILING])


@pytest.mark.parametrize(("untrusted", "line"), [(0, ""), (37, "; 37% of the objects' pixels left out as uncertain")])
def test_the_summary_says_how_much_is_uncertain(untrusted: int, line: str, capsys: pytest.CaptureFixture[str]):
    health = Health(mask_pixels=100, untrusted_pixels=untrusted)
    summary = RunSummary(graph=start(Config()).graph, health=health, wall_s=1.0)
    print_summary("clip", Path("out"), (), summary, compiled_s=0.0, warnings=())
    assert f"depth    {line}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "line"), [(0, None), (1, "1 surface that"), (3, "3 surfaces that")])
def test_the_summary_names_the_background(count: int, line: str | None, capsys: pytest.CaptureFixture[str]):
    summary = RunSummary(graph=start(Config()).graph, health=Health(background_regions=count), wall_s=1.0)
    print_summary("clip", Path("out"), (), summary, compiled_s=0.0, warnings=())
    printed = " ".join(capsys.readouterr().out.split())
    assert ("objects rest on" in printed) == (line is not None)
    assert line is None or f"tracks exclude {line} objects rest on or stand before (background)" in printed
