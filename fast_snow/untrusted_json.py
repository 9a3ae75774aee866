"""Untrusted JSON and TOML: what Python's readers let pass or answer with a bare error is refused in one line.

The only module that calls `json.loads`. What need not fit in memory is read by `output.graph_json.json_pieces`.
"""

import gc
import json
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from fast_snow import untrusted_files
from fast_snow.errors import InputError
from fast_snow.limits import JSON_DEPTH, JSON_INTEGER, Limit

Decoder = json.JSONDecoder
T = TypeVar("T")

_SHOWN: Final = 40
"""Characters of a stranger's name or number that a message shows."""
_TEXT: Final = re.compile(rb'"[^"]*"')
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'"[]{}'))
_ONE_KIND: Final = bytes.maketrans(b"[]", b"{}")
SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ALL_DIGITS_ZERO: Final = bytes.maketrans(b"123456789E", b"000000000e")
_LONG: Final = b"0" * 19


def load(path: Path, *, limit: Limit, within: Path | None = None) -> Any:  # noqa: ANN401 (JSON)
    """Return what a JSON file holds.

    Args:
        path: a regular file in UTF-8, or in UTF-16 with a byte order mark.
        limit: how large it may be.
        within: the folder that the file, links followed, must not lie outside of.

    Raises:
        InputError: as `untrusted_files.read_text` and `loads`; the message names the file.
    """
    text = untrusted_files.read_text(path, limit=limit, within=within)
    try:
        return loads(text)
    except InputError as error:
        raise InputError(f"{untrusted_files.shown(path)}: {error}") from None


def loads(text: str) -> Any:  # noqa: ANN401 (JSON)
    """Return what a JSON text holds: numbers are finite, integers fit 64 bits, text is Unicode.

    Args:
        text: of a file, a line of it, or a server's reply.

    Raises:
        InputError: it is no JSON, has NaN, infinity or a member twice, or exceeds `limits`.
    """
    refuse_deep(text)
    try:
        value = json.loads(text, **_rules(text))
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: {error.msg}, expected JSON") from None
    except RecursionError:  # of what is no JSON
        raise InputError(too_deep()) from None
    if SURROGATE.search(text):
        refuse_surrogates(value)
    return value


def typed(text: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """Return what a JSON text holds as a type, several times as fast as `loads`; None where `loads` must look at it.

    The decoder is of a type that holds no texts and omits its defaults where it is written.
    """
    collects = gc.isenabled()
    gc.disable()  # nothing is thrown away meanwhile: looking for it would take as long as decoding
    try:
        value = decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    finally:
        if collects:
            gc.enable()
    # A member that is unknown, or occurs twice, is in the text but not in the value.
    as_many = msgspec.json.encode(value).count(b":") == text.count(":")
    return value if as_many and not _has_large_numbers(text) else None


def decoder(text: str) -> Decoder:
    """Return a decoder for values in a text that refuses what `loads` does but deep nesting and halves of pairs."""
    return Decoder(**_rules(text))


def _rules(text: str) -> dict[str, Any]:
    checked = {"parse_float": _finite, "parse_int": _bounded} if _has_large_numbers(text) else {}
    return {"object_pairs_hook": distinct, "parse_constant": _refuse_constant, **checked}


def loads_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text holds: numbers are finite and integers fit 64 bits.

    Raises:
        InputError: it is no TOML, has NaN or infinity, or exceeds `limits`.
    """
    # Python's reader takes time quadratic in the parts of a dotted key.
    if any(line.count(".") > JSON_DEPTH.largest and not line.lstrip().startswith("#") for line in text.split("\n")):
        raise InputError(too_deep())
    try:
        values = tomllib.loads(text, parse_float=_finite)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML ({error}); expected sections like those in configs/") from None
    except RecursionError:
        raise InputError(too_deep()) from None
    except ValueError:  # the interpreter's limit on the digits of an integer
        raise InputError("holds an integer of thousands of digits, expected at most 64 bits") from None
    for value in _scalars(values):
        if isinstance(value, int) and abs(value) > JSON_INTEGER.largest:
            raise InputError(f"holds the integer {str(value)[:_SHOWN]}, expected at most 64 bits")
    return values


def refuse_deep(text: str, *, outside: int = 0) -> None:
    """Refuse nesting of a value beyond the limit, less what is around it, before anything is built, in linear time.

    What is no JSON may pass: the parser says what is wrong with it, and cannot be deeper in it than here.
    """
    levels = JSON_DEPTH.largest - outside
    if text.count("[") + text.count("{") <= levels:
        return
    content = text.encode("utf-8", "surrogatepass")
    if b"\\" in content:
        content = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Quotes side by side end one text and begin the next, or hold nothing: without them all else stays in or out.
    brackets = content.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _TEXT.sub(b"", brackets)
    brackets = brackets.translate(_ONE_KIND, b'"')
    if brackets.count(b"{") - brackets.count(b"}") > levels:
        raise InputError(too_deep())
    for _ in range(levels):  # each round takes the innermost pairs away
        if not brackets or brackets.startswith(b"}"):
            return
        brackets = brackets.replace(b"{}", b"")
    if b"{}" in brackets:
        raise InputError(too_deep())


def _has_large_numbers(text: str) -> bool:
    """Return whether a number could exceed 64 bits; checking every number in Python would take three times as long."""
    plain = text.encode("utf-8", "surrogatepass").translate(_ALL_DIGITS_ZERO)
    if b"e000" in plain or b"e+000" in plain:
        return True
    at = plain.find(_LONG)
    while at >= 0 and plain[at - 1 : at] == b".":  # digits behind a point make no number large
        at = plain.find(_LONG, at + len(_LONG))
    return at >= 0


def too_deep() -> str:
    """Return what is said of nesting beyond the limit."""
    return f"nested too deeply, expected at most {JSON_DEPTH.largest} {JSON_DEPTH.unit}"


def distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object; each name may occur once."""
    built = dict(members)
    if len(built) != len(members):
        seen: set[str] = set()
        for name, _ in members:
            if name in seen:
                raise InputError(f"an object has two members {json.dumps(name[:_SHOWN])}, expected each name once")
            seen.add(name)
    return built


def _refuse_constant(name: str) -> float:
    raise InputError(f"holds {name}, expected finite numbers")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise InputError(f"holds the number {number[:_SHOWN]}, expected finite numbers of 64 bits")
    return value


def _bounded(number: str) -> int:
    if len(number) > _SHOWN or abs(int(number)) > JSON_INTEGER.largest:
        raise InputError(f"holds the integer {number[:_SHOWN]}, expected at most 64 bits")
    return int(number)


def refuse_surrogates(value: object) -> None:
    """Refuse halves of UTF-16 pairs in the texts of a value."""
    for scalar in _scalars(value):
        if isinstance(scalar, str) and not scalar.isascii():
            try:
                scalar.encode()
            except UnicodeEncodeError:
                raise InputError("holds half of a UTF-16 pair, expected Unicode text") from None


def _scalars(value: object) -> Iterator[object]:
    """Yield all names, texts and numbers of a document, without recursion."""
    open_values = [value]
    while open_values:
        current = open_values.pop()
        if isinstance(current, dict):
            yield from current
            open_values += current.values()
        elif isinstance(current, list):
            open_values += current
        else:
            yield current
