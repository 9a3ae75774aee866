"""What a dataset is: how its files and recorded answers are read, what is right, and which figures it publishes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_snow.evaluation.qa.bootstrap import OfficialScore
from fast_snow.evaluation.qa.dataset_rows import DatasetFile
from fast_snow.evaluation.qa.question import Mark, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """An answer that someone recorded.

    Attributes:
        text: the words; None where there are none.
        verdict: whether the official judge called it right; None where none has judged.
    """

    text: str | None
    verdict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswers:
    """The answers of one model.

    Attributes:
        model: its name.
        answers: by the key of the question.
        unused: how many answers belong to no question.
    """

    model: str
    answers: Mapping[str, RecordedAnswer]
    unused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a dataset's files ask.

    Attributes:
        asked: the questions, in the order of the files.
        left_out: rows without a question or an answer, which the official code passes over too.
        hopeless: keys of questions whose true answer nobody can give, such as one that is no choice; they count.
    """

    asked: tuple[Question, ...]
    left_out: int = 0
    hopeless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset's format and its official rules.

    Attributes:
        name: as it is written on the command line.
        members: what every row of its question files has.
        read: reads its files.
        score: what is right, by the official rule; takes the answer as `answer_extraction.answer_in` finds it, or
            all that a recorded answer says.
        figures: the official table of some questions.
        answers: reads recorded answers to questions.
    """

    name: str
    members: frozenset[str]
    read: Callable[[Sequence[DatasetFile]], Questions]
    score: Callable[[Question, str], Mark]
    figures: Callable[[Sequence[Question]], tuple[OfficialScore, ...]]
    answers: Callable[[Sequence[Path], Sequence[Question]], tuple[RecordedAnswers, ...]]


def select_recorded(
    model: str, answers: Mapping[str, RecordedAnswer], questions: Sequence[Question]
) -> RecordedAnswers:
    """Return a model's answers to the questions; the others are counted."""
    known = {each.key for each in questions}
    selected = {key: each for key, each in answers.items() if key in known}
    return RecordedAnswers(model=model, answers=selected, unused=len(answers) - len(selected))
