"""One evaluation from questions to report: missing graphs are made, the arms are asked and graded."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fast_snow.config import Config
from fast_snow.evaluation.qa.grading import grade, grade_recorded
from fast_snow.evaluation.qa.inference import ask_all
from fast_snow.evaluation.qa.question import Arm
from fast_snow.evaluation.qa.question_files import QuestionFiles
from fast_snow.evaluation.qa.report import QaReport, tabulate_answers
from fast_snow.evaluation.qa.requests import Failure, requests
from fast_snow.evaluation.qa.scenes import Plan, make_runs
from fast_snow.protocols import Progress, silent
from fast_snow.reasoning.conversation import VisionLanguageModel

OpenModel = Callable[[], AbstractContextManager[VisionLanguageModel]]

_NOT_TOLD: Final = frozenset({"base_url", "tools", "timeout_s", "max_retries"})
"""Settings that a report leaves out: addresses may hold secrets, and the others do not decide on answers."""


def evaluate_arms(
    given: QuestionFiles,
    plan: Plan,
    arms: Sequence[Arm],
    config: Config,
    open_model: OpenModel,
    *,
    runs: Path,
    folder: Path,
    parallel: int = 1,
    progress: Progress = silent,
) -> QaReport:
    """Ask a model the questions of a plan in every arm, and compare.

    Args:
        given: the dataset's questions.
        plan: which of them are asked.
        arms: what the model is shown.
        config: settings of the graphs that are made and, as `vlm`, of the model.
        open_model: opens the model.
        runs: where graphs that are made belong.
        folder: where answers are kept.
        parallel: how many requests are under way at once.
        progress: told how far graphs and questions are.

    Raises:
        UserError: the model cannot be opened, or a folder cannot be used.
    """
    with open_model() as model:  # first, so that a missing key is noticed before long work
        made, failed_scenes = make_runs(plan.videos, runs, config, progress=progress)
        run_folders = {**plan.runs, **made}
        answerable = [each for each in plan.asked if each.scene in run_folders]
        total = len(answerable) * len(arms)
        wanted = requests(answerable, arms, run_folders, config.vlm)
        responses = ask_all(wanted, model, config.vlm, folder=folder, parallel=parallel, total=total, progress=progress)
    columns = [grade(given.dataset, arm, responses, len(plan.asked)) for arm in arms]
    failures = [each for each in responses if isinstance(each, Failure)] + [
        Failure(question=each, arm=arm, why=failed_scenes[each.scene])
        for each in plan.asked
        for arm in arms
        if each.scene in failed_scenes
    ]
    about = {
        **_about_files(given),
        "asked": len(plan.asked),
        "arms": {arm.name: arm.value for arm in arms},
        "vlm": {name: value for name, value in asdict(config.vlm).items() if name not in _NOT_TOLD},
    }
    counts = {
        "questions left out because no run shows their scene": plan.without,
        "requests not made after so many failures in a row": total - len(responses),
    }
    notes = _notes(given, counts)
    return tabulate_answers(given.dataset, plan.asked, columns, failures=failures, about=about, notes=notes)


def score_recorded(given: QuestionFiles, paths: Sequence[Path]) -> QaReport:
    """Score answers that someone else recorded, by the dataset's official rule.

    Raises:
        InputError: a file cannot be read, or no answer belongs to any of the questions.
    """
    recorded = given.dataset.answers(paths, given.asked)
    columns = [grade_recorded(given.dataset, given.asked, each) for each in recorded if each.answers]
    about = {**_about_files(given), "answers": [_identity(path) for path in paths]}
    return tabulate_answers(given.dataset, given.asked, columns, failures=(), about=about, notes=_notes(given, {}))


def _about_files(given: QuestionFiles) -> dict[str, Any]:
    return {
        "fast_snow": version("fast-snow"),
        "dataset": given.dataset.name,
        "files": [_identity(path) for path in given.files],
        "questions": len(given.asked),
    }


def _identity(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _notes(given: QuestionFiles, counts: Mapping[str, int]) -> tuple[str, ...]:
    example = f", such as {given.hopeless[0]}" if given.hopeless else ""
    of_files = {
        "rows left out for want of a question or an answer": given.left_out,
        f"questions whose true answer nobody can give, which count as wrong{example}": len(given.hopeless),
    }
    return tuple(f"{what}: {count}" for what, count in (of_files | dict(counts)).items() if count)
