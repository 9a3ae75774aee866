"""The runs that show the scenes of questions: found by name, or made once where the scene's video is there."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from fast_snow import output
from fast_snow.api import build_graph, load
from fast_snow.config import Config
from fast_snow.errors import FastSnowError, InputError
from fast_snow.evaluation.qa.question import Arm, Question
from fast_snow.protocols import Progress, silent
from fast_snow.reasoning.conversation import ImagePart
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images
from fast_snow.types import SceneGraph

MAKING: Final = "graphs"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneRun:
    """A run that is loaded.

    Attributes:
        graph: its graph.
        digest: SHA-256 of the graph's file.
        pictures: keyframes for the arms that are asked.
    """

    graph: SceneGraph
    digest: str
    pictures: Mapping[Arm, tuple[ImagePart, ...]]


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
    """Turn videos into runs.

    Args:
        videos: by scene.
        runs: where the run folders belong.
        config: all settings.
        progress: told how many graphs are done.

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


def open_scene(folder: Path, arms: Sequence[Arm], *, most_pictures: int) -> SceneRun:
    """Load a run.

    Raises:
        InputError: it is damaged.
    """
    graph = load(folder)
    kinds = {each.labelled for each in arms}
    images = {kind: keyframe_images(folder, graph, most=most_pictures, labelled=kind) for kind in kinds}
    return SceneRun(
        graph=graph,
        digest=hashlib.sha256((folder / output.GRAPH).read_bytes()).hexdigest(),
        pictures={arm: images[arm.labelled] for arm in arms},
    )
