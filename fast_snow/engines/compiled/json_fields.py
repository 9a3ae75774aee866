"""Fields of JSON that nobody vouches for: each is asked for by its kind, and refused by its name."""

import math
import re
from collections.abc import Sequence
from typing import Any

from fast_snow.errors import EngineError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_INTEGER = 2**62
_LONGEST_SHOWN = 40


class Fields:
    """A JSON object whose fields are read with their kind checked.

    Attributes:
        where: the file and the object within it, for messages.
    """

    __slots__ = ("_content", "where")

    def __init__(self, content: object, where: str) -> None:
        self.where = where
        if not isinstance(content, dict):
            raise EngineError(f"{where}: got {_shown(content)}, expected a JSON object")
        self._content: dict[str, Any] = content

    def names(self) -> tuple[str, ...]:
        """Return the names of all fields, each one line of text."""
        for name in self._content:
            if not name or not name.isprintable():
                raise EngineError(f"{self.where}: a field is called {_shown(name)}, expected one line of text")
        return tuple(self._content)

    def absent(self, name: str) -> bool:
        """Return whether a field is missing or null."""
        return self._content.get(name) is None

    def part(self, name: str) -> "Fields":
        """Return a field that is an object."""
        return Fields(self._get(name), f"{self.where}: {name}")

    def items(self, name: str) -> tuple["Fields", ...]:
        """Return a field that is a list of objects."""
        return tuple(Fields(each, f"{self.where}: {name}[{i}]") for i, each in enumerate(self._list(name)))

    def text(self, name: str) -> str:
        """Return a field that is one line of text."""
        value = self._get(name)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self._refusal(name, value, "one line of text")
        return value

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        """Return a field that is one of some words."""
        value = self._get(name)
        if value not in allowed:
            raise self._refusal(name, value, " or ".join(allowed))
        return str(value)

    def sha256(self, name: str) -> str:
        """Return a field that is a SHA-256 in hexadecimal."""
        value = self._get(name)
        if not isinstance(value, str) or not _SHA256.fullmatch(value):
            raise self._refusal(name, value, "64 hexadecimal digits")
        return value

    def file_name(self, name: str) -> str:
        """Return a field that names a file in the same folder, and cannot name any other."""
        value = self.text(name)
        if value in (".", "..") or "/" in value or "\\" in value or ":" in value:
            raise self._refusal(name, value, "a file name without a folder")
        return value

    def integer(self, name: str, *, low: int) -> int:
        """Return a field that is a whole number of at least `low`."""
        value = self._get(name)
        if not _is_size(value, low):
            raise self._refusal(name, value, f"a whole number of at least {low}")
        return int(value)

    def measure(self, name: str) -> float:
        """Return a field that is a finite number and not negative."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise self._refusal(name, value, "a finite number of at least 0")
        return float(value)

    def sizes(self, name: str, *, length: int | None = None) -> tuple[int, ...]:
        """Return a field that is a list of sizes, each at least 1."""
        return self._sizes(name, self._get(name), length)

    def rows(self, name: str, *, count: int) -> tuple[tuple[int, ...], ...]:
        """Return a field that is a list of `count` lists of sizes, all of one length."""
        rows = tuple(self._sizes(name, each, None) for each in self._list(name))
        if len(rows) != count or len({len(each) for each in rows}) != 1:
            raise self._refusal(name, self._get(name), f"{count} lists of sizes of one length")
        return rows

    def axes(self, name: str) -> tuple[int | str, ...]:
        """Return a field that is a list of sizes and of names of axes of free size."""
        axes = self._list(name)
        if not all(_is_size(each, 0) or (isinstance(each, str) and each.isprintable()) for each in axes):
            raise self._refusal(name, axes, "sizes, and names of axes of free size")
        return tuple(axes)

    def _get(self, name: str) -> Any:  # noqa: ANN401 (JSON)
        if name not in self._content:
            raise EngineError(f"{self.where}: {name} is missing")
        return self._content[name]

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list):
            raise self._refusal(name, value, "a list")
        return value

    def _sizes(self, name: str, value: object, length: int | None) -> tuple[int, ...]:
        fits = isinstance(value, list) and all(_is_size(each, 1) for each in value)
        if not fits or (length is not None and len(value) != length):  # type: ignore[arg-type]
            raise self._refusal(name, value, "sizes" if length is None else f"{length} sizes")
        return tuple(value)  # type: ignore[arg-type]

    def _refusal(self, name: str, value: object, wanted: str) -> EngineError:
        return EngineError(f"{self.where}: {name} is {_shown(value)}, expected {wanted}")


def _is_size(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= _LARGEST_INTEGER


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
