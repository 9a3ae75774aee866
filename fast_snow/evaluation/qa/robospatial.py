"""RoboSpatial-Home: yes/no questions and points in free space, on single images of rooms.

Its file is the `annotations.json` that the official download writes. An answer to yes or no is right where it begins
with the true word: "not sure" begins with "no". Of points the first in the answer counts, and is right inside the
polygon. Recorded answers belong to a row by question and image; rows without one leave the count.

Reference:
    C. H. Song et al., RoboSpatial, CVPR 2025; github chanhee-luke/RoboSpatial-Eval, evaluation.py (rules, matching),
    download_benchmark.py (format).
"""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fast_snow.evaluation.qa.dataset import (
    Dataset,
    DatasetRow,
    OfficialScore,
    RecordedAnswer,
    RecordedAnswers,
    load_rows,
    mean_over,
    scene_of,
)
from fast_snow.evaluation.qa.question import UNREADABLE, Form, Mark, Question
from fast_snow.typed_json import short

ImagePoint = tuple[float, float]

_LONGEST: Final = 10_000
"""Characters of a list of points that are parsed."""
_NUMBER: Final = r"\s*(\d+(?:\.\d*)?)\s*"
_PAIRS: Final = (re.compile(rf"\({_NUMBER},{_NUMBER}\)"), re.compile(rf"\[{_NUMBER},{_NUMBER}\]"))


def _key(row: DatasetRow) -> str:
    return f"{row.text('img')}: {row.text('question')}"


def _question(row: DatasetRow, key: str) -> Question:
    image, truth = row.text("img"), row.text("answer").strip()
    return Question(
        key=key,
        scene=scene_of(image, row.where),
        video=image,
        category=row.text("category"),
        text=row.text("question"),
        truth=truth,
        form=Form.YES_NO if truth.lower() in ("yes", "no") else Form.POINTS,
    )


def polygon(text: str) -> tuple[ImagePoint, ...]:
    """Return the points of a list as text; none where it is no list of pairs of numbers."""
    value = _literal(text)
    points = [_pair(each) for each in value] if isinstance(value, list) else []
    return tuple(each for each in points if each is not None) if None not in points else ()


def _literal(text: str) -> object:
    if len(text) > _LONGEST:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _pair(value: object) -> ImagePoint | None:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return None
    x, y = value
    try:
        return (float(x), float(y)) if isinstance(x, int | float) and isinstance(y, int | float) else None
    except OverflowError:  # integers of hundreds of digits
        return None


def first_point(text: str) -> ImagePoint | None:
    """Return the first point that an answer names: (x, y) before [x, y], then whatever the first list begins with."""
    for pattern in _PAIRS:
        match = pattern.search(text)
        if match:
            return float(match[1]), float(match[2])
    _, opened, behind = text.partition("[")
    inside, closed, _ = behind.partition("]")
    value = _literal(f"[{inside.strip()}]") if opened and closed else None
    if not isinstance(value, list) or not value:
        return None
    return _pair(value) or _pair(value[0])


def inside_polygon(point: ImagePoint, corners: Sequence[ImagePoint]) -> bool:
    """Return whether a ray from the point to the right crosses the outline an odd number of times."""
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(corners, (*corners[-1:], *corners[:-1]), strict=True):
        crossings += (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
    return crossings % 2 == 1


def _score(question: Question, reply: str) -> Mark:
    if question.form is Form.YES_NO:
        words = reply.strip().lower()
        right = words.startswith(question.truth.lower())
        return Mark(score=float(right), read_as=short(words)) if words else UNREADABLE
    point = first_point(reply)
    if point is None:
        return UNREADABLE
    corners = polygon(question.truth)
    right = len(corners) >= 3 and inside_polygon(point, corners)
    return Mark(score=float(right), read_as=f"({point[0]:g}, {point[1]:g})")


def _figures(questions: Sequence[Question]) -> tuple[OfficialScore, ...]:
    categories = list(dict.fromkeys(each.category for each in questions))
    return (*(mean_over(each, each) for each in categories), mean_over("overall", *categories))


def _answers(paths: Sequence[Path], questions: Sequence[Question]) -> tuple[RecordedAnswers, ...]:
    """Read rows like the dataset's own, whose `answer` is the model's; of equal question and image the last counts."""
    bases = {each.key: f"{each.video}: {each.text}" for each in questions}
    recorded = []
    for path in paths:
        by_base = {
            _key(row): RecordedAnswer(text=row.member("answer", str) or None)
            for row in load_rows(path)
            if row.values.get("question") and row.values.get("img")
        }
        answers = {key: by_base[base] for key, base in bases.items() if base in by_base}
        unused = len(by_base.keys() - set(bases.values()))
        recorded.append(RecordedAnswers(model=path.stem, answers=answers, unused=unused))
    return tuple(recorded)


ROBOSPATIAL: Final = Dataset(
    name="robospatial-home",
    members=frozenset({"img", "category", "question", "answer"}),
    key=_key,
    question=_question,
    complete=lambda row: bool(row.values.get("question") and row.values.get("answer")),
    hopeless=lambda each: each.form is Form.POINTS and len(polygon(each.truth)) < 3,
    score=_score,
    figures=_figures,
    answers=_answers,
)
