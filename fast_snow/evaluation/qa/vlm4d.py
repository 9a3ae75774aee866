"""VLM4D: multiple-choice questions about object and camera motion in real and synthetic videos.

Its files are `real_mc.json` and `synthetic_mc.json`, whose ids repeat each other; choices may be numbers. The official
code has a language model judge each answer and counts its verdicts. Where a file of answers has such verdicts, they
count here too; else the choice is read from the words by rule (`answer_extraction`), and its text is compared.

Reference:
    S. Zhou et al., VLM4D, ICCV 2025; github ShijieZhou-UCLA/VLM4D, README.md (format), acc_final_statistics.py (groups
    and figures); github yale-nlp/MMVU, utils/eval_utils.py (the judge, which VLM4D took over).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.answer_extraction import extract_choice
from fast_snow.evaluation.qa.dataset import (
    Dataset,
    DatasetRow,
    RecordedAnswer,
    RecordedAnswers,
    as_text,
    mean_over,
    read_recorded,
    scene_of,
)
from fast_snow.evaluation.qa.question import UNREADABLE, Form, Mark, Question
from fast_snow.typed_json import short

_LAST_EXO: Final = 922
"""Real questions up to this number are exocentric, later ones egocentric."""
_SPLIT: Final = re.compile(r"(?<![a-z])(real|synthetic)(?![a-z])")
_PUBLISHED: Final = re.compile(r"videos_(real|synthetic)/.+")
_FIGURES: Final = (
    mean_over("real ego-centric", "ego"),
    mean_over("real exo-centric", "exo"),
    mean_over("real overall", "ego", "exo"),
    mean_over("synthetic directional", "directional"),
    mean_over("synthetic false positive", "false_positive"),
    mean_over("synthetic overall", "directional", "false_positive"),
    mean_over("overall", "ego", "exo", "directional", "false_positive"),
)


def _key(row: DatasetRow) -> str:
    name = row.scalar("id")
    return name if "/" in name else f"{_split(row)}/{name}"


def _split(row: DatasetRow) -> str:
    """Return `real` or `synthetic`, as the row, its video's address, or the names of file and folder tell."""
    video, path = row.values.get("video"), row.path
    published = _PUBLISHED.search(video) if isinstance(video, str) else None
    hints = (row.values.get("split"), published and published[1], path.name, path.absolute().parent.name)
    matches = (_SPLIT.search(each) for each in hints if isinstance(each, str))
    first = next((each for each in matches if each), None)
    if first is None:
        raise InputError(
            f"{row.where}: neither the video nor {path.name} tells real from synthetic, expected a file like"
            " real_mc.json or synthetic_mc.json"
        )
    return first[1]


def _question(row: DatasetRow, key: str) -> Question:
    choices = _choices(row)
    truth = _truth(row.scalar("answer"), choices)
    scene, video = _media(row)
    return Question(
        key=key,
        scene=scene,
        video=video,
        category=_category(row, truth),
        text=row.text("question"),
        truth=truth,
        form=Form.CHOICE,
        choices=choices,
    )


def _choices(row: DatasetRow) -> dict[str, str]:
    members: Mapping[str, Any] = row.member("choices", dict)
    if len(members) < 2 or not all(re.fullmatch("[A-Z]", letter) for letter in members):
        raise InputError(f"{row.where}: choices are {short(', '.join(members))}, expected two or more, A, B, C …")
    return {letter: as_text(value, f"{row.where}: choice {letter}") for letter, value in members.items()}


def _truth(answer: str, choices: Mapping[str, str]) -> str:
    """Return the answer's text; where it is no choice's text but a letter, that of the choice with this letter."""
    if any(_same(text, answer) for text in choices.values()):
        return answer
    return choices.get(answer.strip(), answer)


def _same(text: str, other: str) -> bool:
    return text.strip().casefold() == other.strip().casefold()


def _category(row: DatasetRow, truth: str) -> str:
    if _split(row) == "synthetic":
        denied = truth.strip().lower()
        return "false_positive" if denied == "no" or denied.startswith("no ") else "directional"
    number = row.scalar("id").split("_")[-1]
    if not number.isdecimal():
        raise InputError(f"{row.where}: id is {short(row.values['id'])}, expected one that ends like validation_160")
    return "exo" if int(number) <= _LAST_EXO else "ego"


def _media(row: DatasetRow) -> tuple[str, str]:
    """Return scene and video: below `videos_real` or `videos_synthetic` of an address, else of the row's own clip."""
    address = unquote(row.text("video").partition("?")[0])
    published = _PUBLISHED.search(address)
    video = published[0] if published else address.rpartition("/")[2]
    if published or "source" not in row.values:
        return scene_of(video, row.where), video
    video = f"{row.text('source')}/{video}"
    clip = row.text("clip") if row.values.get("clip") else video
    scene_of(clip, row.where)  # refuses a path that leads elsewhere
    return scene_of(video, row.where), clip


def _score(question: Question, reply: str) -> Mark:
    letter = extract_choice(reply, question.choices)
    if letter is None:
        return UNREADABLE
    return Mark(score=float(_same(question.choices[letter], question.truth)), read_as=letter)


def _answers(paths: Sequence[Path], questions: Sequence[Question]) -> tuple[RecordedAnswers, ...]:
    """Read model outputs (`response`), judged outputs (`correct`), or questions that list `models` with letters."""
    return read_recorded(paths, questions, key=_key, answers_of=_model_answers)


def _model_answers(row: DatasetRow) -> Iterator[tuple[str, RecordedAnswer]]:
    if "models" in row.values:
        for name, values in row.member("models", dict).items():
            inner = replace(row, where=f"{row.where}: {name}", values=values if isinstance(values, dict) else {})
            yield name, RecordedAnswer(text=_maybe_text(inner, "letter"), verdict=inner.member("correct", bool))
        return
    verdict = row.member("correct", bool) if "correct" in row.values else None
    yield row.path.stem, RecordedAnswer(text=_maybe_text(row, "response"), verdict=verdict)


def _maybe_text(row: DatasetRow, name: str) -> str | None:
    return None if row.values.get(name, "") is None else row.member(name, str)


VLM4D: Final = Dataset(
    name="vlm4d",
    members=frozenset({"id", "video", "choices", "answer"}),
    key=_key,
    question=_question,
    hopeless=lambda each: not any(_same(text, each.truth) for text in each.choices.values()),
    score=_score,
    figures=lambda _: _FIGURES,
    answers=_answers,
)
