"""Grading of answers: one column per arm, or per model whose answers were recorded.

Official figures come with bootstrap intervals over scenes: questions about one scene are right or wrong together more
often than not, so scenes are resampled, not questions.

Reference:
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.evaluation.qa.answer_extraction import extract_answer
from fast_snow.evaluation.qa.dataset import Dataset, OfficialScore, RecordedAnswers, Term
from fast_snow.evaluation.qa.inference import Answered, CachedAnswer, Response
from fast_snow.evaluation.qa.question import UNREADABLE, Arm, Mark, Question
from fast_snow.evaluation.report.comparison import COVERAGE, FEWEST_CLIPS, RESAMPLES

ByScene = Float64[np.ndarray, "scenes terms"]
ByResample = Float64[np.ndarray, "resamples terms"]

_AT_ONCE: Final = 250
"""Resamples that are drawn together: bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One answer and what it is worth; `reply` is None where the answer was recorded by someone else."""

    question: Question
    mark: Mark
    reply: CachedAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedColumn:
    """Graded answers of one kind, of an arm or of a model, in the order of the questions.

    Missing are questions without an answer, which do not count, as in the official scores; unused are answers to no
    question. `overruled` counts answers that the dataset's judge and the rule see differently; None where nobody
    judged.
    """

    name: str
    meaning: str
    graded: tuple[Graded, ...]
    missing: int = 0
    unused: int = 0
    overruled: int | None = None

    @property
    def unreadable(self) -> int:
        """How many replies have no answer in them; they count as wrong."""
        return sum(each.mark.read_as is None for each in self.graded)


def grade(dataset: Dataset, arm: Arm, outcomes: Sequence[Response], asked: int) -> GradedColumn:
    """Return the column of an arm, from the outcomes of all arms; `asked` is the number of questions."""
    graded = tuple(
        Graded(question=each.question, mark=mark_reply(dataset, each.question, each.reply.text), reply=each.reply)
        for each in outcomes
        if each.arm is arm and isinstance(each, Answered)
    )
    return GradedColumn(name=arm.name, meaning=arm.value, graded=graded, missing=asked - len(graded))


def grade_recorded(dataset: Dataset, questions: Sequence[Question], recorded: RecordedAnswers) -> GradedColumn:
    """Return the column of a model whose answers someone recorded; verdicts of the dataset's judge go first."""
    pairs = [(each, recorded.answers[each.key]) for each in questions if each.key in recorded.answers]
    by_rule = [UNREADABLE if each.text is None else dataset.score(question, each.text) for question, each in pairs]
    judged = [(each.verdict, mark) for (_, each), mark in zip(pairs, by_rule, strict=True) if each.verdict is not None]
    return GradedColumn(
        name=recorded.model,
        meaning="recorded answers",
        graded=tuple(
            Graded(
                question=question, mark=mark if answer.verdict is None else replace(mark, score=float(answer.verdict))
            )
            for (question, answer), mark in zip(pairs, by_rule, strict=True)
        ),
        missing=len(questions) - len(pairs),
        unused=recorded.unused,
        overruled=sum(verdict != (mark.score == 1) for verdict, mark in judged) if judged else None,
    )


def mark_reply(dataset: Dataset, question: Question, reply: str) -> Mark:
    """Return what a model's reply is worth; nothing where no answer is found in it."""
    answer = extract_answer(question, reply)
    return UNREADABLE if answer is None else dataset.score(question, answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEstimate:
    """A figure, from 0 to 1 or a difference of two such, and how far other scenes of this kind could move it.

    It rests on so many questions, which score so many points together. The ends are those of the 95 % interval; None
    where there are fewer than two scenes.
    """

    name: str
    questions: int
    points: float
    value: float
    low: float | None
    high: float | None


def estimate_scores(
    figures: Sequence[OfficialScore], questions: Sequence[Question], scores: Sequence[float], *, seed: int = 0
) -> tuple[ScoreEstimate, ...]:
    """Return figures with percentile bootstrap intervals over scenes; those without any question are left out.

    `scores` has what the answer to each question is worth, or the difference of two answers' worth.
    """
    categories = {each.category for each in questions}
    figures = [each for each in figures if all(term.categories & categories for term in each.terms)]
    terms = [term for each in figures for term in each.terms]
    points, counts = _by_scene(terms, questions, scores)
    means = _resampled(points, counts, seed)
    last = 0
    estimates = []
    for figure in figures:
        its = slice(last, last := last + len(figure.terms))
        estimates.append(_estimate(figure, points[:, its], counts[:, its], means[:, its]))
    return tuple(estimates)


def _by_scene(terms: Sequence[Term], questions: Sequence[Question], scores: Sequence[float]) -> tuple[ByScene, ByScene]:
    """Return the points of each scene under each term, and how many questions they come from."""
    index = {scene: number for number, scene in enumerate(dict.fromkeys(each.scene for each in questions))}
    points, counts = (np.zeros((len(index), len(terms))) for _ in range(2))
    columns = {
        category: [k for k, term in enumerate(terms) if category in term.categories]
        for category in {each.category for each in questions}
    }
    for question, score in zip(questions, scores, strict=True):
        row, its = index[question.scene], columns[question.category]
        points[row, its] += score
        counts[row, its] += 1
    return points, counts


def _resampled(points: ByScene, counts: ByScene, seed: int) -> ByResample:
    """Return the mean under each term in each resample of the scenes; NaN where a resample has no such question."""
    generator, scenes = np.random.default_rng(seed), len(points)
    means = []
    for _ in range(RESAMPLES // _AT_ONCE if scenes else 0):
        picked = generator.integers(0, scenes, (_AT_ONCE, scenes))
        times = np.stack([np.bincount(each, minlength=scenes) for each in picked]).astype(np.float64)
        of, total = times @ points, times @ counts
        means.append(np.divide(of, total, out=np.full_like(of, np.nan), where=total > 0))
    return np.concatenate([np.zeros((0, points.shape[1])), *means])


def _estimate(figure: OfficialScore, points: ByScene, counts: ByScene, means: ByResample) -> ScoreEstimate:
    weights = np.array([term.weight for term in figure.terms])
    values = means @ weights
    enough = counts.any(axis=1).sum() >= FEWEST_CLIPS
    ends = [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]
    low, high = np.nanquantile(values, ends).tolist() if enough else (None, None)
    return ScoreEstimate(
        name=figure.name,
        questions=int(counts.sum()),
        points=float(points.sum()),
        value=float((points.sum(axis=0) / counts.sum(axis=0)) @ weights),
        low=low,
        high=high,
    )
