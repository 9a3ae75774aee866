"""Tables of text: one row per line, words with blanks or commas between them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.inputs.text_tables import numbered_lines
from fast_snow.untrusted_files import shown

_LARGEST_INTEGER: Final = 2**53
"""Larger whole numbers are not exact where they are written like 1.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A line that is not empty and no comment.

    Attributes:
        where: file and line, for messages.
        words: what stands between the separators.
    """

    where: str
    words: tuple[str, ...]

    def number(self, column: int, what: str) -> float:
        """Return a finite number.

        Raises:
            InputError: the word is none.
        """
        word = self.words[column]
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{self.where}: {what} is {word[:40]!r}, expected a finite number")
        return value

    def numbers_or_nan(self, first: int, last: int, what: str) -> tuple[float, ...]:
        """Return the numbers in columns `first` to `last - 1`, NaN and infinity included.

        Raises:
            InputError: a word is no number.
        """
        try:
            return tuple(float(word) for word in self.words[first:last])
        except ValueError as error:
            raise InputError(f"{self.where}: {what}: {error}") from None

    def numbers(self, first: int, last: int, what: str) -> tuple[float, ...]:
        """Return the finite numbers in columns `first` to `last - 1`; raises as `number`."""
        return tuple(self.number(column, what) for column in range(first, last))

    def integer(self, column: int, what: str) -> int:
        """Return a whole number, be it written like 1 or 1.0.

        Raises:
            InputError: the word is none.
        """
        value = self.number(column, what)
        if not value.is_integer() or abs(value) > _LARGEST_INTEGER:
            raise InputError(f"{self.where}: {what} is {self.words[column][:40]!r}, expected a whole number")
        return int(value)


def read_rows(
    path: Path, *, columns: int, separator: str | None = None, within: Path | None = None
) -> Iterator[TextRow]:
    """Yield the rows of a table.

    Args:
        path: a text file; lines that begin with `#` are comments.
        columns: how many words a row has at least.
        separator: between words; None is any blanks.
        within: the folder that the file, links followed, must not lie outside of.

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
