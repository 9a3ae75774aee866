"""Files of data sets: paths below the data root, SHA-256 checksums, numbered files and text tables."""

import hashlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import TruthSource
from fast_snow.inputs.text_tables import numbered_lines
from fast_snow.limits import PATH_LENGTH
from fast_snow.untrusted_files import open_file, shown

_NUMBER: Final = re.compile(r"(\d{1,15})$")
_LARGEST_INTEGER: Final = 2**53
"""Larger whole numbers are not exact where they are written like 1.0."""


def check_relative(path: str) -> None:
    """Refuse a path that could lead out of the folder it is relative to.

    Raises:
        InputError: it is absolute, has `..`, or is written for one system alone.
    """
    pure = PurePosixPath(path)
    odd = (
        not path.isprintable() or len(path) > PATH_LENGTH.largest or "\\" in path or bool(PureWindowsPath(path).anchor)
    )
    if odd or not pure.parts or pure.is_absolute() or ".." in pure.parts:
        raise InputError(f"got the path {path[:80]!r}, expected one below the data root with / between its parts")


def locate_data(root: Path, path: str) -> Path:
    """Return where a manifest's path is below the data root; nothing at it or below it leads out of the root.

    Raises:
        InputError: there is nothing, or a link leads elsewhere.
    """
    check_relative(path)
    located = root / path
    try:
        if not located.exists():
            raise InputError(
                f"{located}: no such file or folder; expected it below the data root: download it or set --root"
            )
        bounds = root.resolve()
        for each in (located, *files_below(located)):
            if not each.resolve().is_relative_to(bounds):
                raise InputError(f"{each}: a link that leads out of the data root; replace it by what it points to")
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise InputError(f"{located}: cannot be read ({getattr(error, 'strerror', error)})") from None
    return located


def files_below(folder: Path) -> Iterator[Path]:
    """Yield what is not a folder below a folder, by name; links to folders are not followed."""
    remaining = [folder] if folder.is_dir() else []
    while remaining:
        each = remaining.pop()
        if each is folder or (each.is_dir() and not each.is_symlink()):
            remaining += sorted(each.iterdir(), key=lambda path: os.fsencode(path.name), reverse=True)
        else:
            yield each


def data_sha256(path: Path) -> str:
    r"""Return the SHA-256 of a file or folder in hexadecimal.

    That of a folder is of the lines `DIGEST  NAME` of all files below it, sorted by the bytes of their names, which
    are relative to it. A shell says the same by
    `(cd FOLDER && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)`.

    Raises:
        InputError: a file cannot be read, or a link stands for a folder.
    """
    if not path.is_dir():
        return _digest(path)
    files = sorted(files_below(path), key=lambda each: each.relative_to(path).as_posix().encode())
    lines = "".join(f"{_digest(each)}  {each.relative_to(path).as_posix()}\n" for each in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore it or its permissions") from error


def numbered_files(folder: Path, ending: str, source: TruthSource) -> dict[int, Path]:
    """Return the files of a folder by their index in the input, ascending; hidden ones are left out.

    Their names end in a number and `ending`, such as `.png`; the first is number 0 unless the source says otherwise.

    Raises:
        InputError: there are none, two of one number, or one without a number.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{shown(folder)}: no folder that can be read ({error.strerror}), expected one of files that end in a"
            f" number and {ending}"
        ) from None
    files: dict[int, Path] = {}
    for path in paths:
        if path.name.startswith(".") or not path.name.endswith(ending):
            continue
        number = _NUMBER.search(path.name.removesuffix(ending))
        if number is None:
            raise InputError(f"{shown(path)}: no frame number before {ending}, expected a name like 000000{ending}")
        index = source.index(int(number[1]))
        if index is None:
            continue
        if index in files:
            raise InputError(
                f"{shown(path)}: the same frame number as {shown(Path(files[index].name))}, expected each once"
            )
        files[index] = path
    if not files:
        raise InputError(f"{shown(folder)}: no file of the clip's frames, expected names like 000000{ending}")
    return dict(sorted(files.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """The words of a line that is not empty and no comment, and its place for messages."""

    where: str
    words: tuple[str, ...]

    def number(self, column: int, what: str) -> float:
        """Return a finite number; raises InputError where the word is none."""
        word = self.words[column]
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{self.where}: {what} is {word[:40]!r}, expected a finite number")
        return value

    def numbers_or_nan(self, first: int, last: int, what: str) -> tuple[float, ...]:
        """Return the numbers in columns `first` to `last - 1`, NaN and infinity included; raises as `number`."""
        try:
            return tuple(float(word) for word in self.words[first:last])
        except ValueError as error:
            raise InputError(f"{self.where}: {what}: {error}") from None

    def numbers(self, first: int, last: int, what: str) -> tuple[float, ...]:
        """Return the finite numbers in columns `first` to `last - 1`; raises as `number`."""
        return tuple(self.number(column, what) for column in range(first, last))

    def integer(self, column: int, what: str) -> int:
        """Return a whole number, be it written like 1 or 1.0; raises as `number`."""
        value = self.number(column, what)
        if not value.is_integer() or abs(value) > _LARGEST_INTEGER:
            raise InputError(f"{self.where}: {what} is {self.words[column][:40]!r}, expected a whole number")
        return int(value)


def read_rows(
    path: Path, *, columns: int, separator: str | None = None, within: Path | None = None
) -> Iterator[TextRow]:
    """Yield the rows of a table: lines without `#` in front, of at least so many words between separators or blanks.

    The file, links followed, must not lie outside of `within`.

    Raises:
        InputError: the file cannot be read, or a row is too short.
    """
    file = shown(path)
    for number, line in numbered_lines(path, within=within):
        words = tuple(word.strip() for word in line.split(separator))
        where = f"{file} line {number}"
        if len(words) < columns:
            raise InputError(f"{where}: got {len(words)} words, expected at least {columns}")
        yield TextRow(where=where, words=words)
