"""Comparison of two systems: paired differences with bootstrap confidence intervals over clips.

Clips differ far more from each other than systems do, so differences are taken clip by clip and the clips resampled:
the interval answers "would other clips of this kind say the same?".

Reference:
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.errors import ConfigError
from fast_snow.evaluation.metrics.metric_definitions import METRICS
from fast_snow.evaluation.report.tables import mean_of_all, run_metrics
from fast_snow.evaluation.results import Evaluation, RunResult, read_evaluation

RESAMPLES: Final = 10_000
COVERAGE: Final = 0.95
FEWEST_CLIPS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far B is from A in one metric, clip by clip over those that both have it for, with its interval.

    `a` and `b` are means; there is no interval of fewer than two clips.
    """

    metric: str
    clips: int
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two systems, metric by metric; clips that only one finished are left out, and remarks say what else differs."""

    a: str
    b: str
    left_out: tuple[str, ...]
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSystem:
    """One side of a comparison: a system of an evaluation, and its name for the user."""

    label: str
    evaluation: Evaluation
    system: str


def select_sides(a: str, b: str) -> tuple[tuple[ComparedSystem, ComparedSystem], ...]:
    """Find what is to be compared, of two folders of evaluations, where wanted with `:SYSTEM` behind them.

    Without that it is one pair per system that both evaluations have.

    Raises:
        InputError: there are no results.
        ConfigError: there is no such system, or nothing to compare.
    """
    (path_a, system_a), (path_b, system_b) = _named(a), _named(b)
    found_a, found_b = read_evaluation(path_a), read_evaluation(path_b)
    if system_a or system_b:
        return ((_side(path_a, found_a, system_a or system_b), _side(path_b, found_b, system_b or system_a)),)
    shared = [each for each in _systems(found_a) if each in _systems(found_b)]
    if not shared or path_a.resolve() == path_b.resolve():
        raise ConfigError(
            f"{a} and {b}: no two results to compare (systems {', '.join(_systems(found_a))} and"
            f" {', '.join(_systems(found_b))}); name them, like {a}:{_systems(found_a)[-1]}"
        )
    return tuple((_side(path_a, found_a, each), _side(path_b, found_b, each)) for each in shared)


def _named(text: str) -> tuple[Path, str]:
    """Split `FOLDER:SYSTEM`; what exists as it stands is a folder."""
    folder, colon, system = text.rpartition(":")
    return (Path(text), "") if not colon or Path(text).exists() else (Path(folder), system)


def _side(path: Path, evaluation: Evaluation, system: str) -> ComparedSystem:
    known = _systems(evaluation)
    if system not in known:
        raise ConfigError(f"{path}: no results of {system!r}; expected one of {', '.join(known)}")
    return ComparedSystem(label=f"{system} in {path}", evaluation=evaluation, system=system)


def _systems(evaluation: Evaluation) -> list[str]:
    return list(dict.fromkeys(each.system for each in evaluation.outcomes))


def compare_systems(a: ComparedSystem, b: ComparedSystem, *, seed: int = 0) -> Comparison:
    """Compare two systems over the clips that both finished; `seed` is that of the resampling.

    Raises:
        ConfigError: the results are of different manifests, or share no clip.
    """
    manifests = [side.evaluation.about.get("manifest", {}) for side in (a, b)]
    if manifests[0].get("sha256") != manifests[1].get("sha256"):
        names = " and ".join(str(each.get("name", "unknown")) for each in manifests)
        raise ConfigError(
            f"{a.label} and {b.label} are results of different manifests ({names}); run both on the same one"
        )
    clips_a, clips_b = _by_clip(a), _by_clip(b)
    shared = [clip for clip in clips_a if clip in clips_b]
    if not shared:
        raise ConfigError(f"{a.label} and {b.label} share no clip that both finished; nothing can be compared")
    measured = {
        each.name: [clip for clip in shared if each.name in clips_a[clip].keys() & clips_b[clip].keys()]
        for each in METRICS
    }
    return Comparison(
        a=a.label,
        b=b.label,
        left_out=tuple(sorted(set(clips_a) ^ set(clips_b))),
        differences=tuple(
            _difference(name, np.array([(clips_a[clip][name], clips_b[clip][name]) for clip in clips]), seed)
            for name, clips in measured.items()
            if clips
        ),
        remarks=_remarks(a, b, shared),
    )


def _by_clip(side: ComparedSystem) -> dict[str, dict[str, float]]:
    """Return the metrics of each clip: means over its repeats."""
    runs: dict[str, list[RunResult]] = {}
    for each in side.evaluation.outcomes:
        if each.system == side.system and not each.error:
            runs.setdefault(each.clip, []).append(each)
    return {clip: mean_of_all([run_metrics([run]) for run in each]) for clip, each in runs.items()}


def _difference(name: str, pairs: Float64[np.ndarray, "clips 2"], seed: int) -> Difference:
    low, high = interval(pairs[:, 1] - pairs[:, 0], seed=seed)
    a, b = pairs.mean(axis=0).tolist()
    return Difference(metric=name, clips=len(pairs), a=a, b=b, difference=b - a, low=low, high=high)


def interval(differences: Float64[np.ndarray, " clips"], *, seed: int = 0) -> tuple[float, float] | tuple[None, None]:
    """Return the percentile bootstrap interval of a mean over clips; none where there are fewer than two."""
    count = len(differences)
    if count < FEWEST_CLIPS:
        return None, None
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    means = differences[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]).tolist()
    return low, high


def _remarks(a: ComparedSystem, b: ComparedSystem, clips: Sequence[str]) -> tuple[str, ...]:
    """Tell what else differs, for then speed, at least, is not the systems' alone; and where figures say little."""
    names = {
        "hardware": "the hardware differs",
        "config": "the configuration differs",
        "versions": "versions of packages differ",
    }
    about, other = a.evaluation.about, b.evaluation.about
    differing = tuple(words for key, words in names.items() if about.get(key) != other.get(key))
    partial = {each.clip for each in a.evaluation.outcomes if each.exhaustive is False} & set(clips)
    if not partial:
        return differing
    little = ", ".join(each.label for each in METRICS if each.needs_all)
    return (
        *differing,
        f"the truth of {', '.join(sorted(partial))} annotates only some objects: {little} count whatever else is found"
        " as wrong, so B may be worse there for finding more",
    )
