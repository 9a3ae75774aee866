"""VSI-Bench: multiple-choice and numerical questions about indoor scenes.

Its file is `test.jsonl`; videos are `DATASET/SCENE.mp4`. The first word of an answer counts. A choice is right where it
is the true letter; a number's score is the share of ten thresholds, 0.5 to 0.95, that its relative accuracy reaches.
The overall figure is the mean over question types, of which the three grades of direction are one.

Reference:
    J. Yang et al., Thinking in Space, CVPR 2025, section 3.3; github vision-x-nyu/thinking-in-space,
    lmms_eval/tasks/vsibench/utils.py.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.dataset import (
    Dataset,
    DatasetRow,
    OfficialScore,
    RecordedAnswer,
    RecordedAnswers,
    Term,
    as_text,
    load_rows,
    mean_over,
    read_recorded,
    scene_of,
)
from fast_snow.evaluation.qa.question import UNREADABLE, Form, Mark, Question
from fast_snow.typed_json import short

_DIRECTION: Final = tuple(f"object_rel_direction_{grade}" for grade in ("easy", "medium", "hard"))
_BY_CHOICE: Final = (*_DIRECTION, "object_rel_distance", "route_planning", "obj_appearance_order")
_BY_NUMBER: Final = ("object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation")
_THRESHOLDS: Final = np.linspace(0.5, 0.95, 10)


def _key(row: DatasetRow) -> str:
    return row.scalar("id")


def _question(row: DatasetRow, key: str) -> Question:
    category = row.text("question_type")
    if category not in (*_BY_CHOICE, *_BY_NUMBER):
        known = ", ".join((*_BY_CHOICE, *_BY_NUMBER))
        raise InputError(f"{row.where}: question_type is {short(category)}, expected one of {known}")
    video = f"{row.text('dataset')}/{row.text('scene_name')}.mp4"
    by_choice = category in _BY_CHOICE
    choices = _choices(row) if by_choice else {}
    return Question(
        key=key,
        scene=scene_of(video, row.where),
        video=video,
        category=category,
        text=row.text("question"),
        truth=_letter(row, choices) if by_choice else _number(row),
        form=Form.CHOICE if by_choice else Form.NUMBER,
        choices=choices,
    )


def _choices(row: DatasetRow) -> dict[str, str]:
    options = [as_text(each, f"{row.where}: an option") for each in row.member("options", list)]
    parts = [re.fullmatch(r"([A-Z])\.\s*(.*)", each, re.DOTALL) for each in options]
    letters = [each[1] for each in parts if each]
    if len(letters) < 2 or len(set(letters)) < len(options):
        raise InputError(f"{row.where}: options are {short(options)}, expected two or more like 'A. left', 'B. right'")
    return {each[1]: each[2] for each in parts if each}


def _letter(row: DatasetRow, choices: Mapping[str, str]) -> str:
    truth = row.scalar("ground_truth")
    if truth.upper() not in choices:
        raise InputError(f"{row.where}: ground_truth is {short(truth)}, expected the letter of an option")
    return truth


def _number(row: DatasetRow) -> str:
    truth = row.scalar("ground_truth")
    value = _as_float(truth)
    if value is None or not math.isfinite(value) or value <= 0:  # accuracy is relative to it
        raise InputError(f"{row.where}: ground_truth is {short(truth)}, expected a number above 0")
    return truth


def _score(question: Question, reply: str) -> Mark:
    word = reply.split(" ")[0].rstrip(".").strip()
    if question.form is Form.CHOICE:
        known = word.upper() in question.choices
        right = word.lower() == question.truth.lower()
        return Mark(score=float(right), read_as=word if known else None)
    number = _as_float(word)
    if number is None:
        return UNREADABLE
    truth = float(question.truth)
    return Mark(score=float((abs(number - truth) / truth <= 1 - _THRESHOLDS).mean()), read_as=word)


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _figures(questions: Sequence[Question]) -> tuple[OfficialScore, ...]:
    present = {each.category for each in questions}
    grades = [each for each in _DIRECTION if each in present]
    each_grade = tuple(Term(categories=frozenset({each}), weight=1 / len(grades)) for each in grades)
    types = [OfficialScore(name="object_rel_direction", terms=each_grade)] if grades else []
    types += [mean_over(each, each) for each in (*_BY_CHOICE[3:], *_BY_NUMBER) if each in present]
    shares = tuple(
        Term(categories=term.categories, weight=term.weight / len(types)) for each in types for term in each.terms
    )
    return (*(mean_over(each, each) for each in grades), *types, OfficialScore(name="overall", terms=shares))


def _answers(paths: Sequence[Path], questions: Sequence[Question]) -> tuple[RecordedAnswers, ...]:
    """Read the samples that lmms-eval logs (`vsibench_score`), or rows with `id` and `prediction`: a model per file."""
    return read_recorded(paths, questions, rows_of=_samples, key=_key, answers_of=_prediction, model_per_file=True)


def _samples(path: Path) -> list[DatasetRow]:
    inner = [(row, row.values.get("vsibench_score", row.values)) for row in load_rows(path)]
    return [replace(row, values=values if isinstance(values, dict) else {}) for row, values in inner]


def _prediction(row: DatasetRow) -> list[tuple[str, RecordedAnswer]]:
    return [(row.path.stem, RecordedAnswer(text=row.scalar("prediction")))]


VSI_BENCH: Final = Dataset(
    name="vsi-bench",
    members=frozenset({"scene_name", "question_type", "ground_truth"}),
    key=_key,
    question=_question,
    score=_score,
    figures=_figures,
    answers=_answers,
)
