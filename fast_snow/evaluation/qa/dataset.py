"""A dataset of questions: the rows of its files, which know their place for messages, and its official rules."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.evaluation.qa.bootstrap import OfficialScore
from fast_snow.evaluation.qa.question import Mark, Question
from fast_snow.evaluation.readers.data_files import check_relative
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import short
from fast_snow.untrusted_files import read_text

_KINDS: Final[Mapping[type, str]] = {str: "text", dict: "an object", list: "a list", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """One JSON object.

    Attributes:
        where: file and line or position, for messages.
        values: its members.
    """

    where: str
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a member that is text with words in it.

        Raises:
            InputError: there is none, or it is something else.
        """
        value = self.member(name, str)
        if not value.strip():
            raise InputError(f"{self.where}: {name} is empty, expected text")
        return value

    def member(self, name: str, kind: type) -> Any:  # noqa: ANN401 (JSON)
        """Return a member of one kind: `str`, `dict`, `list` or `bool`; raises as `text`."""
        if name not in self.values:
            raise InputError(f"{self.where}: has no {name!r}, expected {_KINDS[kind]}")
        value = self.values[name]
        if not isinstance(value, kind):
            raise InputError(f"{self.where}: {name} is {short(value)}, expected {_KINDS[kind]}")
        return value

    def scalar(self, name: str) -> str:
        """Return a member that is text, a number or a truth value, as text: 3 is "3" and true is "True"."""
        if name not in self.values:
            raise InputError(f"{self.where}: has no {name!r}, expected text or a number")
        return as_text(self.values[name], f"{self.where}: {name}")


def scene_of(path: str, where: str) -> str:
    """Return the path of a scene's file without its suffix, which names the scene.

    Raises:
        InputError: the path is none, or leads out of the folder that it is relative to.
    """
    try:
        check_relative(path)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return str(PurePosixPath(path).with_suffix(""))


def as_text(value: object, where: str) -> str:
    """Return a JSON value as Python writes it, which is how the official scores compare answers.

    Raises:
        InputError: it is nothing, a list or an object.
    """
    if isinstance(value, str | int | float):  # bool is an int
        return str(value)
    raise InputError(f"{where} is {short(value)}, expected text or a number")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFile:
    """A file of rows.

    Attributes:
        path: of the file.
        rows: in order.
    """

    path: Path
    rows: tuple[DatasetRow, ...]


def load_rows(path: Path) -> DatasetFile:
    """Read a list of objects, one that is a member `questions`, a single object, or `.jsonl`, an object per line.

    Raises:
        InputError: the file cannot be read, is none of these, or has no row, and one line names the place.
    """
    if path.suffix == ".jsonl":
        rows = tuple(_lines(path))
    else:
        content = untrusted_json.load(path, limit=DATASET_JSON_FILE)
        inner = content.get("questions", [content]) if isinstance(content, dict) else content
        if not isinstance(inner, list):
            raise InputError(f"{path}: is {short(inner)}, expected a list of objects")
        rows = tuple(_row(each, f"{path}, row {number}") for number, each in enumerate(inner, start=1))
    if not rows:
        raise InputError(f"{path}: has no rows, expected questions or answers")
    return DatasetFile(path=path, rows=rows)


def _lines(path: Path) -> Iterator[DatasetRow]:
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield _row(_parsed(line, where), where)


def _parsed(line: str, where: str) -> Any:  # noqa: ANN401 (JSON)
    try:
        return untrusted_json.loads(line)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def text_lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    return read_text(path, limit=DATASET_JSON_FILE).split("\n")


def _row(value: object, where: str) -> DatasetRow:
    if not isinstance(value, dict):
        raise InputError(f"{where}: is {short(value)}, expected an object")
    return DatasetRow(where=where, values=value)


def unique_names(names: Iterable[str]) -> Iterator[str]:
    """Yield names with `#2`, `#3` … behind those that came before: every row counts, also where it repeats another."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}"


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
