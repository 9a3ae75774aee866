"""Lines of text tables, and their numbers: lists of images, poses, tracks."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.errors import InputError
from fast_snow.limits import TABLE_FILE, TABLE_LINES
from fast_snow.untrusted_files import read_text, shown

_LINE: Final = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)")


def numbered_lines(path: Path, *, within: Path | None = None) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that are neither empty nor comments (`#`), each with its number from 1 on.

    Raises:
        InputError: the file cannot be read, or has too many lines.
    """
    for number, match in enumerate(_LINE.finditer(read_text(path, limit=TABLE_FILE, within=within)), start=1):
        if number > TABLE_LINES.largest and match[0]:
            raise InputError(f"{shown(path)}: more than {TABLE_LINES.largest} lines; expected fewer: split the file")
        line = match[1].strip()
        if line and not line.startswith("#"):
            yield number, line


def numbers(words: Sequence[str], count: int, where: str, *, expected: str) -> Float64[np.ndarray, " n"]:
    """Return the numbers of a line, `count` of them; the message says what else was expected, and what to do.

    Raises:
        InputError: they are others, or no numbers.
    """
    try:
        found = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{where}: {error}; expected {expected}") from None
    if len(found) != count:
        raise InputError(f"{where}: {len(found)} numbers; expected {expected}")
    return found
