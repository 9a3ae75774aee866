"""Report files: tables as JSON and CSV, and a self-contained HTML page without scripts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fast_snow.atomic_files import store
from fast_snow.evaluation.metrics.metric_definitions import METRIC_GROUPS, METRICS, NO_VALUE, MetricDefinition
from fast_snow.evaluation.report.svg_plots import (
    ScatterPoint,
    SpanRow,
    StackedBar,
    draw_scatter,
    draw_spans,
    draw_stacked,
    template,
)
from fast_snow.evaluation.report.tables import Report, ReportRow, as_csv, as_tables, says_little
from fast_snow.evaluation.results import Evaluation, write_json

NAMED = {each.name: each for each in METRICS}


def render_report(report: Report, evaluation: Evaluation) -> str:
    """Return the page of a report and of the evaluation it is made of: HTML that needs nothing else."""
    about = report.about
    notes = dict.fromkeys(f"{each.clip}, {each.system}: {note}" for each in evaluation.outcomes for note in each.notes)
    shown = [each for each in METRICS if any(each.name in row.values for row in report.rows)]
    return template("page.html.jinja").render(
        failures=report.failures,
        compared=report.compared,
        totals=list(_tables(report.totals)),
        plots=[plot for plot in _plots(report) if plot["drawing"]],
        clips=list(_tables(report.rows)),
        partial=PARTIAL,
        no_value=NO_VALUE,
        is_partial=_is_partial,
        best_metrics=_best,
        meanings=[(each.label, each.meaning) for each in shown],
        notes=list(notes),
        made_with=about,
        about=_about(about),
    )


def write_report(report: Report, folder: Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write `report.json` (tables), `report.csv` and `report.html` into a folder; returns the files.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    files = tuple(folder / f"report.{kind}" for kind in ("json", "csv", "html"))
    write_json(files[0], as_tables(report))
    store(files[1], as_csv(report).encode())
    store(files[2], render_report(report, evaluation).encode())
    return files


PARTIAL = (
    "*: the truth annotates only some objects, and counts as wrong whatever else a system finds. These figures are low"
    " for every system; read IDR and recall."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The metrics of one group that any row has, and the rows that have any; `partial` where some say little."""

    title: str
    metrics: tuple[MetricDefinition, ...]
    rows: tuple[ReportRow, ...]
    partial: bool


def _tables(rows: Sequence[ReportRow]) -> Iterator[_Table]:
    """Yield a table for each group of metrics that any row has."""
    for title, group in METRIC_GROUPS.items():
        measured = tuple(row for row in rows if any(each.name in row.values for each in group))
        metrics = tuple(each for each in group if any(each.name in row.values for row in measured))
        partial = any(_is_partial(row, each) for row in measured for each in metrics)
        if metrics:
            yield _Table(title=title, metrics=metrics, rows=measured, partial=partial)


def _is_partial(row: ReportRow, metric: MetricDefinition) -> bool:
    return metric.name in row.values and says_little(row, metric)


def _best(table: _Table, row: ReportRow) -> set[str]:
    """Return the metrics in which a row beats all others of its clip, as far as people are shown and truth tells."""
    best = set()
    for each in table.metrics:
        rivals = [
            rival.values[each.name]
            for rival in table.rows
            if rival is not row and rival.clip == row.clip and each.name in rival.values
        ]
        if not rivals or each.name not in row.values or each.better == "neither" or says_little(row, each):
            continue
        rival = max(rivals) if each.better == "more" else min(rivals)
        own, others = float(each.show(row.values[each.name])), float(each.show(rival))
        if (own > others) if each.better == "more" else (own < others):
            best.add(each.name)
    return best


SPANS = (
    ("Latency per frame: p50 (filled) to p95 (open)", "p50_s", "p95_s", "milliseconds"),
    ("Error of centroids: median (filled) to p90 (open)", "centroid_m", "centroid_p90_m", "metres"),
    (
        "Error of centroids in their own masks: median (filled) to p90 (open)",
        *("own_centroid_m", "own_centroid_p90_m", "metres"),
    ),
    ("Spread of resting objects: median (filled) to p90 (open)", "spread_m", "spread_p90_m", "metres"),
)


def _plots(report: Report) -> Iterator[dict[str, Any]]:
    """Yield titles, drawings, which are empty where there is nothing to draw, and the names of their series."""
    systems = list(report.about["systems"])
    yield {"title": "Speed and identity", "drawing": _speed_and_identity(report, systems), "series": systems}
    stages = list(dict.fromkeys(name for row in report.rows for name in row.stage_s))
    yield {"title": "Seconds per frame, by stage", "drawing": _stages(report, stages), "series": stages}
    for title, usual, bad, unit in SPANS:
        yield {"title": title, "drawing": _spans(report, systems, usual, bad, unit), "series": systems}


def _speed_and_identity(report: Report, systems: Sequence[str]) -> Markup:
    """Draw IDF1 over speed; IDR in its place where that says little of any clip."""
    rows = (*report.rows, *report.totals)
    name = "idr" if any(row.exhaustive is False for row in rows) else "idf1"
    label = NAMED[name].label
    points = [
        ScatterPoint(
            x=row.values["fps"],
            y=row.values[name],
            series=systems.index(row.system),
            label=f"{row.system}, {row.clip}: {label} {row.values[name]:.3f} at {row.values['fps']:.2f} frames/s",
            large=row in report.totals,
        )
        for row in rows
        if row.values.get("fps", 0) > 0 and name in row.values
    ]
    return draw_scatter(points, x_label="frames per second", y_label=label) if points else Markup()


def _stages(report: Report, names: Sequence[str]) -> Markup:
    rows = report.totals or report.rows
    bars = [StackedBar(label=row.system, parts={name: row.stage_s.get(name, 0.0) for name in names}) for row in rows]
    return draw_stacked(bars, x_label="seconds per frame (folding runs beside the others)") if bars else Markup()


def _spans(report: Report, systems: Sequence[str], usual: str, bad: str, unit: str) -> Markup:
    """Draw a usual and a bad value of every row that has both."""
    rows = [
        SpanRow(
            label=row.clip,
            usual=NAMED[usual].scale * row.values[usual],
            bad=NAMED[bad].scale * row.values[bad],
            series=systems.index(row.system),
        )
        for row in (*report.totals, *report.rows)
        if usual in row.values and bad in row.values
    ]
    return draw_spans(rows, x_label=unit) if rows else Markup()


def _about(about: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    hardware, manifest = about["hardware"], about["manifest"]
    return (
        ("manifest", f"{manifest['name']}, sha256 {manifest['sha256']}"),
        ("git commit", about["git_commit"] or "not run from a clone"),
        ("processor", f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gib']} GiB"),
        ("GPUs", ", ".join(hardware["gpus"]) or "none"),
        ("system", hardware["system"]),
        ("peak memory", about["peak_memory"]),
        ("versions", ", ".join(f"{name} {number}" for name, number in about["versions"].items())),
        ("configuration", json.dumps(about["config"])),
        ("written", about["written"]),
    )
