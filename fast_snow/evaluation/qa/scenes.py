"""The runs that show the scenes of questions: found by name, or made once where the scene's video is there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from fast_snow import output
from fast_snow.api import build_graph
from fast_snow.config import Config
from fast_snow.errors import FastSnowError, InputError
from fast_snow.evaluation.qa.question import Question
from fast_snow.protocols import Progress, silent

MAKING: Final = "graphs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        asked: the questions, in their order.
        runs: run folders by scene.
        videos: of scenes without a run.
        without: how many questions have neither.
    """

    asked: tuple[Question, ...]
    runs: Mapping[str, Path]
    videos: Mapping[str, Path]
    without: int


def plan_questions(questions: Sequence[Question], runs: Path, videos: Path | None, limit: int) -> Plan:
    """Find out what can be asked: of what has a run, or a video below `videos` from which it can be made.

    At most `limit` questions are asked, evenly spread over those that can be; 0 is all.

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
    return Plan(
        asked=tuple(asked),
        runs={scene: path for scene, path in found_runs.items() if scene in scenes},
        videos={scene: path for scene, path in found_videos.items() if scene in scenes},
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
    """Return the video of each scene that has one below a folder.

    Raises:
        InputError: there is no such folder.
    """
    if not videos.is_dir():
        raise InputError(f"{videos}: no such folder; expected the one that the dataset's videos lie in")
    paths = {}
    for scene, video in {each.scene: each.video for each in questions if each.video is not None}.items():
        path = next((each for each in _below(videos, video) if each.exists()), None)
        if path is not None:
            paths[scene] = path
    return paths


def make_runs(
    videos: Mapping[str, Path], runs: Path, config: Config, *, progress: Progress = silent
) -> tuple[dict[str, Path], dict[str, str]]:
    """Turn the videos of scenes into runs below a folder.

    Returns:
        The run folders by scene, and why there is none for the others.

    Raises:
        OutputError: the folder cannot be written.
    """
    made, failed = {}, {}
    for index, (scene, video) in enumerate(videos.items()):
        progress(MAKING, index, len(videos))
        try:
            result = build_graph(video, config=config)
        except FastSnowError as error:
            failed[scene] = f"no graph of {video}: {error}"
            continue
        made[scene] = runs / scene
        result.save(made[scene])
    if videos:
        progress(MAKING, len(videos), len(videos))
    return made, failed
