"""An untrusted JSON object whose text comes in pieces: of its one long array, a few entries are in memory at a time."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from fast_snow.errors import InputError
from fast_snow.untrusted_json import SURROGATE, Decoder, decoder, distinct, refuse_deep, refuse_surrogates, too_deep

TOGETHER: Final = 2**22
"""Characters of entries that are handed out together."""
_NAME: Final = 1024
"""Characters in which the first name of an entry is expected, if its end is to be guessed."""
_LONGEST_GUESS: Final = 2**26
"""Characters of an entry whose end is guessed."""
_SPACES: Final = " \t\n\r"
_SPACE: Final = re.compile(f"[{_SPACES}]*")
_NUMBER: Final = "0123456789+-.eE"
_LONGEST_NUMBER: Final = 4096
_CUT: Final = 64
"""The decoder complains at most so far before the place where a text was cut, but of strings."""


def members(
    pieces: Iterable[str], *, listed: str, typed: Callable[[str], Any] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the members of the object that a JSON text holds; nothing where it holds anything else.

    Args:
        pieces: of the text.
        listed: the member that may be long: where it is an array, its value is an iterator of lists of its entries, to
            be used up before the next member.
        typed: reads the text of an entry faster; answers None for what it does not know or must not let pass.

    Raises:
        InputError: as `untrusted_json.loads`.
    """
    text, names = _Text(pieces), list[tuple[str, None]]()
    if text.peek() != "{":
        text.value(0)
    elif not text.opens("{", "}"):
        more = True
        while more:
            if text.peek() != '"':
                text.refuse("Expecting property name enclosed in double quotes")
            name = text.value(1)
            names.append((name, None))
            distinct(names)
            if text.peek() != ":":
                text.refuse("Expecting ':' delimiter")
            text.skip()
            yield name, text.entries(typed) if name == listed and text.peek() == "[" else text.value(1)
            more = text.goes_on("}")
    if text.peek():
        text.refuse("Extra data")


class _Text:
    """Values are read off the front of a text; what is read is let go."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.pieces, self.ended = iter(pieces), False
        self.text, self.held, self.at = "", "", 0
        self.line, self.column = 1, 1
        self.decoder: Decoder | None = None
        self.usual = 0
        """Characters of the last value: trying to read one of which less is there would be in vain."""

    def peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self._read_on()

    def skip(self) -> None:
        """Go past a character."""
        self.at += 1

    def opens(self, begin: str, end: str) -> bool:
        """Go past the begin of an array or object; return whether it is empty, and then past its end."""
        assert self.peek() == begin
        self.skip()
        empty = self.peek() == end
        self.at += empty
        return empty

    def goes_on(self, end: str) -> bool:
        """Go past what separates entries, or ends them; return whether more follow."""
        found = self.peek()
        if found not in (",", end) or not found:
            self.refuse("Expecting ',' delimiter")
        self.skip()
        return found == ","

    def entries(self, typed: Callable[[str], Any] | None) -> Iterator[list[Any]]:
        """Yield the entries of an array, as many at once as have about `TOGETHER` characters."""
        more = not self.opens("[", "]")
        while more:
            found, size = list[Any](), 0
            while more and size < TOGETHER:
                entry = self._guessed(typed) if typed else None
                typed = typed if entry is not None else None  # wrong guesses cost time: one must do
                found.append(entry if typed else self.value(2))
                size += self.usual
                more = self.goes_on("]")
            yield found

    def _guessed(self, typed: Callable[[str], Any]) -> Any:  # noqa: ANN401 (JSON)
        """Return the next entry if it ends where the next one begins as it does, or before the text's last bracket."""
        end = self._guess()
        text = self.text[self.at : end].rstrip(_SPACES).removesuffix(",")
        entry = typed(text)
        if entry is not None:
            self.at, self.usual = self.at + len(text), len(text)
        return entry

    def _guess(self) -> int:
        while self.peek() and len(self.text) - self.at < _NAME and not self.ended:
            self._read_on()
        begin = self.text[self.at : self.text.find(":", self.at) + 1]
        while (end := self.text.find(begin, self.at + 1)) < 0 and not self.ended:
            if len(self.text) - self.at > _LONGEST_GUESS:
                return self.at
            self._read_on()
        return end if end >= 0 else self.text.rfind("]")

    def value(self, outside: int) -> Any:  # noqa: ANN401 (JSON)
        """Return the next value; around it are `outside` levels."""
        self.peek()
        while not self.ended and len(self.text) - self.at < self.usual:
            self._read_on()
        while (decoded := self._decoded()) is None:
            self._read_on()
        value, end = decoded
        if isinstance(value, dict | list):
            refuse_deep(self.text[self.at : end], outside=outside)
        if SURROGATE.search(self.text, self.at, end):
            refuse_surrogates(value)
        self.at, self.usual = end, end - self.at
        return value

    def _decoded(self) -> tuple[Any, int] | None:
        """Return the value at the present place and where it ends; None where more must be read to tell."""
        try:
            self.decoder = self.decoder or decoder(self.text)
            value, end = self.decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            if self.ended or (error.pos < len(self.text) - _CUT and not error.msg.startswith("Unterminated")):
                self.at = error.pos
                self.refuse(error.msg)
            return None
        except RecursionError:
            raise InputError(too_deep()) from None
        return (value, end) if end < len(self.text) or self.ended or self.text[self.at] in '{["' else None

    def refuse(self, why: str) -> None:
        """Raise for what is at the present place."""
        line, column = self._place(self.at)
        raise InputError(f"line {line}, column {column}: {why}, expected JSON")

    def _place(self, at: int) -> tuple[int, int]:
        lines, last = self.text.count("\n", 0, at), self.text.rfind("\n", 0, at)
        return self.line + lines, at - last if lines else self.column + at

    def _read_on(self) -> None:
        """Let go what is read, and have at least twice of what is left."""
        self.line, self.column = self._place(self.at)
        parts, size = [self.text[self.at :], self.held], 0
        while size <= len(parts[0]) and not self.ended:
            piece = next(self.pieces, None)
            self.ended = piece is None
            parts.append(piece or "")
            size += len(parts[-1])
        text = "".join(parts)
        # A number that is cut might be refused for what it is not.
        kept = text if self.ended else text.rstrip(_NUMBER)
        kept = kept if len(text) - len(kept) < _LONGEST_NUMBER else text
        self.text, self.held, self.at = kept, text[len(kept) :], 0
        self.decoder = None
