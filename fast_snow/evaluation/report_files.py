"""A report's files: tables as JSON and CSV, and the page."""

import csv
import io
from dataclasses import fields
from pathlib import Path
from typing import Any

from fast_snow.atomic_files import store
from fast_snow.evaluation.measures import MEASURES
from fast_snow.evaluation.outcome import Evaluation, store_json
from fast_snow.evaluation.page import render
from fast_snow.evaluation.report import Report, Row


def write(report: Report, folder: Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write `report.json` (tables), `report.csv` and `report.html` into a folder; returns the files.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    files = tuple(folder / f"report.{kind}" for kind in ("json", "csv", "html"))
    store_json(files[0], as_tables(report))
    store(files[1], as_csv(report).encode())
    store(files[2], render(report, evaluation).encode())
    return files


def as_tables(report: Report) -> dict[str, Any]:
    """Return the tables as JSON's own types."""
    failures = [
        {"clip": each.clip, "system": each.system, "repeat": each.repeat, "error": each.error}
        for each in report.failures
    ]
    return {
        "about": dict(report.about),
        "rows": [_as_json(row) for row in report.rows],
        "totals": [_as_json(row) for row in report.totals],
        "clips_of_totals": list(report.compared),
        "failures": failures,
    }


def as_csv(report: Report) -> str:
    """Return the tables as CSV: one line per clip and system, then the totals; empty where there is no figure."""
    text = io.StringIO()
    names = [each.name for each in MEASURES]
    table = csv.writer(text, lineterminator="\n")
    spread = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    table.writerow([*PLAIN, *spread])
    for row in (*report.rows, *report.totals):
        numbers = [each.get(name, "") for name in names for each in (row.values, row.low, row.high)]
        plain = [getattr(row, name) for name in PLAIN]
        table.writerow(["" if each is None else each for each in plain] + numbers)
    return text.getvalue()


PLAIN = ("clip", "system", "runs", "clips", "frames", "identical", "exhaustive")


def _as_json(row: Row) -> dict[str, Any]:
    values = {each.name: getattr(row, each.name) for each in fields(row)}
    return {name: value if name in PLAIN else dict(value) for name, value in values.items()}
