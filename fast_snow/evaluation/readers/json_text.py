"""JSON that nobody vouches for."""

import json
from pathlib import Path
from typing import Any, Final

from fast_snow.errors import InputError

MAX_BYTES: Final = 2**30
"""Larger files are refused before they are read."""


def load_json(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:  # noqa: ANN401 (JSON)
    """Return what a JSON file holds.

    Args:
        path: of the file.
        max_bytes: how large it may be.

    Raises:
        InputError: it is missing, too large, no JSON, or has NaN, infinity or a member twice.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InputError(f"{path}: has {size} bytes, expected at most {max_bytes}")
        return json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_constant
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a JSON file") from error
    except InputError as error:
        raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8, expected JSON") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}, expected JSON") from None
    except (ValueError, RecursionError):  # thousands of digits, or of brackets
        raise InputError(f"{path}: nested too deeply or with integers of thousands of digits, expected JSON") from None


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(members)
    if len(built) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"an object has two members {twice[:40]!r}, expected each name once")
    return built


def _refuse_constant(name: str) -> float:
    raise InputError(f"holds {name}, expected finite numbers")
