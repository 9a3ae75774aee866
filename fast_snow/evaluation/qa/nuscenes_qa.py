"""NuScenes-QA: questions about driving scenes whose answers are thirty words.

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
from fast_snow.evaluation.qa.dataset import Dataset, Questions, Recorded, Said, recorded
from fast_snow.evaluation.qa.figures import Figure, mean_over
from fast_snow.evaluation.qa.question import UNREADABLE, Form, Mark, Question
from fast_snow.evaluation.qa.rows import Row, Source, numbered, scene_of, text_lines
from fast_snow.output.graph_json.conformance import short

WORDS: Final = (
    *(str(number) for number in range(11)),
    *("no", "yes", "barrier", "bicycle", "bus", "car", "construction vehicle", "motorcycle", "moving", "not standing"),
    *("parked", "pedestrian", "standing", "stopped", "traffic cone", "trailer", "truck", "with rider", "without rider"),
)
_BETWEEN: Final = " " * 4
"""What stands between the fields of a line of results."""


def _read(sources: Sequence[Source]) -> Questions:
    found = [row for source in sources for row in source.rows]
    keys = numbered(_key(row.text("sample_token"), row.text("question")) for row in found)
    return Questions(asked=tuple(_question(row, key) for row, key in zip(found, keys, strict=True)))


def _key(sample: str, question: str) -> str:
    return f"{sample}: {question}"


def _question(row: Row, key: str) -> Question:
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


def _score(question: Question, said: str) -> Mark:
    word = " ".join(said.strip(" \t\r\n.,;:!?*_`\"'()[]").lower().split())
    if word not in WORDS:
        return UNREADABLE
    return Mark(score=float(word == question.truth), read_as=word)


def _figures(questions: Sequence[Question]) -> tuple[Figure, ...]:
    groups = sorted({each.category for each in questions})
    kinds = sorted({each.rpartition("_")[0] for each in groups})
    found = []
    for kind in kinds:
        hops = [each for each in groups if each.rpartition("_")[0] == kind]
        found += [mean_over(kind, *hops), *(mean_over(each, each) for each in hops)]
    return (*found, mean_over("overall", *groups))


def _answers(paths: Sequence[Path], questions: Sequence[Question]) -> tuple[Recorded, ...]:
    """Read the text that the official code writes: sample, question, answer and truth, four blanks between them."""
    found = []
    for path in paths:
        fields = [_fields(line, f"{path}, line {i}") for i, line in enumerate(text_lines(path), 1) if line.strip()]
        keys = numbered(_key(sample, question) for sample, question, _ in fields)
        said = {key: Said(text=answer) for key, (_, _, answer) in zip(keys, fields, strict=True)}
        found.append(recorded(path.stem, said, questions))
    return tuple(found)


def _fields(line: str, where: str) -> tuple[str, str, str]:
    fields = line.rstrip("\r\n").split(_BETWEEN)
    if len(fields) != 4:
        expected = "expected sample, question, answer and truth with four blanks between them"
        raise InputError(f"{where}: has {len(fields)} fields, {expected}")
    sample, question, answer, _ = fields
    return sample, question, answer


NUSCENES_QA: Final = Dataset(
    name="nuscenes-qa",
    members=frozenset({"sample_token", "template_type", "num_hop"}),
    read=_read,
    score=_score,
    figures=_figures,
    answers=_answers,
)
