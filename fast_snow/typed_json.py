"""Frozen dataclasses from untrusted JSON: exact types, checked values, no unknown names; errors name the place.

A dataclass is the format: its annotations say what each member must be, `Annotated[float, more_than(0)]` what it must
also hold, its defaults which members may be absent.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fast_snow.errors import InputError

_T = TypeVar("_T")

_LARGEST_INTEGER: Final = 2**53
"""Larger integers are not exact where they are written like 1.0."""
_SHOWN: Final = 40
"""Characters of a stranger's value or name that a message shows."""
_NAMES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True, slots=True)
class Check:
    """What a value of the right type must also hold, in `Annotated`.

    Attributes:
        holds: whether a value does.
        expected: in words for the message.
    """

    holds: Callable[[Any], bool]
    expected: str


def in_range(low: int | float, high: int | float) -> Check:
    """Return a check of a number."""
    return Check(lambda value: low <= value <= high, f"{low:g} to {high:g}")


def at_least(low: int | float) -> Check:
    """Return a check of a number."""
    return Check(lambda value: value >= low, f"at least {low:g}")


def more_than(low: float, high: float = math.inf) -> Check:
    """Return a check of a number; `high` is allowed."""
    limit = "" if high == math.inf else f", at most {high:g}"
    return Check(lambda value: low < value <= high, f"more than {low:g}{limit}")


def entries(low: int, high: int) -> Check:
    """Return a check of the length of a list."""
    return Check(lambda value: low <= len(value) <= high, f"{low} to {high} entries")


def matching(pattern: str, expected: str) -> Check:
    """Return a check of text, which must match a regular expression as a whole."""
    return Check(lambda value: re.fullmatch(pattern, value) is not None, expected)


Sha256 = Annotated[str, matching("[0-9a-f]{64}", "64 hexadecimal digits")]


def build_dataclass(kind: type[_T], value: object, where: str, *, complete: bool = False, extra: bool = False) -> _T:
    """Build a value of a type from parsed JSON.

    Args:
        kind: a dataclass of `str`, `bool`, `int`, `float`, `None`, `Literal`, enums (by value if `StrEnum`, else by
            name), tuples, mappings from text, `Annotated` checks, and such dataclasses; `Any` passes.
        value: what `untrusted_json` returned.
        where: the file or row, for the message.
        complete: the document is one that `dataclasses.asdict` wrote: every field is there, and null is None. Else
            fields with a default may be absent, and where the default is None, may not be null.
        extra: ignore unknown members instead of refusing them.

    Raises:
        InputError: one line with the place, what came and what was expected.
    """
    try:
        built: _T = _read(kind, value, _Rules(complete, extra))
    except _Mismatch as mismatch:
        place = f"{where}: {mismatch.place.removeprefix('.')}"
        raise InputError(f"{place.removesuffix(': ')}: {mismatch.complaint}") from None
    return built


def members(instance: Any) -> dict[str, Any]:  # noqa: ANN401 (a dataclass)
    """Return the fields of a dataclass by name, mappings among them as JSON has them."""
    values = {each.name: getattr(instance, each.name) for each in fields(instance)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def short(value: object) -> str:
    """Return at most 40 characters of a JSON value, on one line."""
    if isinstance(value, list | dict):
        return f"{'an array' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class _Mismatch(Exception):  # noqa: N818 (never seen outside)
    """A value that does not fit; its place grows from the inside out."""

    def __init__(self, complaint: str) -> None:
        self.place, self.complaint = "", complaint

    def at(self, step: str | int) -> "_Mismatch":
        name = step if isinstance(step, int) or (step.isprintable() and len(step) <= _SHOWN) else short(step)
        self.place = (f"[{name}]" if isinstance(step, int) else f".{name}") + self.place
        return self


def _got(value: object, expected: str) -> _Mismatch:
    return _Mismatch(f"got {short(value)}, expected {expected}")


@dataclass(frozen=True, slots=True)
class _Rules:
    complete: bool
    extra: bool


def _read(kind: Any, value: Any, rules: _Rules) -> Any:  # noqa: ANN401 (a type; JSON)
    compound = _COMPOUND.get(get_origin(kind))
    if compound is not None:
        return compound(get_args(kind), value, rules)
    if kind in _NAMES:
        return _scalar(kind, value)
    if is_dataclass(kind):
        return _object(kind, value, rules)
    return _member_of(kind, value) if isinstance(kind, type) and issubclass(kind, Enum) else value


def _inner(kind: Any, value: Any, rules: _Rules, step: str | int) -> Any:  # noqa: ANN401
    try:
        return _read(kind, value, rules)
    except _Mismatch as mismatch:
        raise mismatch.at(step) from None


def _scalar(kind: type, value: Any) -> Any:  # noqa: ANN401
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is float and value.is_integer() and abs(value) <= _LARGEST_INTEGER:
        return int(value)  # JSON's 1.0 is an integer too
    raise _got(value, _NAMES[kind])


def _object(kind: Any, value: Any, rules: _Rules) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        raise _got(value, "object")
    members = _members(kind, rules.complete)
    missing = next((name for name, (_, required) in members.items() if required and name not in value), None)
    if missing is not None:
        raise _Mismatch(f"has no {missing!r}, expected one")
    unknown = None if rules.extra else next((name for name in value if name not in members), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown, members, n=1)
        raise _Mismatch(
            f"has {short(unknown)}; {f'did you mean {near[0]}?' if near else 'expected ' + ', '.join(members)}"
        )
    return kind(**{k: _inner(inner, value[k], rules, k) for k, (inner, _) in members.items() if k in value})


@cache
def _members(kind: Any, complete: bool) -> dict[str, tuple[Any, bool]]:  # noqa: ANN401
    """Return the type of each field of a dataclass, and whether it must be there."""
    hints, members = get_type_hints(kind, include_extras=True), {}
    for each in fields(kind):
        inner = hints[each.name]
        if each.default is None and not complete and NoneType in get_args(inner):  # absent is None, null is not
            inner = Union[tuple(arg for arg in get_args(inner) if arg is not NoneType)]  # noqa: UP007
        members[each.name] = inner, complete or (each.default is MISSING and each.default_factory is MISSING)
    return members


def _member_of(kind: type[Enum], value: Any) -> Enum:  # noqa: ANN401
    members = {str(each.value) if issubclass(kind, StrEnum) else each.name: each for each in kind}
    if not isinstance(value, str) or value not in members:
        raise _got(value, f"one of {', '.join(members)}")
    return members[value]


def _literal(known: tuple[Any, ...], value: Any, _: _Rules) -> Any:  # noqa: ANN401
    if not any(type(value) is type(each) and value == each for each in known):
        raise _got(value, f"one of {', '.join(map(str, known))}")
    return value


def _checked(args: tuple[Any, ...], value: Any, rules: _Rules) -> Any:  # noqa: ANN401
    kind, *checks = args
    built = _read(kind, value, rules)
    for check in checks:
        if isinstance(check, Check) and not check.holds(built):
            raise _got(value, check.expected)
    return built


def _tuple(kinds: tuple[Any, ...], value: Any, rules: _Rules) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(value, list):
        raise _got(value, "array")
    wanted = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(value) != len(wanted):
        raise _got(value, f"{len(wanted)} entries")
    return tuple(_inner(kind, each, rules, i) for i, (kind, each) in enumerate(zip(wanted, value, strict=True)))


def _mapping(kinds: tuple[Any, ...], value: Any, rules: _Rules) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise _got(value, "object")
    name_kind, kind = kinds
    return {_inner(name_kind, name, rules, name): _inner(kind, each, rules, name) for name, each in value.items()}


def _union(kinds: tuple[Any, ...], value: Any, rules: _Rules) -> Any:  # noqa: ANN401
    others = [each for each in kinds if each is not NoneType]
    if value is None and NoneType in kinds:
        return None
    if len(others) == 1:
        return _read(others[0], value, rules)
    for kind in others:
        with suppress(_Mismatch):
            return _read(kind, value, rules)
    raise _got(value, " or ".join(_NAMES.get(each, "array") for each in others))


_COMPOUND: Final[Mapping[Any, Callable[[tuple[Any, ...], Any, _Rules], Any]]] = {
    Annotated: _checked,
    Literal: _literal,
    tuple: _tuple,
    Mapping: _mapping,
    Union: _union,
    UnionType: _union,
}
