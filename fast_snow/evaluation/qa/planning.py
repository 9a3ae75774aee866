"""Which questions are asked, which scenes need a graph first, and what asking would cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.answer_cache import cached_answer
from fast_snow.evaluation.qa.question import Arm, Question
from fast_snow.evaluation.qa.requests import Failure, Request
from fast_snow.evaluation.qa.scenes import find_runs, find_videos


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an arm would cost.

    Attributes:
        arm: which.
        kept: how many questions are answered already.
        to_ask: how many are not.
        prompt_tokens: of the prompts of those, by our count.
        failing: how many cannot be asked.
    """

    arm: Arm
    kept: int
    to_ask: int
    prompt_tokens: int
    failing: int


def plan_questions(questions: Sequence[Question], runs: Path, videos: Path | None, limit: int) -> Plan:
    """Find out what can be asked.

    Args:
        questions: of a dataset.
        runs: folder of the runs.
        videos: folder of the videos from which missing runs can be made.
        limit: at most so many questions, evenly spread over those that can be asked; 0 is all.

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


def estimate_costs(requests: Iterable[Request | Failure], arms: Sequence[Arm], folder: Path) -> tuple[Cost, ...]:
    """Return what each arm would cost; answers that are kept cost nothing."""
    tokens: dict[Arm, list[int]] = {arm: [] for arm in arms}
    already, failing = dict.fromkeys(arms, 0), dict.fromkeys(arms, 0)
    for each in requests:
        if isinstance(each, Failure):
            failing[each.arm] += 1
        elif cached_answer(folder, each.digest) is not None:
            already[each.arm] += 1
        else:
            tokens[each.arm].append(each.prompt.total_tokens)
    return tuple(
        Cost(
            arm=arm,
            kept=already[arm],
            to_ask=len(tokens[arm]),
            prompt_tokens=sum(tokens[arm]),
            failing=failing[arm],
        )
        for arm in arms
    )
