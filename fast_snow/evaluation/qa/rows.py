"""Rows of a dataset's file, JSON or one JSON object per line; each knows its place, for messages."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.evaluation.readers.paths import check_relative
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.output.graph_json.conformance import short
from fast_snow.untrusted_files import read_text

_KINDS: Final[Mapping[type, str]] = {str: "text", dict: "an object", list: "a list", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
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
class Source:
    """A file of rows.

    Attributes:
        path: of the file.
        rows: in order.
    """

    path: Path
    rows: tuple[Row, ...]


def load(path: Path) -> Source:
    """Read a list of objects, one that is a member `questions`, a single object, or `.jsonl`, an object per line.

    Raises:
        InputError: the file cannot be read, is none of these, or has no row, and one line names the place.
    """
    if path.suffix == ".jsonl":
        found = tuple(_lines(path))
    else:
        content = untrusted_json.load(path, limit=DATASET_JSON_FILE)
        inner = content.get("questions", [content]) if isinstance(content, dict) else content
        if not isinstance(inner, list):
            raise InputError(f"{path}: is {short(inner)}, expected a list of objects")
        found = tuple(_row(each, f"{path}, row {number}") for number, each in enumerate(inner, start=1))
    if not found:
        raise InputError(f"{path}: has no rows, expected questions or answers")
    return Source(path=path, rows=found)


def _lines(path: Path) -> Iterator[Row]:
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


def _row(value: object, where: str) -> Row:
    if not isinstance(value, dict):
        raise InputError(f"{where}: is {short(value)}, expected an object")
    return Row(where=where, values=value)


def numbered(names: Iterable[str]) -> Iterator[str]:
    """Yield names with `#2`, `#3` … behind those that came before: every row counts, also where it repeats another."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}"
