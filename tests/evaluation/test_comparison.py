"""Comparing two evaluations: paired differences and their intervals."""

from pathlib import Path

import numpy as np
import pytest

from fast_snow.errors import ConfigError, InputError
from fast_snow.evaluation import results
from fast_snow.evaluation.report.comparison import ComparedSystem, compare_systems, interval, select_sides
from tests.evaluation.cases import evaluation, result


def side(system: str, *idf1: float, **about) -> ComparedSystem:
    runs = [result(f"clip {k}", system, idf1=value) for k, value in enumerate(idf1)]
    return ComparedSystem(label=system, evaluation=evaluation(*runs, **about), system=system)


def difference(comparison, name: str):
    (found,) = [each for each in comparison.differences if each.metric == name]
    return found


def test_differences_are_taken_clip_by_clip():
    """Clips that differ much, and a small gain on each: the gain is certain."""
    found = difference(compare_systems(side("a", 0.1, 0.5, 0.9), side("b", 0.15, 0.55, 0.95)), "idf1")
    assert found.clips == 3
    assert (found.a, found.b) == pytest.approx((0.5, 0.55))
    assert (found.low, found.difference, found.high) == pytest.approx((0.05, 0.05, 0.05))


def test_equal_results_differ_by_nothing():
    found = compare_systems(side("a", 0.1, 0.5), side("b", 0.1, 0.5))
    assert all(each.low == each.difference == each.high == 0 for each in found.differences)


def test_one_clip_has_no_interval():
    found = difference(compare_systems(side("a", 0.1), side("b", 0.3)), "idf1")
    assert (found.low, found.high) == (None, None)


def test_the_interval_is_that_of_the_mean():
    """Of many clips, the bootstrap's interval is the normal one: mean ± 1.96 standard errors."""
    values = np.random.default_rng(1).normal(0.3, 1.0, 400)
    low, high = interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(2)
    covered = 0
    for seed in range(100):
        low, high = interval(random.normal(0.0, 1.0, 40), seed=seed)
        covered += low <= 0 <= high
    assert 88 <= covered <= 99


def test_the_same_seed_gives_the_same_interval():
    values = np.array([0.1, 0.4, -0.2, 0.3])
    assert interval(values, seed=3) == interval(values, seed=3)
    assert interval(values, seed=3) != interval(values, seed=4)


def test_repeats_count_once_per_clip():
    runs = [result("x", "a", 0, idf1=0.2), result("x", "a", 1, idf1=0.4), result("y", "a", 0, idf1=0.5)]
    many = ComparedSystem(label="a", evaluation=evaluation(*runs), system="a")
    other = ComparedSystem(
        label="b", evaluation=evaluation(result("x", "b", idf1=0.3), result("y", "b", idf1=0.5)), system="b"
    )
    found = difference(compare_systems(many, other), "idf1")
    assert found.clips == 2
    assert found.difference == pytest.approx(0.0)


def test_clips_that_one_side_lacks_are_left_out_and_named():
    failed = evaluation(result("x", "b"), result("y", "b", error="no"))
    a = ComparedSystem(label="a", evaluation=evaluation(result("x", "a"), result("y", "a")), system="a")
    found = compare_systems(a, ComparedSystem(label="b", evaluation=failed, system="b"))
    assert found.left_out == ("y",)
    assert difference(found, "idf1").clips == 1


def test_results_of_different_manifests_are_refused():
    with pytest.raises(ConfigError, match="different manifests"):
        compare_systems(side("a", 0.1), side("b", 0.1, manifest={"name": "other", "sha256": "1" * 64}))


def test_results_without_a_common_clip_are_refused():
    with pytest.raises(ConfigError, match="share no clip"):
        compare_systems(
            side("a", 0.1), ComparedSystem(label="b", evaluation=evaluation(result("other", "b")), system="b")
        )


def test_what_else_differs_is_remarked():
    found = compare_systems(side("a", 0.1), side("b", 0.1, hardware={"processor": "another"}))
    assert found.remarks == ("the hardware differs",)


def test_a_truth_of_some_objects_is_remarked():
    some = evaluation(result("x", "a", exhaustive=False), result("y", "a", exhaustive=True), result("z", "a"))
    others = evaluation(*(result(clip, "b", exhaustive=clip != "x") for clip in "xy"))
    (remark,) = compare_systems(
        ComparedSystem(label="a", evaluation=some, system="a"), ComparedSystem(label="b", evaluation=others, system="b")
    ).remarks
    assert remark.startswith("the truth of x annotates only some objects: IDF1, IDP, HOTA, DetA, MOTA count whatever")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = evaluation(result("x", "fast-snow"), result("x", "snow"))
        results.write_evaluation(made, tmp_path / name / results.EVALUATION)
    return tmp_path


def test_all_systems_that_both_have_are_compared(stored: Path):
    pairs = select_sides(str(stored / "one"), str(stored / "two"))
    assert [(a.system, b.system) for a, b in pairs] == [("fast-snow", "fast-snow"), ("snow", "snow")]


def test_systems_of_one_evaluation_are_compared_by_name(stored: Path):
    ((a, b),) = select_sides(f"{stored / 'one'}:snow", f"{stored / 'one'}:fast-snow")
    assert (a.system, b.system) == ("snow", "fast-snow")


def test_nothing_to_compare_is_one_line(stored: Path):
    with pytest.raises(ConfigError, match="no two results to compare"):
        select_sides(str(stored / "one"), str(stored / "one"))
    with pytest.raises(ConfigError, match="no results of 'other'; expected one of fast-snow, snow"):
        select_sides(f"{stored / 'one'}:other", str(stored / "two"))
    with pytest.raises(InputError, match="nowhere"):
        select_sides(str(stored / "nowhere"), str(stored / "two"))
