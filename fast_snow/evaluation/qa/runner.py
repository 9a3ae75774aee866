"""Evaluation of answers: plans the questions, builds missing graphs, asks and grades every arm.

The run that shows a question's scene is found by name, or made once where the scene's video is there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from fast_snow import output
from fast_snow.api import build_graph
from fast_snow.config import Config
from fast_snow.errors import FastSnowError, InputError, OutputError
from fast_snow.evaluation.qa.beside_snow import SNOW_RUNS, save_snow_run
from fast_snow.evaluation.qa.grading import grade, grade_recorded
from fast_snow.evaluation.qa.inference import Response, ask_all
from fast_snow.evaluation.qa.question import Arm, Question
from fast_snow.evaluation.qa.question_files import QuestionFiles
from fast_snow.evaluation.qa.report import QaReport, tabulate_answers
from fast_snow.evaluation.qa.requests import Failure, RunFolders, make_requests
from fast_snow.evaluation.results import file_identity
from fast_snow.protocols import Progress, silent
from fast_snow.reasoning.conversation import VisionLanguageModel

OpenModel = Callable[[], AbstractContextManager[VisionLanguageModel]]

MAKING: Final = "graphs"
_NOT_TOLD: Final = frozenset({"base_url", "tools", "timeout_s", "max_retries"})
"""Settings that a report leaves out: addresses may hold secrets, and the others do not decide on answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done: the questions with run folders by scene, or with videos where there is no run.

    The same of SNOW, where its arm is asked; `without` counts the questions that have neither.
    """

    asked: tuple[Question, ...]
    runs: Mapping[str, Path]
    videos: Mapping[str, Path]
    snow_runs: Mapping[str, Path] = field(default_factory=dict)
    snow_videos: Mapping[str, Path] = field(default_factory=dict)
    without: int


def plan_questions(
    questions: Sequence[Question], runs: Path, videos: Path | None, limit: int, *, snow: bool = False
) -> Plan:
    """Find out what can be asked: of what has a run, or a video below `videos` from which it can be made.

    At most `limit` questions are asked, evenly spread over those that can be; 0 is all. With `snow` SNOW's runs, which
    are below the others in a folder of their own, are looked for too.

    Raises:
        InputError: nothing can be asked, or names of scenes do not fit the folders.
    """
    found_runs = find_runs(questions, runs)
    missing = [each for each in questions if each.scene not in found_runs]
    found_videos = {} if videos is None else find_videos(missing, videos)
    can = [each for each in questions if each.scene in found_runs or each.scene in found_videos]
    if not can:
        hint = "make one with fast-snow infer, or name the videos with --videos" if videos is None else f"nor {videos}"
        raise InputError(f"{runs}: no run of any scene, expected folders like {runs / questions[0].scene}; {hint}")
    asked = can if not 0 < limit < len(can) else [can[round(i)] for i in np.linspace(0, len(can) - 1, limit)]
    scenes = {each.scene for each in asked}
    snow_runs = find_runs(asked, runs / SNOW_RUNS) if snow else {}
    snow_missing = [each for each in asked if each.scene not in snow_runs] if snow else []
    return Plan(
        asked=tuple(asked),
        runs={scene: path for scene, path in found_runs.items() if scene in scenes},
        videos={scene: path for scene, path in found_videos.items() if scene in scenes},
        snow_runs=snow_runs,
        snow_videos={} if videos is None else find_videos(snow_missing, videos),
        without=len(questions) - len(can),
    )


def find_runs(questions: Sequence[Question], runs: Path) -> dict[str, Path]:
    """Return the run folder of each scene that has one.

    The run of `videos_real/davis/city-ride` is the folder of this name below `runs`, else `davis/city-ride`, else
    `city-ride`.

    Raises:
        InputError: one run would serve two scenes.
    """
    folders: dict[str, Path] = {}
    for scene in dict.fromkeys(each.scene for each in questions):
        folder = next((each for each in _below(runs, scene) if (each / output.GRAPH).is_file()), None)
        if folder is not None:
            folders[scene] = folder
    owners: dict[Path, str] = {}
    for scene, folder in folders.items():
        other = owners.setdefault(folder, scene)
        if other != scene:
            raise InputError(f"{folder}: would serve {other} and {scene}; name the folders {other} and {scene}")
    return folders


def _below(folder: Path, name: str) -> Iterator[Path]:
    """Yield where something could be: under its whole name, then without its leading folders, one after the other."""
    parts = PurePosixPath(name).parts
    yield from (folder.joinpath(*parts[first:]) for first in range(len(parts)))


def find_videos(questions: Sequence[Question], videos: Path) -> dict[str, Path]:
    """Return the video of each scene that has one below a folder; raises InputError where there is no such folder."""
    if not videos.is_dir():
        raise InputError(f"{videos}: no such folder; expected the one that the dataset's videos lie in")
    paths = {}
    for scene, video in {each.scene: each.video for each in questions if each.video is not None}.items():
        path = next((each for each in _below(videos, video) if each.exists()), None)
        if path is not None:
            paths[scene] = path
    return paths


def _save_run(video: Path, folder: Path, config: Config) -> None:
    build_graph(video, config=config).save(folder)


def make_runs(
    videos: Mapping[str, Path],
    runs: Path,
    config: Config,
    *,
    save: Callable[[Path, Path, Config], None] = _save_run,
    progress: Progress = silent,
) -> tuple[dict[str, Path], dict[str, str]]:
    """Turn the videos of scenes into runs below a folder; `save` makes one from a video.

    Tells why there is none for the others.

    Raises:
        OutputError: the folder cannot be written.
    """
    made, failed = {}, {}
    for index, (scene, video) in enumerate(videos.items()):
        progress(MAKING, index, len(videos))
        try:
            save(video, runs / scene, config)
        except OutputError:
            raise
        except FastSnowError as error:
            failed[scene] = f"no graph of {video}: {error}"
            continue
        made[scene] = runs / scene
    if videos:
        progress(MAKING, len(videos), len(videos))
    return made, failed


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

    Graphs that are made belong in `runs`, answers are kept in `folder`.

    Raises:
        UserError: the model cannot be opened, or a folder cannot be used.
    """
    with open_model() as model:  # first, so that a missing key is noticed before long work
        made, failed_scenes = make_runs(plan.videos, runs, config, progress=progress)
        snow_videos = {scene: video for scene, video in plan.snow_videos.items() if scene not in failed_scenes}
        of_snow, failed_snow = make_runs(snow_videos, runs / SNOW_RUNS, config, save=save_snow_run, progress=progress)
        run_folders = RunFolders(
            ours={**plan.runs, **made}, snow={**plan.snow_runs, **of_snow}, without_snow=failed_snow
        )
        answerable = [each for each in plan.asked if each.scene in run_folders.ours]
        total = len(answerable) * len(arms)
        wanted = make_requests(answerable, arms, run_folders, config.vlm)
        responses = ask_all(wanted, model, config.vlm, folder=folder, parallel=parallel, total=total, progress=progress)
    columns = [grade(given.dataset, arm, responses, len(plan.asked)) for arm in arms]
    counts = {
        "questions left out because no run shows their scene": plan.without,
        "requests not made after so many failures in a row": total - len(responses),
    }
    failures, notes = _failures(plan, arms, responses, failed_scenes), _notes(given, counts)
    about = _about_plan(given, plan, arms, config)
    return tabulate_answers(given.dataset, plan.asked, columns, failures=failures, about=about, notes=notes)


def _about_plan(given: QuestionFiles, plan: Plan, arms: Sequence[Arm], config: Config) -> dict[str, Any]:
    """Return what was asked of which model, for the report."""
    vlm = {name: value for name, value in asdict(config.vlm).items() if name not in _NOT_TOLD}
    return {**_about_files(given), "asked": len(plan.asked), "arms": {arm.name: arm.value for arm in arms}, "vlm": vlm}


def _failures(
    plan: Plan, arms: Sequence[Arm], responses: Sequence[Response], failed_scenes: Mapping[str, str]
) -> list[Failure]:
    """Return requests that failed, then questions of scenes that have no graph."""
    return [each for each in responses if isinstance(each, Failure)] + [
        Failure(question=each, arm=arm, why=failed_scenes[each.scene])
        for each in plan.asked
        for arm in arms
        if each.scene in failed_scenes
    ]


def score_recorded(given: QuestionFiles, paths: Sequence[Path]) -> QaReport:
    """Score answers that someone else recorded, by the dataset's official rule.

    Raises:
        InputError: a file cannot be read, or no answer belongs to any of the questions.
    """
    recorded = given.dataset.answers(paths, given.asked)
    columns = [grade_recorded(given.dataset, given.asked, each) for each in recorded if each.answers]
    about = {**_about_files(given), "answers": [file_identity(path) for path in paths]}
    return tabulate_answers(given.dataset, given.asked, columns, failures=(), about=about, notes=_notes(given, {}))


def _about_files(given: QuestionFiles) -> dict[str, Any]:
    return {
        "fast_snow": version("fast-snow"),
        "dataset": given.dataset.name,
        "files": [file_identity(path) for path in given.files],
        "questions": len(given.asked),
    }


def _notes(given: QuestionFiles, counts: Mapping[str, int]) -> tuple[str, ...]:
    example = f", such as {given.hopeless[0]}" if given.hopeless else ""
    of_files = {
        "rows left out for want of a question or an answer": given.left_out,
        f"questions whose true answer nobody can give, which count as wrong{example}": len(given.hopeless),
    }
    return tuple(f"{what}: {count}" for what, count in (of_files | dict(counts)).items() if count)
