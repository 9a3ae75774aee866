"""What `fast-snow eval qa` does."""

import sys
from functools import partial
from typing import Final

from fast_snow.cli.eval_qa_options import EvalQa
from fast_snow.cli.shown_qa_report import print_costs, print_report
from fast_snow.cli.terminal import shown_progress, terminable
from fast_snow.errors import ConfigError, InputError
from fast_snow.evaluation.qa import arms as known_arms
from fast_snow.evaluation.qa.datasets import Given, read
from fast_snow.evaluation.qa.evaluating import compare_recorded, evaluate
from fast_snow.evaluation.qa.planning import Plan, cost, plan
from fast_snow.evaluation.qa.report import QaReport, write
from fast_snow.evaluation.qa.requests import requests
from fast_snow.reasoning.providers import open_model

INCOMPLETE: Final = 1
"""Exit code where questions have no answer."""
INTERRUPTED: Final = 130
MOST_AT_ONCE: Final = 64


def evaluate_questions(action: EvalQa) -> int:
    """Ask, score and report.

    Raises:
        UserError: files, folders or options cannot be used.
    """
    if not action.questions:
        raise ConfigError("QUESTIONS: got none, expected question files of one dataset, or a manifest")
    if not 1 <= action.parallel <= MOST_AT_ONCE:
        raise ConfigError(f"--parallel: got {action.parallel}, expected 1 to {MOST_AT_ONCE}")
    if action.limit < 0:
        raise ConfigError(f"--limit: got {action.limit}, expected 0 or more")
    given = read(action.questions, action.root)
    if action.answers:
        return _finish(compare_recorded(given, action.answers), action)
    planned = plan(given.questions.asked, action.runs, action.videos or given.videos, action.limit)
    return _estimate(planned, action) if action.dry_run else _ask(given, planned, action)


def _estimate(planned: Plan, action: EvalQa) -> int:
    """Say what asking would cost."""
    arms, vlm = known_arms.named(action.arms), action.config.vlm
    there = [each for each in planned.asked if each.scene in planned.runs]
    print_costs(cost(requests(there, arms, planned.runs, vlm), arms, action.out), planned, vlm)
    return 0


def _ask(given: Given, planned: Plan, action: EvalQa) -> int:
    arms, vlm = known_arms.named(action.arms), action.config.vlm
    try:
        with shown_progress(quiet=action.quiet) as progress, terminable():
            report = evaluate(
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
        print("fast-snow: interrupted; answers are kept, and the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return _finish(report, action)


def _finish(report: QaReport, action: EvalQa) -> int:
    if action.answers and not report.results:
        raise InputError(f"{action.answers[0]}: no answer belongs to any of the questions, expected their ids")
    files = write(report, action.out, "recorded" if action.answers else "report")
    print_report(report)
    print(files[0])
    return INCOMPLETE if report.failures else 0
