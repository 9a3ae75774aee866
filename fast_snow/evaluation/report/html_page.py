"""The report's files: tables as JSON and CSV, and one HTML page without scripts or external resources."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from fast_snow.atomic_files import store
from fast_snow.evaluation.metrics.metric_definitions import METRIC_GROUPS, METRICS, NO_VALUE, MetricDefinition
from fast_snow.evaluation.report.svg_plots import (
    ScatterPoint,
    SpanRow,
    StackedBar,
    draw_scatter,
    draw_spans,
    draw_stacked,
    legend,
)
from fast_snow.evaluation.report.tables import Report, ReportRow, as_csv, as_tables, says_little
from fast_snow.evaluation.results import Evaluation, write_json

NAMED = {each.name: each for each in METRICS}


def render_page(report: Report, evaluation: Evaluation) -> str:
    """Return the page of a report.

    Args:
        report: the tables.
        evaluation: what they were made of, for notes.

    Returns:
        HTML that needs nothing else.
    """
    about = report.about
    shown = [each for each in METRICS if any(each.name in row.values for row in report.rows)]
    return _fill(
        _part("page.html"),
        {
            "TITLE": escape(f"Evaluation of {' and '.join(about['systems'])} on {about['manifest']['name']}"),
            "STYLE": _part("page.css"),
            "LEAD": escape(f"{_count(about['repeat'], 'repeat')} with seed {about['seed']}; {about['warm_up']}."),
            "FAILURES": _failures(report),
            "COMPARED": escape(_compared(report)),
            "TOTALS": _tables(report.totals),
            "PLOTS": _plots(report),
            "ROWS": _tables(report.rows),
            "MEANINGS": _definitions((each.label, each.meaning) for each in shown),
            "NOTES": _notes(evaluation),
            "ABOUT": _about(about),
        },
    )


def write_report(report: Report, folder: Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write `report.json` (tables), `report.csv` and `report.html` into a folder; returns the files.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    files = tuple(folder / f"report.{kind}" for kind in ("json", "csv", "html"))
    write_json(files[0], as_tables(report))
    store(files[1], as_csv(report).encode())
    store(files[2], render_page(report, evaluation).encode())
    return files


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _compared(report: Report) -> str:
    if not report.compared:
        return "No clip was finished by every system."
    return (
        f"Over the {_count(len(report.compared), 'clip')} that every system finished. Frames per second: all frames"
        " over all seconds; latencies: percentiles of all frames; memory: the largest; all else: means over the clips"
        " where every system has it, each counting the same."
    )


PARTIAL = (
    "*: the truth annotates only some objects, and counts as wrong whatever else a system finds. These figures are low"
    " for every system; read IDR and recall."
)


def _tables(rows: Sequence[ReportRow]) -> str:
    """Return a table for each group of measures of which there are some."""
    if not rows:
        return "<p>none</p>"
    parts = []
    for title, group in METRIC_GROUPS.items():
        there = [row for row in rows if any(each.name in row.values for each in group)]
        shown = [each for each in group if any(each.name in row.values for row in there)]
        if shown:
            run = group is METRIC_GROUPS["Run"]
            parts.append(f'<h3>{escape(title)}</h3><div class="wide">{_table(there, shown, run=run)}</div>')
            if any(says_little(row, each) for row in there for each in shown if each.name in row.values):
                parts.append(f'<p class="soft">{escape(PARTIAL)}</p>')
    return "".join(parts)


def _table(rows: Sequence[ReportRow], shown: Sequence[MetricDefinition], *, run: bool) -> str:
    """Return a table; that of the runs tells how many frames they had and whether repeats were the same."""
    names = ("clip", "system", *(("frames", "identical") if run else ()), *(each.label for each in shown))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body, before = [], ""
    for row in rows:
        best = _best([each for each in rows if each.clip == row.clip], row, shown)
        cells = "".join(_cell(row, each, best=each.name in best) for each in shown)
        kind = ' class="first"' if row.clip != before else ""
        identical = {None: NO_VALUE, True: "yes", False: "no"}[row.identical]
        ran = f"<td>{row.frames}</td><td>{identical}</td>" if run else ""
        body.append(
            f"<tr{kind}><th>{escape(row.clip) if row.clip != before else ''}</th><td>{escape(row.system)}</td>"
            f"{ran}{cells}</tr>"
        )
        before = row.clip
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _best(rivals: Sequence[ReportRow], row: ReportRow, shown: Sequence[MetricDefinition]) -> set[str]:
    """Return the measures in which a row is better than all its rivals, as far as people are shown and truth tells."""
    best = set()
    for each in shown:
        if says_little(row, each):
            continue
        others = [rival.values[each.name] for rival in rivals if rival is not row and each.name in rival.values]
        if not others or each.name not in row.values or each.better == "neither":
            continue
        rival = max(others) if each.better == "more" else min(others)
        mine, theirs = float(each.show(row.values[each.name])), float(each.show(rival))
        if (mine > theirs) if each.better == "more" else (mine < theirs):
            best.add(each.name)
    return best


def _cell(row: ReportRow, measure: MetricDefinition, *, best: bool) -> str:
    value, low, high = (measure.show(of.get(measure.name)) for of in (row.values, row.low, row.high))
    spread = f"<small>{low} to {high}</small>" if low != high else ""
    little = measure.name in row.values and says_little(row, measure)
    kind = ' class="best"' if best else ' class="little"' if little else ""
    return f"<td{kind}>{value}{'*' if little else ''}{spread}</td>"


def _plots(report: Report) -> str:
    systems = list(report.about["systems"])
    drawn = [
        ("Speed and identity", _speed_and_identity(report, systems), systems),
        ("Seconds per frame, by stage", _stages(report), _stage_names(report)),
        *(
            (title, _spans(report, systems, usual, bad, unit), systems)
            for title, usual, bad, unit in (
                ("Latency per frame: p50 (filled) to p95 (open)", "p50_s", "p95_s", "milliseconds"),
                ("Error of centroids: median (filled) to p90 (open)", "centroid_m", "centroid_p90_m", "metres"),
                (
                    "Error of centroids in their own masks: median (filled) to p90 (open)",
                    *("own_centroid_m", "own_centroid_p90_m", "metres"),
                ),
                ("Spread of resting objects: median (filled) to p90 (open)", "spread_m", "spread_p90_m", "metres"),
            )
        ),
    ]
    return "".join(
        f"<section><h2>{escape(title)}</h2>{drawing}{legend(names)}</section>"
        for title, drawing, names in drawn
        if drawing
    )


def _speed_and_identity(report: Report, systems: Sequence[str]) -> str:
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
    return draw_scatter(points, x_label="frames per second", y_label=label) if points else ""


def _stages(report: Report) -> str:
    rows = report.totals or report.rows
    names = _stage_names(report)
    bars = [StackedBar(label=row.system, parts={name: row.stage_s.get(name, 0.0) for name in names}) for row in rows]
    return draw_stacked(bars, x_label="seconds per frame (folding runs beside the others)") if bars else ""


def _stage_names(report: Report) -> list[str]:
    return list(dict.fromkeys(name for row in report.rows for name in row.stage_s))


def _spans(report: Report, systems: Sequence[str], usual: str, bad: str, unit: str) -> str:
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
    return draw_spans(rows, x_label=unit) if rows else ""


def _failures(report: Report) -> str:
    if not report.failures:
        return ""
    items = "".join(
        f"<li>{escape(f'{each.clip}, {each.system}, repeat {each.repeat}: {each.error}')}</li>"
        for each in report.failures
    )
    return f'<section class="failed"><h2>Failed</h2><ul>{items}</ul></section>'


def _notes(evaluation: Evaluation) -> str:
    lines = dict.fromkeys(f"{each.clip}, {each.system}: {note}" for each in evaluation.outcomes for note in each.notes)
    if not lines:
        return ""
    return f"<section><h2>Notes</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul></section>"


def _about(about: Mapping[str, Any]) -> str:
    hardware, manifest = about["hardware"], about["manifest"]
    return _definitions(
        (
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
    )


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs)


def _part(name: str) -> str:
    return resources.files("fast_snow.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _fill(template: str, parts: Mapping[str, str]) -> str:
    """Put the parts in place of their marks, in one pass: a mark inside a part is left alone."""
    return re.sub(r"<!--([A-Z]+)-->", lambda mark: parts[mark[1]], template)
