"""Result tables: one row per clip and system, aggregated over repeats, and totals per system; as JSON and CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fast_snow.evaluation.metrics.metric_definitions import METRICS, MetricDefinition
from fast_snow.evaluation.results import Evaluation, RunResult, csv_text
from fast_snow.typed_json import members

TOTAL = "total"
COLUMNS = ("clip", "system", "runs", "clips", "frames", "identical", "exhaustive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One system on one clip, or on all clips that every system finished.

    Attributes:
        clip: its name; `total` for all.
        system: its name.
        runs: how many repeats finished.
        frames: of the clip, or of all.
        clips: how many clips the row stands for.
        identical: whether all repeats gave the same graph, bit for bit; None where there was one repeat.
        exhaustive: whether truth has every object; of a total, of all clips with objects; None where none has any.
        values: by metric; the mean over repeats. Of a total: frames per second are all frames over all seconds,
            latencies are percentiles of all frames, memory is the largest, every other metric is the mean over the
            clips that have it, each counting the same.
        low: the least repeat.
        high: the greatest repeat.
        stage_s: seconds per frame of each stage.
    """

    clip: str
    system: str
    runs: int
    frames: int
    clips: int
    identical: bool | None
    exhaustive: bool | None
    values: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    stage_s: Mapping[str, float]


def says_little(row: ReportRow, metric: MetricDefinition) -> bool:
    """Return whether a metric counts as wrong what a row's truth, which has only some objects, may not tell of."""
    return metric.needs_all and row.exhaustive is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The tables of an evaluation: rows by clip and system, totals per system over the clips compared, and failures."""

    about: Mapping[str, Any]
    rows: tuple[ReportRow, ...]
    totals: tuple[ReportRow, ...]
    compared: tuple[str, ...]
    failures: tuple[RunResult, ...]


def tabulate_runs(evaluation: Evaluation) -> Report:
    """Return the tables of an evaluation."""
    finished = [each for each in evaluation.outcomes if not each.error]
    clips = tuple(dict.fromkeys(each.clip for each in evaluation.outcomes))
    systems = tuple(dict.fromkeys(each.system for each in evaluation.outcomes))
    of = {
        (clip, system): [each for each in finished if (each.clip, each.system) == (clip, system)]
        for clip in clips
        for system in systems
    }
    compared = tuple(clip for clip in clips if all(of[clip, system] for system in systems))
    fair = {clip: _fair([of[clip, system] for system in systems]) for clip in compared}
    return Report(
        about=evaluation.about,
        rows=tuple(
            _summed(clip, [[run] for run in runs], identical=_identical(runs)) for (clip, _), runs in of.items() if runs
        ),
        totals=tuple(_total([fair[clip][k] for clip in compared]) for k in range(len(systems)) if compared),
        compared=compared,
        failures=tuple(each for each in evaluation.outcomes if each.error),
    )


def run_metrics(runs: Sequence[RunResult]) -> dict[str, float]:
    """Return every metric of one run, or of one round over several clips as a total."""
    frame_s = np.array([each for run in runs for each in run.frame_s])
    wall_s, frames = sum(run.wall_s for run in runs), sum(run.frames for run in runs)
    metrics = {} if wall_s <= 0 else {"fps": frames / wall_s}
    if len(frame_s):
        metrics |= {f"p{q}_s": float(np.percentile(frame_s, q)) for q in (50, 95)}
    metrics["peak_bytes"] = float(max(run.peak_bytes for run in runs))
    for name in dict.fromkeys(name for run in runs for name in run.metrics):
        metrics[name] = float(np.mean([run.metrics[name] for run in runs if name in run.metrics]))
    return metrics


def mean_of_all(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of every metric that all rounds have."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)]
    return {name: float(np.mean([each[name] for each in rounds])) for name in names}


def _fair(by_system: Sequence[Sequence[RunResult]]) -> list[list[RunResult]]:
    """Return one clip's runs with only those figures that all have: else a total would favour who finds less."""
    shared = set.intersection(*(set(run.metrics) for runs in by_system for run in runs))
    return [
        [replace(run, metrics={name: x for name, x in run.metrics.items() if name in shared}) for run in runs]
        for runs in by_system
    ]


def _total(by_clip: Sequence[Sequence[RunResult]]) -> ReportRow:
    """Sum rounds over clips; a round in which a clip is missing does not count."""
    rounds = [list(each) for each in zip(*by_clip, strict=False)]
    known = [each for each in map(_identical, by_clip) if each is not None]
    return _summed(TOTAL, rounds, identical=all(known) if known else None)


def _identical(runs: Sequence[RunResult]) -> bool | None:
    return None if len(runs) < 2 else len({run.graph_sha256 for run in runs}) == 1


def _summed(clip: str, rounds: Sequence[Sequence[RunResult]], *, identical: bool | None) -> ReportRow:
    each = [run_metrics(runs) for runs in rounds]
    mean = mean_of_all(each)
    all_runs = [run for runs in rounds for run in runs]
    complete = {run.exhaustive for run in all_runs} - {None}
    frames = sum(run.frames for run in all_runs)
    stages = dict.fromkeys(name for run in all_runs for name in run.stage_s)
    return ReportRow(
        clip=clip,
        system=rounds[0][0].system,
        runs=len(rounds),
        frames=sum(run.frames for run in rounds[0]),
        clips=len(rounds[0]),
        identical=identical,
        exhaustive=all(complete) if complete else None,
        values=mean,
        low={name: min(values[name] for values in each) for name in mean},
        high={name: max(values[name] for values in each) for name in mean},
        stage_s={name: sum(run.stage_s.get(name, 0.0) for run in all_runs) / max(frames, 1) for name in stages},
    )


def as_tables(report: Report) -> dict[str, Any]:
    """Return the tables as JSON's own types."""
    failures = [
        {"clip": each.clip, "system": each.system, "repeat": each.repeat, "error": each.error}
        for each in report.failures
    ]
    return {
        "about": dict(report.about),
        "rows": [members(row) for row in report.rows],
        "totals": [members(row) for row in report.totals],
        "clips_of_totals": list(report.compared),
        "failures": failures,
    }


def as_csv(report: Report) -> str:
    """Return the tables as CSV: one line per clip and system, then the totals; empty where there is no figure."""
    names = [each.name for each in METRICS]
    spread = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    rows = (
        [getattr(row, name) for name in COLUMNS]
        + [each.get(name) for name in names for each in (row.values, row.low, row.high)]
        for row in (*report.rows, *report.totals)
    )
    return csv_text([*COLUMNS, *spread], rows)
