"""Runs systems over the clips of a manifest and stores each result; finished runs are not repeated."""

import difflib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fast_snow import peak_memory
from fast_snow.api import collected_warnings
from fast_snow.batching.on_ray import spread
from fast_snow.batching.resources import Resources
from fast_snow.config import Config, SamplingConfig
from fast_snow.errors import ConfigError, FastSnowWarning, OutputError, one_line
from fast_snow.evaluation import environment, results
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.ground_truth import Truth
from fast_snow.evaluation.metrics.scoring import score_run
from fast_snow.evaluation.results import Evaluation, RunResult
from fast_snow.evaluation.systems import System, SystemRun
from fast_snow.inputs import Input
from fast_snow.output import graph_json
from fast_snow.protocols import Progress, silent
from fast_snow.typed_json import members

RUNS = "runs"
ABOUT = "about.json"
WARM_UP_FRAMES = 8
"""Enough for every stage to meet an object twice, so that all kernels are compiled and weights are loaded once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A clip that systems are run over: its name, what opens its input, and what reads its truth."""

    name: str
    open: Callable[[SamplingConfig], Input]
    truth: Callable[[], Truth]


Trial = tuple[int, Case, str]
"""Repeat, clip and the name of a system."""


def evaluate_systems(
    cases: Sequence[Case],
    systems: Mapping[str, System],
    config: Config,
    *,
    folder: Path,
    manifest: Mapping[str, Any],
    repeat: int = 1,
    progress: Progress = silent,
    ray: str | None = None,
) -> Evaluation:
    """Run every system over every clip, `repeat` times with the same seed, and score what comes out.

    Repeats follow each other from outside in: each round takes all clips, and each clip all systems, so that a slow
    moment of the machine meets all alike. A run that fails is recorded and the others go on. Every result is written to
    `folder` as soon as it is there: an interrupted evaluation resumes, and failed runs are tried again. With the
    address of a Ray cluster, runs are spread over it, in any order.

    Returns:
        All results, and what they were made with, `manifest` being the name and digest of the clips' list.

    Raises:
        OutputError: the folder cannot be written, or holds results that were made with something else.
    """
    about = environment.provenance(
        manifest,
        config,
        systems=tuple(systems),
        repeat=repeat,
        warm_up_frames=WARM_UP_FRAMES,
        fresh_peaks=peak_memory.forget_peak(),
    )
    _claim(folder, about)
    trials = [(k, case, system) for k in range(repeat) for case in cases for system in systems]
    evaluation = Evaluation(about=about, outcomes=tuple(_results(trials, systems, config, folder, progress, ray)))
    results.write_evaluation(evaluation, folder / results.EVALUATION)
    return evaluation


def _results(
    trials: Sequence[Trial],
    systems: Mapping[str, System],
    config: Config,
    folder: Path,
    progress: Progress,
    ray: str | None,
) -> Iterator[RunResult]:
    """Yield the result of each trial: that of an earlier evaluation, else that of a new run, which is stored."""
    files = [
        folder / RUNS / quote(case.name, safe="") / f"{quote(system, safe='')}-{k}.json" for k, case, system in trials
    ]
    found = [results.read_result(RunResult, file) if file.is_file() else None for file in files]
    missing = [index for index, result in enumerate(found) if result is None or result.error]
    run = partial(_run, trials=trials, systems=systems, config=config, warm=set())
    made = map(run, missing) if ray is None else spread(run, missing, config, Resources(ray=ray))
    for done, (index, result) in enumerate(made):
        progress("runs", len(trials) - len(missing) + done, len(trials))
        results.make_folder(files[index].parent)
        results.write_json(files[index], members(result))
        found[index] = result
    progress("runs", len(trials), len(trials))
    return (result for result in found if result is not None)


def _claim(folder: Path, about: Mapping[str, Any]) -> None:
    """Take a folder for these results, which may only join others of the same making."""
    path = folder / ABOUT
    if path.is_file():
        before = results.read_json(path)
        differing = [name for name in environment.MUST_AGREE if before.get(name) != about[name]]
        if differing:
            raise OutputError(
                f"{folder}: holds results of another {' and '.join(differing)}; choose another folder with -o or"
                " replace them with --overwrite"
            )
    results.make_folder(folder)
    results.write_json(path, about)


def _run(
    index: int, *, trials: Sequence[Trial], systems: Mapping[str, System], config: Config, warm: set[str]
) -> tuple[int, RunResult]:
    """Run a trial, the first of its system in this process after a warm-up; whatever goes wrong is in the result."""
    k, case, name = trials[index]
    blank = RunResult(clip=case.name, system=name, repeat=k)
    try:
        with collected_warnings(show=False) as noticed:
            if name not in warm:
                warm.add(name)
                _warm_up(systems[name], case, config)
            source = case.open(config.sampling)
            peak_memory.forget_peak()
            run = systems[name](source, config)
            peak, peak_gpu = peak_memory.peak_bytes(), peak_memory.peak_gpu_bytes()
    except Exception as error:  # noqa: BLE001 (one clip must not lose the others)
        return index, replace(blank, error=one_line(error))
    measured = replace(_measured(blank, run), peak_bytes=peak, peak_gpu_bytes=peak_gpu)
    try:
        scores = score_run(case.truth(), run)
    except Exception as error:  # noqa: BLE001
        return index, replace(measured, error=one_line(error), notes=tuple(noticed))
    scored = replace(
        measured,
        error="; ".join(scores.problems),
        metrics=dict(scores.metrics),
        exhaustive=scores.exhaustive,
        notes=(*scores.notes, *noticed),
    )
    return index, scored


def _warm_up(system: System, case: Case, config: Config) -> None:
    try:
        system(case.open(replace(config.sampling, max_frames=WARM_UP_FRAMES)), config)
    except Exception as error:  # noqa: BLE001 (so short a clip may fail where the whole one does not)
        warnings.warn(f"the warm-up failed: {one_line(error)}", FastSnowWarning, stacklevel=2)


def _measured(blank: RunResult, run: SystemRun) -> RunResult:
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


def select_cases(manifest: manifests.EvaluationManifest, root: Path, names: Sequence[str] = ()) -> tuple[Case, ...]:
    """Return the clips that have frames, in the manifest's order; those of `names` alone where some are given.

    Raises:
        ConfigError: there is no clip of that name, or none that has frames.
    """
    known = [clip.name for clip in manifest.clips]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(known)}"
            raise ConfigError(f"--clips: no clip {name!r} in the manifest; {hint}")
    cases = tuple(
        Case(
            name=clip.name,
            open=partial(manifests.open_clip, clip, root),
            truth=partial(manifests.read_clip_truth, clip, root),
        )
        for clip in manifest.clips
        if clip.input is not None and (not names or clip.name in names)
    )
    if not cases:
        raise ConfigError("none of these clips has frames to run a system over; name others with --clips")
    return cases
