"""JSON that nobody vouches for: what Python's reader lets pass or answers with a bare error is refused in one line."""

import json
from typing import Any, Final

from fast_snow.errors import InputError

_LONGEST_NAME: Final = 40


def loads(text: str) -> Any:  # noqa: ANN401 (JSON)
    """Return what a JSON text holds.

    Args:
        text: of a file, or a line of it.

    Raises:
        InputError: it is no JSON, has NaN, infinity or a member twice, or is built to exhaust its reader.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: {error.msg}, expected JSON") from None
    except RecursionError:
        raise InputError("nested too deeply, expected JSON") from None
    except ValueError:  # the interpreter's limit on the digits of an integer
        raise InputError("holds an integer of thousands of digits, expected JSON") from None


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(members)
    if len(built) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"an object has two members {json.dumps(twice[:_LONGEST_NAME])}, expected each name once")
    return built


def _refuse_constant(name: str) -> float:
    raise InputError(f"holds {name}, expected finite numbers")
