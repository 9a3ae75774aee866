"""Requests to a model, one per question and arm, and the digest under which an answer is cached.

The name is a digest of all that decides on the answer: the prompt with its pictures, hence question, arm and graph; the
model and its settings; for the arm with tools, what they are and the graph they read. Whatever changes asks anew.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from fast_snow import output
from fast_snow.api import load
from fast_snow.config import VlmConfig
from fast_snow.errors import FastSnowError, InputError
from fast_snow.evaluation.qa.question import Arm, Question, wording
from fast_snow.reasoning.conversation import ImagePart
from fast_snow.reasoning.prompt.compose import VlmPrompt, compose_prompt
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import SceneGraph

_VERSION: Final = 1
"""Of what a digest covers."""
_IDLE: Final = frozenset({"timeout_s", "max_retries", "prompt_budget", "max_keyframes", "tools"})
"""Settings that do not decide on an answer, or show in the prompt, or that the arm decides."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """A question to ask: exactly what is sent, the graph that the tools read, and the name of its answer."""

    question: Question
    arm: Arm
    prompt: VlmPrompt
    graph: SceneGraph
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A question that has no answer, and why in one line."""

    question: Question
    arm: Arm
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolders:
    """Where the graphs are, by scene: ours, SNOW's, and why scenes have none of SNOW's."""

    ours: Mapping[str, Path]
    snow: Mapping[str, Path] = field(default_factory=dict)
    without_snow: Mapping[str, str] = field(default_factory=dict)

    def of(self, scene: str, arm: Arm) -> Path:
        """Return the run that an arm shows of a scene; raises InputError where there is none."""
        if arm is not Arm.S:
            return self.ours[scene]
        if scene not in self.snow:
            hint = "expected one below the runs in snow/, or name the videos with --videos"
            raise InputError(self.without_snow.get(scene, f"{scene}: no run of SNOW, {hint}"))
        return self.snow[scene]


def make_requests(
    questions: Sequence[Question], arms: Sequence[Arm], runs: RunFolders, vlm: VlmConfig
) -> Iterator[Request | Failure]:
    """Yield a request per question and arm, in the order of the questions, whose scenes all have a run.

    A run is loaded once while it is needed.
    """
    for scene, of_scene in groupby(questions, key=lambda each: each.scene):
        opened: dict[Arm, _SceneRun | FastSnowError] = {}
        for alike in ([arm for arm in arms if arm is not Arm.S], [arm for arm in arms if arm is Arm.S]):
            if alike:
                opened |= dict.fromkeys(alike, _opened(runs, scene, alike, vlm))
        for question in of_scene:
            yield from (_request(question, arm, opened[arm], vlm) for arm in arms)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _SceneRun:
    """A run that is loaded, the SHA-256 of its graph's file, and its keyframes with objects' numbers or without."""

    graph: SceneGraph
    digest: str
    pictures: Mapping[bool, tuple[ImagePart, ...]]


def _opened(runs: RunFolders, scene: str, arms: Sequence[Arm], vlm: VlmConfig) -> _SceneRun | FastSnowError:
    """Open the run that some arms show of a scene."""
    try:
        return _open_run(runs.of(scene, arms[0]), arms, vlm.max_keyframes)
    except FastSnowError as error:
        return error


def _open_run(folder: Path, arms: Sequence[Arm], most_pictures: int) -> _SceneRun:
    graph = load(folder)
    kinds = {each.labelled for each in arms}
    return _SceneRun(
        graph=graph,
        digest=hashlib.sha256((folder / output.GRAPH).read_bytes()).hexdigest(),
        pictures={kind: keyframe_images(folder, graph, most=most_pictures, labelled=kind) for kind in kinds},
    )


def _request(question: Question, arm: Arm, run: _SceneRun | FastSnowError, vlm: VlmConfig) -> Request | Failure:
    if isinstance(run, FastSnowError):
        return Failure(question=question, arm=arm, why=str(run))
    pictures = run.pictures[arm.labelled]
    try:
        prompt = compose_prompt(run.graph, wording(question), pictures, budget=vlm.prompt_budget, content=arm.content)
    except FastSnowError as error:
        return Failure(question=question, arm=arm, why=str(error))
    digest = _digest(arm, prompt, run.digest, vlm)
    return Request(question=question, arm=arm, prompt=prompt, graph=run.graph, digest=digest)


def _digest(arm: Arm, prompt: VlmPrompt, graph: str, vlm: VlmConfig) -> str:
    settings: dict[str, Any] = {name: value for name, value in asdict(vlm).items() if name not in _IDLE}
    if not arm.tools:
        del settings["max_rounds"]
    parts = [
        hashlib.sha256(each.jpeg).hexdigest() if isinstance(each, ImagePart) else each.text
        for each in prompt.turn.parts
    ]
    covered = {
        "version": _VERSION,
        "arm": arm.name,
        "settings": settings,
        "instructions": prompt.instructions,
        "parts": parts,
        "graph": graph,
        "tools": _tools() if arm.tools else "",
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


@cache
def _tools() -> str:
    declared = [asdict(each) for each in catalogue.declarations()]
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()
