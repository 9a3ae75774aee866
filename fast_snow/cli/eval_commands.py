"""The commands of `fast-snow eval`."""

import shutil
import sys
from collections.abc import Sequence
from functools import partial, singledispatch
from typing import Final

from rich.markup import escape
from rich.table import Table

from fast_snow.cli.eval_options import EvalCheck, EvalCompare, EvalQa, EvalRun
from fast_snow.cli.shown_qa_report import print_costs, print_qa_report
from fast_snow.cli.terminal import console, shown_progress, terminable
from fast_snow.errors import ConfigError, InputError
from fast_snow.evaluation.manifest import check_manifest, load_manifest
from fast_snow.evaluation.metrics.metric_definitions import METRICS, NO_VALUE, MetricDefinition
from fast_snow.evaluation.qa.inference import estimate_costs
from fast_snow.evaluation.qa.question import select_arms
from fast_snow.evaluation.qa.question_files import QuestionFiles, read_questions
from fast_snow.evaluation.qa.report import QaReport, write_qa_report
from fast_snow.evaluation.qa.requests import make_requests
from fast_snow.evaluation.qa.runner import Plan, evaluate_arms, plan_questions, score_recorded
from fast_snow.evaluation.report.comparison import Comparison, Difference, compare_systems, select_sides
from fast_snow.evaluation.report.html_page import PARTIAL, write_report
from fast_snow.evaluation.report.tables import Report, ReportRow, says_little, tabulate_runs
from fast_snow.evaluation.results import file_identity
from fast_snow.evaluation.runner import ABOUT, RUNS, evaluate_systems, select_cases
from fast_snow.evaluation.systems import select_systems
from fast_snow.reasoning.providers import open_model

INCOMPLETE: Final = 1
"""Exit code where clips are not as the manifest says, or runs failed."""


INTERRUPTED: Final = 130
IN_TERMINAL = (
    *("fps", "p50_s", "peak_bytes", "idr", "idf1", "hota"),
    *("trajectory_similarity_m", "depth_scaled_abs_rel", "centroid_m", "spread_m"),
)
"""The metrics that fit a terminal; the report has all."""


@singledispatch
def run_action(action: object) -> int:
    """Run a command and return its exit code."""
    raise TypeError(f"no such command: {action!r}")


@run_action.register
def check_clips(action: EvalCheck) -> int:
    """Print files that are missing, unreadable or changed."""
    manifest = load_manifest(action.manifest, action.root)
    problems = check_manifest(manifest, action.root)
    out = console()
    for problem in problems:
        out.print(f"[yellow]problem[/]  {escape(str(problem))}", highlight=False)
    count = len(manifest.clips)
    state = _count(len(problems), "problem") if problems else "no problems"
    out.print(f"{_count(count, 'clip')}, {state}", highlight=False)
    return INCOMPLETE if problems else 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@run_action.register
def run_systems(action: EvalRun) -> int:
    """Run systems over clips, score and report."""
    if action.repeat < 1:
        raise ConfigError(f"--repeat: got {action.repeat}, expected at least 1")
    systems = select_systems(_listed(action.systems))
    manifest = load_manifest(action.manifest, action.root)
    cases = select_cases(manifest, action.root, _listed(action.clips))
    if action.overwrite:
        _drop(action)
    try:
        with shown_progress(quiet=action.quiet) as progress, terminable():
            evaluation = evaluate_systems(
                cases,
                systems,
                action.config,
                folder=action.out,
                manifest=file_identity(action.manifest),
                repeat=action.repeat,
                progress=progress,
            )
    except KeyboardInterrupt:
        print("fast-snow: interrupted; finished runs are kept: run the same command to resume", file=sys.stderr)
        return INTERRUPTED
    report = tabulate_runs(evaluation)
    files = write_report(report, action.out, evaluation)
    print_evaluation(report)
    print(files[-1])
    return INCOMPLETE if report.failures else 0


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _drop(action: EvalRun) -> None:
    """Delete what earlier runs left, and nothing else."""
    shutil.rmtree(action.out / RUNS, ignore_errors=True)
    (action.out / ABOUT).unlink(missing_ok=True)


@run_action.register
def compare_results(action: EvalCompare) -> int:
    """Print the differences between results."""
    for a, b in select_sides(action.a, action.b):
        print_comparison(compare_systems(a, b, seed=action.seed))
    return 0


def print_evaluation(report: Report) -> None:
    """Show one line per clip and system, the totals and what failed."""
    out = console()
    measured = {name for row in report.rows for name in row.values}
    shown = [each for each in METRICS if each.name in measured and each.name in IN_TERMINAL]
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


def _figure(row: ReportRow, metric: MetricDefinition) -> str:
    value = row.values.get(metric.name)
    return metric.show(value) + ("*" if value is not None and says_little(row, metric) else "")


def _same(row: ReportRow) -> str:
    return {None: NO_VALUE, True: "yes", False: "no"}[row.identical]


def print_comparison(comparison: Comparison) -> None:
    """Show one line per metric: A, B, the difference and its interval."""
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
        out.print(f"left out, finished by only one: {escape(', '.join(comparison.left_out))}", highlight=False)
    for remark in comparison.remarks:
        out.print(f"[yellow]note[/]  {remark}", highlight=False)


def _line(each: Difference) -> Sequence[str]:
    (metric,) = [known for known in METRICS if known.name == each.metric]
    reach = NO_VALUE if each.low is None else f"{metric.show(each.low)} to {metric.show(each.high)}"
    values = (metric.show(each.a), metric.show(each.b), metric.show(each.difference))
    return metric.label, str(each.clips), *values, reach, _verdict(each, metric.better)


def _verdict(each: Difference, better: str) -> str:
    """Say better or worse only where the whole interval does."""
    if each.low is None or each.high is None or better == "neither" or each.low <= 0 <= each.high:
        return NO_VALUE
    return "better" if (each.low > 0) == (better == "more") else "worse"


MOST_AT_ONCE: Final = 64


@run_action.register
def run_questions(action: EvalQa) -> int:
    """Ask a model the questions, score its answers and report.

    Raises:
        UserError: files, folders or options cannot be used.
    """
    if not action.questions:
        raise ConfigError("QUESTIONS: got none, expected question files of one dataset, or a manifest")
    if not 1 <= action.parallel <= MOST_AT_ONCE:
        raise ConfigError(f"--parallel: got {action.parallel}, expected 1 to {MOST_AT_ONCE}")
    if action.limit < 0:
        raise ConfigError(f"--limit: got {action.limit}, expected 0 or more")
    given = read_questions(action.questions, action.root)
    if action.answers:
        return _finish(score_recorded(given, action.answers), action)
    planned = plan_questions(given.asked, action.runs, action.videos or given.videos, action.limit)
    return _estimate(planned, action) if action.dry_run else _ask(given, planned, action)


def _estimate(planned: Plan, action: EvalQa) -> int:
    """Print what asking would cost."""
    arms, vlm = select_arms(action.arms), action.config.vlm
    with_run = [each for each in planned.asked if each.scene in planned.runs]
    print_costs(estimate_costs(make_requests(with_run, arms, planned.runs, vlm), arms, action.out), planned, vlm)
    return 0


def _ask(given: QuestionFiles, planned: Plan, action: EvalQa) -> int:
    arms, vlm = select_arms(action.arms), action.config.vlm
    try:
        with shown_progress(quiet=action.quiet) as progress, terminable():
            report = evaluate_arms(
                given,
                planned,
                arms,
                action.config,
                partial(open_model, vlm),
                runs=action.runs,
                folder=action.out,
                parallel=action.parallel,
                progress=progress,
            )
    except KeyboardInterrupt:
        print("fast-snow: interrupted; answers are kept: run the same command to resume", file=sys.stderr)
        return INTERRUPTED
    return _finish(report, action)


def _finish(report: QaReport, action: EvalQa) -> int:
    if action.answers and not report.results:
        raise InputError(f"{action.answers[0]}: no answer belongs to any of the questions, expected their ids")
    files = write_qa_report(report, action.out, "recorded" if action.answers else "report")
    print_qa_report(report)
    print(files[0])
    return INCOMPLETE if report.failures else 0
