"""Reports of an evaluation of answers: scores with intervals, differences and token usage, as JSON and CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from fast_snow.atomic_files import store
from fast_snow.evaluation.qa.beside_snow import BesideSnow, verdicts
from fast_snow.evaluation.qa.dataset import Dataset
from fast_snow.evaluation.qa.grading import GradedColumn, ScoreEstimate, estimate_scores
from fast_snow.evaluation.qa.inference import CachedAnswer
from fast_snow.evaluation.qa.question import Question
from fast_snow.evaluation.qa.requests import Failure
from fast_snow.evaluation.results import csv_text, make_folder, write_json
from fast_snow.reasoning.agent import Ending
from fast_snow.reasoning.conversation import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the answers of a column consumed, as the provider counts it, and how many tools they used."""

    answers: int
    total: Usage
    tool_calls: int

    def per_answer(self, name: str) -> float:
        """Return the mean of one of `Usage`'s counts."""
        return getattr(self.total, name) / self.answers if self.answers else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnResult:
    """A column and what it amounts to: the official figures over the questions that have an answer.

    `all_asked` is the last of them with a missing answer counting as wrong. Answers may be cut off for want of tokens
    or rounds, prompts shortened for want of room, or read only in part by the server.
    """

    column: GradedColumn
    figures: tuple[ScoreEstimate, ...]
    all_asked: float
    tokens: Tokens | None
    cut_off: int
    shortened: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far column `b` is from column `a` over the questions that both have an answer to."""

    a: str
    b: str
    figures: tuple[ScoreEstimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QaReport:
    """All of it."""

    about: Mapping[str, Any]
    results: tuple[ColumnResult, ...]
    gaps: tuple[Gap, ...]
    beside_snow: tuple[BesideSnow, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


def tabulate_answers(
    dataset: Dataset,
    questions: Sequence[Question],
    columns: Sequence[GradedColumn],
    *,
    failures: Sequence[Failure],
    about: Mapping[str, Any],
    notes: Sequence[str],
) -> QaReport:
    """Return the report of some columns; columns without any answer are left out."""
    answered = [each for each in columns if each.graded]
    gaps = tuple(_gap(dataset, a, b) for a, b in combinations(answered, 2))
    return QaReport(
        about=about,
        results=tuple(_result(dataset, questions, each) for each in answered),
        gaps=gaps,
        beside_snow=verdicts([each.name for each in columns], {(each.a, each.b): each.figures for each in gaps}),
        failures=tuple(failures),
        notes=tuple(notes),
    )


def _result(dataset: Dataset, questions: Sequence[Question], column: GradedColumn) -> ColumnResult:
    scores = {each.question.key: each.mark.score for each in column.graded}
    answered = [each.question for each in column.graded]
    of_all = dataset.figures(questions)[-1]
    replies = [each.reply for each in column.graded if each.reply is not None]
    tokens = Tokens(
        answers=len(replies),
        total=sum((each.usage for each in replies), Usage()),
        tool_calls=sum(len(each.tools) for each in replies),
    )
    return ColumnResult(
        column=column,
        figures=estimate_scores(dataset.figures(answered), answered, list(scores.values())),
        all_asked=estimate_scores([of_all], questions, [scores.get(each.key, 0.0) for each in questions])[0].value,
        tokens=tokens if replies else None,
        cut_off=sum(each.ending is not Ending.ANSWERED for each in replies),
        shortened=sum(bool(each.left_out) for each in replies),
        unread=sum(bool(each.unread) for each in replies),
    )


def _gap(dataset: Dataset, a: GradedColumn, b: GradedColumn) -> Gap:
    before = {each.question.key: each.mark.score for each in a.graded}
    both = [each for each in b.graded if each.question.key in before]
    questions = [each.question for each in both]
    gains = [each.mark.score - before[each.question.key] for each in both]
    figures = estimate_scores(dataset.figures(questions), questions, gains) if both else ()
    return Gap(a=a.name, b=b.name, figures=figures)


def write_qa_report(report: QaReport, folder: Path, name: str) -> tuple[Path, ...]:
    """Write `NAME.json`, `NAME.csv` (figures) and `NAME_answers.csv` (every answer); returns the files.

    Raises:
        OutputError: the folder cannot be written.
    """
    make_folder(folder)
    files = (folder / f"{name}.json", folder / f"{name}.csv", folder / f"{name}_answers.csv")
    write_json(files[0], as_json(report))
    store(files[1], csv_text(FIGURES, _figure_rows(report)).encode())
    store(files[2], csv_text(DETAILS, _answer_rows(report)).encode())
    return files


def as_json(report: QaReport) -> dict[str, Any]:
    """Return the report as JSON's own types; single answers are in the CSV."""
    return {
        "about": dict(report.about),
        "notes": list(report.notes),
        "results": [_result_json(each) for each in report.results],
        "differences": [
            {"a": each.a, "b": each.b, "figures": [asdict(f) for f in each.figures]} for each in report.gaps
        ],
        **({"beside_snow": [asdict(each) for each in report.beside_snow]} if report.beside_snow else {}),
        "failures": [{"question": f.question.key, "arm": f.arm.name, "why": f.why} for f in report.failures],
    }


def _result_json(result: ColumnResult) -> dict[str, Any]:
    column, tokens = result.column, result.tokens
    return {
        "name": column.name,
        "meaning": column.meaning,
        "answers": len(column.graded),
        "missing": column.missing,
        "unused": column.unused,
        "unreadable": column.unreadable,
        "overruled": column.overruled,
        "cut_off": result.cut_off,
        "shortened_prompts": result.shortened,
        "unread_prompts": result.unread,
        "figures": [asdict(each) for each in result.figures],
        "overall_missing_as_wrong": result.all_asked,
        "tokens": None if tokens is None else {"tool_calls": tokens.tool_calls, **asdict(tokens.total)},
    }


FIGURES: Final = ("figure", "column", "minus", "questions", "points", "value", "low", "high")
DETAILS: Final = (
    *("question", "column", "category", "scene", "truth", "read_as", "score", "ending", "tools"),
    *("requests", "input_tokens", "cached_tokens", "output_tokens"),
)


def _figure_rows(report: QaReport) -> Iterator[Sequence[object]]:
    columns = [(each.column.name, "", each.figures) for each in report.results]
    for column, minus, figures in (*columns, *((each.b, each.a, each.figures) for each in report.gaps)):
        for each in figures:
            yield each.name, column, minus, each.questions, each.points, each.value, each.low, each.high


def _answer_rows(report: QaReport) -> Iterator[Sequence[object]]:
    for result in report.results:
        for each in result.column.graded:
            question = each.question
            plain = (question.key, result.column.name, question.category, question.scene, question.truth)
            yield (*plain, each.mark.read_as, each.mark.score, *_reply_fields(each.reply))


def _reply_fields(reply: CachedAnswer | None) -> Sequence[object]:
    if reply is None:
        return (None,) * 6
    used = reply.usage
    spent = (used.requests, used.input_tokens, used.cached_tokens, used.output_tokens)
    return (reply.ending.name.lower(), " ".join(reply.tools), *spent)
