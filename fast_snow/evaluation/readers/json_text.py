"""JSON that nobody vouches for."""

from pathlib import Path
from typing import Any, Final

from fast_snow import untrusted_json
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
        return parse_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a JSON file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8, expected JSON") from None


def parse_json(text: str, where: str) -> Any:  # noqa: ANN401 (JSON)
    """Return what a JSON text holds.

    Args:
        text: of the file, or a line of it.
        where: it stands, for messages.

    Raises:
        InputError: it is no JSON, or has NaN, infinity or a member twice.
    """
    try:
        return untrusted_json.loads(text)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
