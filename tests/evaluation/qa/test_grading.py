"""Official figures and their bootstrap intervals."""

import numpy as np
import pytest

from fast_snow.evaluation.qa.dataset import OfficialScore, Term, mean_over
from fast_snow.evaluation.qa.grading import estimate_scores
from fast_snow.evaluation.qa.question import Form, Question


def question(scene, category="a", number=0):
    key = f"{scene}/{number}"
    return Question(key=key, scene=scene, video=None, category=category, text="?", truth="yes", form=Form.YES_NO)


def test_one_question_per_scene_is_the_usual_bootstrap_of_a_mean():
    rng = np.random.default_rng(0)
    scores = rng.random(60)
    asked = [question(str(k)) for k in range(len(scores))]
    (found,) = estimate_scores([mean_over("all", "a")], asked, scores.tolist(), seed=3)
    half = 1.96 * scores.std() / np.sqrt(len(scores))
    assert found.value == pytest.approx(scores.mean())
    assert (found.low, found.high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.15 * half)


def test_questions_about_one_scene_do_not_make_it_surer():
    few = [question(str(k)) for k in range(10)]
    scores = [float(k % 2) for k in range(10)]
    many = [question(str(k), number=n) for k in range(10) for n in range(20)]
    (once,) = estimate_scores([mean_over("all", "a")], few, scores)
    (again,) = estimate_scores([mean_over("all", "a")], many, [score for score in scores for _ in range(20)])
    assert (again.low, again.high) == (once.low, once.high)


def test_a_weighted_figure_stays_within_its_range():
    asked = [question(str(k), category="ab"[k % 2]) for k in range(7)]
    terms = (Term(categories=frozenset("a"), weight=0.25), Term(categories=frozenset("b"), weight=0.75))
    (found,) = estimate_scores([OfficialScore(name="weighted", terms=terms)], asked, [1.0] * 7)
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_figures_without_questions_are_left_out():
    asked = [question("x"), question("y")]
    both = OfficialScore(name="both", terms=tuple(Term(categories=frozenset(each), weight=0.5) for each in "ab"))
    assert [
        each.name for each in estimate_scores([mean_over("b", "b"), both, mean_over("a", "a")], asked, [1.0, 0.0])
    ] == ["a"]
    assert estimate_scores([mean_over("a", "a")], [], []) == ()


def test_one_scene_has_no_interval():
    asked = [question("x", number=n) for n in range(3)]
    (found,) = estimate_scores([mean_over("all", "a")], asked, [1.0, 0.0, 1.0])
    assert (found.questions, found.points, found.low, found.high) == (3, 2, None, None)


def test_the_same_seed_gives_the_same_interval():
    asked = [question(str(k)) for k in range(9)]
    scores = [k / 9 for k in range(9)]
    same = [estimate_scores([mean_over("all", "a")], asked, scores, seed=seed)[0] for seed in (1, 1, 2)]
    assert same[0] == same[1] != same[2]
