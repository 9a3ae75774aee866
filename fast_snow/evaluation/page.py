"""The report as one HTML page: tables and plots, without scripts or anything from elsewhere."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from fast_snow.evaluation.measures import MEASURES, NONE, Measure
from fast_snow.evaluation.outcome import Evaluation
from fast_snow.evaluation.plots import Bar, Point, Span, legend, scatter, spans, stacked
from fast_snow.evaluation.report import Report, Row


def render(report: Report, evaluation: Evaluation) -> str:
    """Return the page of a report.

    Args:
        report: the tables.
        evaluation: what they were made of, for notes.

    Returns:
        HTML that needs nothing else.
    """
    about = report.about
    shown = [each for each in MEASURES if any(each.name in row.values for row in report.rows)]
    return _fill(
        _part("page.html"),
        {
            "TITLE": escape(f"Evaluation of {' and '.join(about['systems'])} on {about['manifest']['name']}"),
            "STYLE": _part("page.css"),
            "LEAD": escape(f"{_count(about['repeat'], 'repeat')} with seed {about['seed']}; {about['warm_up']}."),
            "FAILURES": _failures(report),
            "COMPARED": escape(_compared(report)),
            "TOTALS": _table(report.totals, shown),
            "PLOTS": _plots(report),
            "ROWS": _table(report.rows, shown),
            "MEANINGS": _definitions((each.label, each.meaning) for each in shown),
            "NOTES": _notes(evaluation),
            "ABOUT": _about(about),
        },
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _compared(report: Report) -> str:
    if not report.compared:
        return "No clip was finished by every system."
    return (
        f"Over the {_count(len(report.compared), 'clip')} that every system finished. Frames per second: all frames"
        " over all seconds; latencies: percentiles of all frames; memory: the largest; all else: means over the clips"
        " that have it, each counting the same."
    )


def _table(rows: Sequence[Row], shown: Sequence[Measure]) -> str:
    if not rows:
        return "<p>none</p>"
    names = ("clip", "system", "frames", "identical", *(each.label for each in shown))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body, before = [], ""
    for row in rows:
        best = _best([each for each in rows if each.clip == row.clip], row, shown)
        cells = "".join(_cell(row, each, best=each.name in best) for each in shown)
        kind = ' class="first"' if row.clip != before else ""
        identical = {None: NONE, True: "yes", False: "no"}[row.identical]
        body.append(
            f"<tr{kind}><th>{escape(row.clip) if row.clip != before else ''}</th><td>{escape(row.system)}</td>"
            f"<td>{row.frames}</td><td>{identical}</td>{cells}</tr>"
        )
        before = row.clip
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _best(rivals: Sequence[Row], row: Row, shown: Sequence[Measure]) -> set[str]:
    """Return the measures in which a row is better than all its rivals, as far as people are shown."""
    best = set()
    for each in shown:
        others = [rival.values[each.name] for rival in rivals if rival is not row and each.name in rival.values]
        if not others or each.name not in row.values or each.better == "neither":
            continue
        rival = max(others) if each.better == "more" else min(others)
        mine, theirs = float(each.show(row.values[each.name])), float(each.show(rival))
        if (mine > theirs) if each.better == "more" else (mine < theirs):
            best.add(each.name)
    return best


def _cell(row: Row, measure: Measure, *, best: bool) -> str:
    value, low, high = (measure.show(of.get(measure.name)) for of in (row.values, row.low, row.high))
    spread = f"<small>{low} to {high}</small>" if low != high else ""
    kind = ' class="best"' if best else ""
    return f"<td{kind}>{value}{spread}</td>"


def _plots(report: Report) -> str:
    systems = list(report.about["systems"])
    drawn = [
        ("Speed and identity", _speed_and_identity(report, systems), systems),
        ("Seconds per frame, by stage", _stages(report), _stage_names(report)),
        ("Latency per frame: p50 (filled) to p95 (open)", _latencies(report, systems), systems),
    ]
    return "".join(
        f"<section><h2>{escape(title)}</h2>{drawing}{legend(names)}</section>"
        for title, drawing, names in drawn
        if drawing
    )


def _speed_and_identity(report: Report, systems: Sequence[str]) -> str:
    points = [
        Point(
            x=row.values["fps"],
            y=row.values["idf1"],
            series=systems.index(row.system),
            label=f"{row.system}, {row.clip}: IDF1 {row.values['idf1']:.3f} at {row.values['fps']:.2f} frames/s",
            large=row in report.totals,
        )
        for row in (*report.rows, *report.totals)
        if row.values.get("fps", 0) > 0 and "idf1" in row.values
    ]
    return scatter(points, x_label="frames per second", y_label="IDF1") if points else ""


def _stages(report: Report) -> str:
    rows = report.totals or report.rows
    names = _stage_names(report)
    bars = [Bar(label=row.system, parts={name: row.stage_s.get(name, 0.0) for name in names}) for row in rows]
    return stacked(bars, x_label="seconds per frame (folding runs beside the others)") if bars else ""


def _stage_names(report: Report) -> list[str]:
    return list(dict.fromkeys(name for row in report.rows for name in row.stage_s))


def _latencies(report: Report, systems: Sequence[str]) -> str:
    rows = [
        Span(
            label=row.clip,
            usual=1e3 * row.values["p50_s"],
            slow=1e3 * row.values["p95_s"],
            series=systems.index(row.system),
        )
        for row in (*report.totals, *report.rows)
        if "p50_s" in row.values
    ]
    return spans(rows, x_label="milliseconds") if rows else ""


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
    return resources.files("fast_snow.evaluation").joinpath("report_page", name).read_text(encoding="utf-8")


def _fill(template: str, parts: Mapping[str, str]) -> str:
    """Put the parts in place of their marks, in one pass: a mark inside a part is left alone."""
    return re.sub(r"<!--([A-Z]+)-->", lambda mark: parts[mark[1]], template)
