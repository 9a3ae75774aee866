"""What a model is asked: one request per question and arm, and the name under which its answer is kept.

The name is a digest of all that decides on the answer: the prompt with its pictures, hence question, arm and graph; the
model and its settings; for the arm with tools, what they are and the graph they read. Whatever changes asks anew.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fast_snow.config import VlmConfig
from fast_snow.errors import FastSnowError
from fast_snow.evaluation.qa.question import Arm, Question, wording
from fast_snow.evaluation.qa.scenes import SceneRun, open_scene
from fast_snow.reasoning.conversation import ImagePart
from fast_snow.reasoning.prompt.compose import VlmPrompt, compose_prompt
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import SceneGraph

_VERSION: Final = 1
"""Of what a digest covers."""
_IDLE: Final = frozenset({"timeout_s", "max_retries", "prompt_budget", "max_keyframes", "tools"})
"""Settings that do not decide on an answer, or show in the prompt, or that the arm decides."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """A question to ask.

    Attributes:
        question: which.
        arm: what the model is shown.
        prompt: exactly what it is sent.
        graph: what the tools read.
        digest: the name of its answer.
    """

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


def requests(
    questions: Sequence[Question], arms: Sequence[Arm], runs: Mapping[str, Path], vlm: VlmConfig
) -> Iterator[Request | Failure]:
    """Yield a request per question and arm, in the order of the questions; a run is loaded once while it is needed.

    Args:
        questions: whose scenes all have a run.
        arms: in which every question is asked.
        runs: run folders by scene.
        vlm: the model's settings.
    """
    opened: tuple[str, SceneRun | FastSnowError] | None = None
    for question in questions:
        if opened is None or opened[0] != question.scene:
            opened = question.scene, _opened(runs[question.scene], arms, vlm)
        for arm in arms:
            yield _request(question, arm, opened[1], vlm)


def _opened(folder: Path, arms: Sequence[Arm], vlm: VlmConfig) -> SceneRun | FastSnowError:
    try:
        return open_scene(folder, arms, most_pictures=vlm.max_keyframes)
    except FastSnowError as error:
        return error


def _request(question: Question, arm: Arm, scene: SceneRun | FastSnowError, vlm: VlmConfig) -> Request | Failure:
    if isinstance(scene, FastSnowError):
        return Failure(question=question, arm=arm, why=str(scene))
    try:
        pictures = scene.pictures[arm]
        prompt = compose_prompt(scene.graph, wording(question), pictures, budget=vlm.prompt_budget, content=arm.content)
    except FastSnowError as error:
        return Failure(question=question, arm=arm, why=str(error))
    digest = _digest(arm, prompt, scene.digest, vlm)
    return Request(question=question, arm=arm, prompt=prompt, graph=scene.graph, digest=digest)


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
