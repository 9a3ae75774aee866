"""What each command of `fast-snow eval` does."""

import shutil
import sys
from collections.abc import Sequence
from functools import singledispatch

from rich.markup import escape
from rich.table import Table

from fast_snow.cli.eval_options import EvalCheck, EvalCompare, EvalRun
from fast_snow.cli.eval_qa_commands import evaluate_questions
from fast_snow.cli.terminal import console, shown_progress, terminable
from fast_snow.errors import ConfigError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.cases import cases_of, identity
from fast_snow.evaluation.comparison import Comparison, Difference, compare, sides
from fast_snow.evaluation.known_systems import named
from fast_snow.evaluation.measures import MEASURES, NONE, Measure
from fast_snow.evaluation.page import PARTIAL
from fast_snow.evaluation.report import Report, Row, says_little, tabulate
from fast_snow.evaluation.report_files import write
from fast_snow.evaluation.running import ABOUT, RUNS, evaluate

INCOMPLETE = 1
"""Exit code where clips are not as the manifest says, or runs failed."""


INTERRUPTED = 130
IN_TERMINAL = (
    *("fps", "p50_s", "peak_bytes", "idr", "idf1", "hota"),
    *("trajectory_similarity_m", "depth_scaled_abs_rel", "centroid_m", "spread_m"),
)
"""The measures that fit a terminal; the report has all."""


@singledispatch
def run(action: object) -> int:
    """Do what a command says and return the exit code."""
    raise TypeError(f"no such command: {action!r}")


@run.register
def check(action: EvalCheck) -> int:
    """Tell what is missing."""
    manifest = manifests.load(action.manifest, action.root)
    problems = manifests.check(manifest, action.root)
    out = console()
    for problem in problems:
        out.print(f"[yellow]problem[/]  {escape(str(problem))}", highlight=False)
    count = len(manifest.clips)
    state = f"{_count(len(problems), 'problem')}" if problems else "all as they should be"
    out.print(f"{_count(count, 'clip')}, {state}", highlight=False)
    return INCOMPLETE if problems else 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@run.register
def run_systems(action: EvalRun) -> int:
    """Run, score and report."""
    if action.repeat < 1:
        raise ConfigError(f"--repeat: got {action.repeat}, expected at least 1")
    systems = named(_listed(action.systems))
    manifest = manifests.load(action.manifest, action.root)
    cases = cases_of(manifest, action.root, _listed(action.clips))
    if action.overwrite:
        _drop(action)
    try:
        with shown_progress(quiet=action.quiet) as progress, terminable():
            evaluation = evaluate(
                cases,
                systems,
                action.config,
                folder=action.out,
                manifest=identity(action.manifest),
                repeat=action.repeat,
                progress=progress,
            )
    except KeyboardInterrupt:
        print("fast-snow: interrupted; what is done is kept, and the same command goes on", file=sys.stderr)
        return INTERRUPTED
    report = tabulate(evaluation)
    files = write(report, action.out, evaluation)
    print_report(report)
    print(files[-1])
    return INCOMPLETE if report.failures else 0


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _drop(action: EvalRun) -> None:
    """Delete what earlier runs left, and nothing else."""
    shutil.rmtree(action.out / RUNS, ignore_errors=True)
    (action.out / ABOUT).unlink(missing_ok=True)


@run.register
def compare_results(action: EvalCompare) -> int:
    """Print differences."""
    for a, b in sides(action.a, action.b):
        print_comparison(compare(a, b, seed=action.seed))
    return 0


run.register(evaluate_questions)


def print_report(report: Report) -> None:
    """Show one line per clip and system, the totals and what failed."""
    out = console()
    there = {name for row in report.rows for name in row.values}
    shown = [each for each in MEASURES if each.name in there and each.name in IN_TERMINAL]
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("clip", "system"):
        table.add_column(name)
    for name in ("same", *(each.label for each in shown)):
        table.add_column(name, justify="right")
    for row in (*report.rows, *report.totals):
        table.add_row(escape(row.clip), escape(row.system), _same(row), *(_figure(row, each) for each in shown))
    out.print(table)
    if any("*" in _figure(row, each) for row in report.rows for each in shown):
        out.print(escape(PARTIAL), highlight=False)
    for each in report.failures:
        where = escape(f"{each.clip}, {each.system}, repeat {each.repeat}: {each.error}")
        out.print(f"[red]failed[/]  {where}", highlight=False)


def _figure(row: Row, measure: Measure) -> str:
    value = row.values.get(measure.name)
    return measure.show(value) + ("*" if value is not None and says_little(row, measure) else "")


def _same(row: Row) -> str:
    return {None: NONE, True: "yes", False: "no"}[row.identical]


def print_comparison(comparison: Comparison) -> None:
    """Show one line per measure: A, B, the difference and its interval."""
    out = console()
    out.print(f"[bold]A[/] {escape(comparison.a)}\n[bold]B[/] {escape(comparison.b)}", highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in ("clips", "A", "B", "B - A", "95 % interval", "B is"):
        table.add_column(name, justify="right")
    for each in comparison.differences:
        table.add_row(*_line(each))
    out.print(table, highlight=False)
    if comparison.left_out:
        out.print(f"left out, as only one has them: {escape(', '.join(comparison.left_out))}", highlight=False)
    for remark in comparison.remarks:
        out.print(f"[yellow]note[/]  {remark}", highlight=False)


def _line(each: Difference) -> Sequence[str]:
    (measure,) = [known for known in MEASURES if known.name == each.measure]
    reach = NONE if each.low is None else f"{measure.show(each.low)} to {measure.show(each.high)}"
    values = (measure.show(each.a), measure.show(each.b), measure.show(each.difference))
    return measure.label, str(each.clips), *values, reach, _verdict(each, measure.better)


def _verdict(each: Difference, better: str) -> str:
    """Say better or worse only where the whole interval does."""
    if each.low is None or each.high is None or better == "neither" or each.low <= 0 <= each.high:
        return NONE
    return "better" if (each.low > 0) == (better == "more") else "worse"
