"""Official figures of a dataset, with bootstrap intervals over its scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.evaluation.qa.question import Question
from fast_snow.evaluation.report.comparison import COVERAGE, FEWEST_CLIPS, RESAMPLES

ByScene = Float64[np.ndarray, "scenes terms"]
ByResample = Float64[np.ndarray, "resamples terms"]

_AT_ONCE: Final = 250
"""Resamples that are drawn together: bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The mean over all questions of some categories, and how much it counts."""

    categories: frozenset[str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialScore:
    """A number of a dataset's official table: a weighted sum of means."""

    name: str
    terms: tuple[Term, ...]


def mean_over(name: str, *categories: str) -> OfficialScore:
    """Return the figure that is the mean over all questions of some categories."""
    return OfficialScore(name=name, terms=(Term(categories=frozenset(categories)),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEstimate:
    """A figure and how far other scenes of this kind could move it.

    Attributes:
        name: of the figure.
        questions: how many it rests on.
        points: what they score together.
        value: of the figure; from 0 to 1, or a difference of two such.
        low: lower end of the 95 % interval; None where there are fewer than two scenes.
        high: its upper end.
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
    """Return figures with percentile bootstrap intervals over scenes.

    Questions about one scene are right or wrong together more often than not, so scenes are resampled, not questions.

    Args:
        figures: those without any question are left out.
        questions: that were answered.
        scores: what each answer is worth, or the difference of two answers' worth.
        seed: of the resampling.

    Reference:
        B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
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
