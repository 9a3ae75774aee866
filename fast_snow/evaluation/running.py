"""Runs systems over the clips of a manifest, one result after the other; what is done is not done again."""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fast_snow.api import collected_warnings
from fast_snow.config import Config, SamplingConfig
from fast_snow.errors import FastSnowError, FastSnowWarning, OutputError
from fast_snow.evaluation import machine, outcome
from fast_snow.evaluation.memory import forget_peak, peak_bytes, peak_gpu_bytes
from fast_snow.evaluation.outcome import Evaluation, Outcome, as_outcome, load_json, store_json
from fast_snow.evaluation.scoring import score
from fast_snow.evaluation.systems import System, SystemRun
from fast_snow.evaluation.truth import Truth
from fast_snow.inputs import Input
from fast_snow.output import graph_json
from fast_snow.protocols import Progress, silent

RUNS = "runs"
ABOUT = "about.json"
WARM_UP_FRAMES = 8
"""Enough for every stage to meet an object twice, so that all kernels are compiled and weights are loaded once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A clip that systems are run over.

    Attributes:
        name: of the clip.
        open: opens its input.
        truth: reads what is known of it.
    """

    name: str
    open: Callable[[SamplingConfig], Input]
    truth: Callable[[], Truth]


Trial = tuple[int, Case, str]
"""Repeat, clip and the name of a system."""


def evaluate(
    cases: Sequence[Case],
    systems: Mapping[str, System],
    config: Config,
    *,
    folder: Path,
    manifest: Mapping[str, Any],
    repeat: int = 1,
    progress: Progress = silent,
) -> Evaluation:
    """Run every system over every clip, as often as asked for, and score what comes out.

    Repeats follow each other from outside in: each round takes all clips, and each clip all systems, so that a slow
    moment of the machine meets all alike. A run that fails is recorded and the others go on. Every result is written
    as soon as it is there: an evaluation that is interrupted goes on where it was, and failed runs are tried again.

    Args:
        cases: the clips.
        systems: by name.
        config: all settings; every repeat has the same seed.
        folder: where results go, and where those of an interrupted evaluation lie.
        manifest: name and digest of the clips' list.
        repeat: how often.
        progress: told how many runs are done.

    Returns:
        All results, and what they were made with.

    Raises:
        OutputError: the folder cannot be written, or holds results that were made with something else.
    """
    about = machine.about(
        manifest,
        config,
        systems=tuple(systems),
        repeat=repeat,
        warm_up_frames=WARM_UP_FRAMES,
        fresh_peaks=forget_peak(),
    )
    _claim(folder, about)
    done: list[Outcome] = []
    warm: set[str] = set()
    trials = [(k, case, system) for k in range(repeat) for case in cases for system in systems]
    for index, trial in enumerate(trials):
        progress("runs", index, len(trials))
        file = _file(folder, trial)
        there = _finished(file)
        if there is None:
            there = _run(trial, systems, config, warm)
            _store(file, there)
        done.append(there)
    progress("runs", len(trials), len(trials))
    evaluation = Evaluation(about=about, outcomes=tuple(done))
    outcome.write(evaluation, folder / outcome.EVALUATION)
    return evaluation


def _claim(folder: Path, about: Mapping[str, Any]) -> None:
    """Take a folder for these results, which may only join others of the same making."""
    path = folder / ABOUT
    if path.is_file():
        before = load_json(path)
        differing = [name for name in machine.MUST_AGREE if before.get(name) != about[name]]
        if differing:
            raise OutputError(
                f"{folder}: holds results of another {' and '.join(differing)}; choose another folder with -o or"
                " replace them with --overwrite"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder with -o") from error
    store_json(path, about)


def _file(folder: Path, trial: Trial) -> Path:
    k, case, system = trial
    return folder / RUNS / quote(case.name, safe="") / f"{quote(system, safe='')}-{k}.json"


def _finished(file: Path) -> Outcome | None:
    """Return the result of an earlier run; None where there is none or it failed."""
    if not file.is_file():
        return None
    found = as_outcome(load_json(file), file)
    return None if found.error else found


def _store(file: Path, result: Outcome) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{file.parent}: cannot be written ({error.strerror}); choose another with -o") from error
    store_json(file, result.as_json())


def _run(trial: Trial, systems: Mapping[str, System], config: Config, warm: set[str]) -> Outcome:
    """Run one system over one clip, and score it; whatever goes wrong is part of the result."""
    k, case, name = trial
    blank = Outcome(clip=case.name, system=name, repeat=k)
    system = systems[name]
    try:
        with collected_warnings(show=False) as noticed:
            if name not in warm:
                warm.add(name)
                _warm_up(system, case, config)
            source = case.open(config.sampling)
            forget_peak()
            run = system(source, config)
            peak, peak_gpu = peak_bytes(), peak_gpu_bytes()
    except Exception as error:  # noqa: BLE001 (one clip must not lose the others)
        return replace(blank, error=_one_line(error))
    measured = replace(_measured(blank, run), peak_bytes=peak, peak_gpu_bytes=peak_gpu)
    try:
        scores = score(case.truth(), run)
    except Exception as error:  # noqa: BLE001
        return replace(measured, error=_one_line(error), notes=tuple(noticed))
    return replace(
        measured,
        error="; ".join(scores.problems),
        metrics=dict(scores.metrics),
        exhaustive=scores.exhaustive,
        notes=(*scores.notes, *noticed),
    )


def _warm_up(system: System, case: Case, config: Config) -> None:
    try:
        system(case.open(replace(config.sampling, max_frames=WARM_UP_FRAMES)), config)
    except Exception as error:  # noqa: BLE001 (so short a clip may fail where the whole one does not)
        warnings.warn(f"the warm-up failed: {_one_line(error)}", FastSnowWarning, stacklevel=2)


def _measured(blank: Outcome, run: SystemRun) -> Outcome:
    graph = run.graph
    return replace(
        blank,
        frames=graph.num_frames,
        tracks=len(graph.tracks),
        observations=sum(len(track.observations) for track in graph.tracks.values()),
        wall_s=run.wall_s,
        frame_s=tuple(np.round(run.frame_s, 6).tolist()),
        stage_s=asdict(run.seconds),
        graph_sha256=hashlib.sha256(graph_json.dumps(graph).encode()).hexdigest(),
        engines={use.slot: use.name for use in run.engines},
    )


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, FastSnowError) else f"{type(error).__name__}: {text}"


def failures(evaluation: Evaluation) -> Iterator[Outcome]:
    """Yield the runs that failed."""
    yield from (each for each in evaluation.outcomes if each.error)
