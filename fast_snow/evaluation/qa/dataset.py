"""Question datasets: rows of files that know their place for error messages, and official scoring rules."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.evaluation.qa.question import Mark, Question
from fast_snow.evaluation.readers.data_files import check_relative
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import short
from fast_snow.untrusted_files import read_text

_KINDS: Final[Mapping[type, str]] = {str: "text", dict: "an object", list: "a list", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """One JSON object of a file; `where` is the file and the line or position, for messages."""

    path: Path
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


def load_rows(path: Path) -> tuple[DatasetRow, ...]:
    """Read a list of objects, one that is a member `questions`, a single object, or `.jsonl`, an object per line.

    Raises:
        InputError: the file cannot be read, is none of these, or has no row, and one line names the place.
    """
    if path.suffix == ".jsonl":
        rows = tuple(_row(path, _parsed(line, where), where) for where, line in text_lines(path))
    else:
        content = untrusted_json.load(path, limit=DATASET_JSON_FILE)
        inner = content.get("questions", [content]) if isinstance(content, dict) else content
        if not isinstance(inner, list):
            raise InputError(f"{path}: is {short(inner)}, expected a list of objects")
        rows = tuple(_row(path, each, f"{path}, row {number}") for number, each in enumerate(inner, start=1))
    if not rows:
        raise InputError(f"{path}: has no rows, expected questions or answers")
    return rows


def _row(path: Path, value: object, where: str) -> DatasetRow:
    if not isinstance(value, dict):
        raise InputError(f"{where}: is {short(value)}, expected an object")
    return DatasetRow(path=path, where=where, values=value)


def _parsed(line: str, where: str) -> Any:  # noqa: ANN401 (JSON)
    try:
        return untrusted_json.loads(line)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text file that are not blank, each behind its place.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    for number, line in enumerate(read_text(path, limit=DATASET_JSON_FILE).split("\n"), start=1):
        if line.strip():
            yield f"{path}, line {number}", line


def unique_names(names: Iterable[str]) -> Iterator[str]:
    """Yield names with `#2`, `#3` … behind those that came before: every row counts, also where it repeats another."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """An answer that someone recorded, and whether the official judge called it right; None where none did."""

    text: str | None
    verdict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswers:
    """The answers of one model by the key of the question, and how many belong to no question."""

    model: str
    answers: Mapping[str, RecordedAnswer]
    unused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The mean over all questions of some categories, and how much it counts."""

    categories: frozenset[str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialScore:
    """A number of a dataset's official table: a weighted sum of means."""

    name: str
    terms: tuple[Term, ...]


def mean_over(name: str, *categories: str) -> OfficialScore:
    """Return the figure that is the mean over all questions of some categories."""
    return OfficialScore(name=name, terms=(Term(categories=frozenset(categories)),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset's format and its official rules.

    Attributes:
        name: as it is written on the command line.
        members: what every row of its question files has.
        key: what tells a row from others; those that share it are numbered.
        question: reads a row, whose key is given.
        complete: whether a row has a question and an answer; the official code passes over the others too.
        hopeless: whether nobody can give a question's true answer, such as one that is no choice; it counts.
        score: what is right, by the official rule; takes the answer as `answer_extraction.extract_answer` finds it, or
            all that a recorded answer says.
        figures: the official table of some questions.
        answers: reads recorded answers to questions.
    """

    name: str
    members: frozenset[str]
    key: Callable[[DatasetRow], str]
    question: Callable[[DatasetRow, str], Question]
    complete: Callable[[DatasetRow], bool] = lambda _: True
    hopeless: Callable[[Question], bool] = lambda _: False
    score: Callable[[Question, str], Mark]
    figures: Callable[[Sequence[Question]], tuple[OfficialScore, ...]]
    answers: Callable[[Sequence[Path], Sequence[Question]], tuple[RecordedAnswers, ...]]


def read_recorded(
    paths: Sequence[Path],
    questions: Sequence[Question],
    *,
    rows_of: Callable[[Path], Sequence[DatasetRow]] = load_rows,
    key: Callable[[DatasetRow], str],
    answers_of: Callable[[DatasetRow], Iterable[tuple[str, RecordedAnswer]]],
    model_per_file: bool = False,
) -> tuple[RecordedAnswers, ...]:
    """Return each model's answers to the questions; answers to others are counted.

    `answers_of` tells the answers in a row, each behind the name of its model. With `model_per_file` files of one
    model's name are of different models, else they share its answers.
    """
    by_model: dict[tuple[Path | None, str], dict[str, RecordedAnswer]] = {}
    for path in paths:
        rows = rows_of(path)
        for name, row in zip(unique_names(map(key, rows)), rows, strict=True):
            for model, answer in answers_of(row):
                by_model.setdefault((path if model_per_file else None, model), {})[name] = answer
    known = {each.key for each in questions}
    return tuple(
        RecordedAnswers(
            model=model,
            answers={name: answer for name, answer in answers.items() if name in known},
            unused=len(answers.keys() - known),
        )
        for (_, model), answers in by_model.items()
    )
