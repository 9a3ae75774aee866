"""Members of JSON objects that nobody vouches for: each is asked for by its kind, and refused by its place."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fast_snow.errors import InputError

Kind = TypeVar("Kind")

_LARGEST_INTEGER: Final = 2**53
_WORDS: Final[Mapping[type, str]] = {dict: "an object", list: "a list", str: "text"}


def member(parent: object, name: str, kind: type[Kind], where: str) -> Kind:
    """Return a member of one kind.

    Args:
        parent: what should be an object.
        name: of the member.
        kind: `dict`, `list` or `str`.
        where: of the parent, for messages.

    Raises:
        InputError: there is none, or it is something else.
    """
    if not isinstance(parent, dict):
        raise InputError(f"{where}: got {_shown(parent)}, expected an object")
    if name not in parent:
        raise InputError(f"{where}: has no {name!r}, expected one")
    value = parent[name]
    if not isinstance(value, kind):
        raise InputError(f"{where}.{name}: got {_shown(value)}, expected {_WORDS.get(kind, 'something else')}")
    return value


def array(parent: object, name: str, where: str) -> list[Any]:
    """Return a member that is a list; raises as `member`."""
    return member(parent, name, list, where)


def integer(parent: object, name: str, where: str, *, low: int = 0) -> int:
    """Return a member that is a whole number of at least `low`; raises as `member`."""
    value: object = member(parent, name, object, where)
    if type(value) is not int or not low <= value <= _LARGEST_INTEGER:
        raise InputError(f"{where}.{name}: got {_shown(value)}, expected a whole number of at least {low}")
    return value


def number(parent: object, name: str, where: str) -> float:
    """Return a member that is a finite number; raises as `member`."""
    return _number(member(parent, name, object, where), f"{where}.{name}")


def numbers(parent: object, name: str, count: int, where: str) -> tuple[float, ...]:
    """Return a member that is a list of so many finite numbers; raises as `member`."""
    values = array(parent, name, where)
    if len(values) != count:
        raise InputError(f"{where}.{name}: got {len(values)} entries, expected {count} numbers")
    return tuple(_number(value, f"{where}.{name}") for value in values)


def _number(value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"{where}: got {_shown(value)}, expected a finite number")
    return float(value)


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
