"""NuScenes-QA: questions about driving scenes, with a closed vocabulary of thirty answers.

Its file is `NuScenes_val_questions.json`; a scene is a nuScenes sample. An answer is right where it is the true one,
letter by letter: answers are numbers or text in the file and compared as text. Official models can only say words of
the vocabulary, so that an answer in free words is brought to it first: case, and marks around it, do not count.

Reference:
    T. Qian et al., NuScenes-QA, AAAI 2024; github qiantianwen/NuScenes-QA, src/execution/result_eval.py (figures,
    results file), src/datasets/answer_dict.json (vocabulary).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.dataset import (
    Dataset,
    DatasetRow,
    OfficialScore,
    RecordedAnswer,
    RecordedAnswers,
    mean_over,
    read_recorded,
    scene_of,
    text_lines,
)
from fast_snow.evaluation.qa.question import UNREADABLE, Form, Mark, Question
from fast_snow.typed_json import short

WORDS: Final = (
    *(str(number) for number in range(11)),
    *("no", "yes", "barrier", "bicycle", "bus", "car", "construction vehicle", "motorcycle", "moving", "not standing"),
    *("parked", "pedestrian", "standing", "stopped", "traffic cone", "trailer", "truck", "with rider", "without rider"),
)
_BETWEEN: Final = " " * 4
"""What stands between the fields of a line of results."""
_FIELDS: Final = ("sample_token", "question", "answer", "truth")


def _key(row: DatasetRow) -> str:
    return f"{row.text('sample_token')}: {row.text('question')}"


def _question(row: DatasetRow, key: str) -> Question:
    hops = row.scalar("num_hop")
    if not hops.isdecimal():
        raise InputError(f"{row.where}: num_hop is {short(row.values['num_hop'])}, expected a whole number")
    return Question(
        key=key,
        scene=scene_of(row.text("sample_token"), row.where),
        video=None,
        category=f"{row.text('template_type')}_{hops}",
        text=row.text("question"),
        truth=row.scalar("answer"),
        form=Form.WORD,
        words=WORDS,
    )


def _score(question: Question, reply: str) -> Mark:
    word = " ".join(reply.strip(" \t\r\n.,;:!?*_`\"'()[]").lower().split())
    if word not in WORDS:
        return UNREADABLE
    return Mark(score=float(word == question.truth), read_as=word)


def _figures(questions: Sequence[Question]) -> tuple[OfficialScore, ...]:
    groups = sorted({each.category for each in questions})
    kinds = sorted({each.rpartition("_")[0] for each in groups})
    scores = []
    for kind in kinds:
        hops = [each for each in groups if each.rpartition("_")[0] == kind]
        scores += [mean_over(kind, *hops), *(mean_over(each, each) for each in hops)]
    return (*scores, mean_over("overall", *groups))


def _answers(paths: Sequence[Path], questions: Sequence[Question]) -> tuple[RecordedAnswers, ...]:
    """Read the text that the official code writes, four blanks between its fields: a model per file."""
    return read_recorded(paths, questions, rows_of=_results, key=_key, answers_of=_answer, model_per_file=True)


def _results(path: Path) -> list[DatasetRow]:
    return [
        DatasetRow(path=path, where=where, values=dict(zip(_FIELDS, _split(line, where), strict=True)))
        for where, line in text_lines(path)
    ]


def _split(line: str, where: str) -> list[str]:
    fields = line.rstrip("\r\n").split(_BETWEEN)
    if len(fields) != len(_FIELDS):
        expected = "expected sample, question, answer and truth with four blanks between them"
        raise InputError(f"{where}: has {len(fields)} fields, {expected}")
    return fields


def _answer(row: DatasetRow) -> list[tuple[str, RecordedAnswer]]:
    return [(row.path.stem, RecordedAnswer(text=row.values["answer"]))]


NUSCENES_QA: Final = Dataset(
    name="nuscenes-qa",
    members=frozenset({"sample_token", "template_type", "num_hop"}),
    key=_key,
    question=_question,
    score=_score,
    figures=_figures,
    answers=_answers,
)
