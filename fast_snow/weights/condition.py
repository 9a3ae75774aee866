"""What can be told of a file of weights without loading it: whether it is whole."""

import json
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

_LFS_POINTER = b"version https://git-lfs"
_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


def damage(path: Path, *, name: str = "") -> str | None:
    """Tell what is wrong with a file of weights, by its size and structure; its numbers are not read.

    Args:
        path: `.safetensors`, `.pt` or `.json`; of other files only that they are there and hold something.
        name: what it will be called, where it has another name now.

    Returns:
        What is wrong, for the user; None where nothing is.
    """
    try:
        if not path.is_file():
            return "is not there"
        return _content_damage(path, Path(name or path.name).suffix)
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _content_damage(path: Path, suffix: str) -> str | None:
    size = path.stat().st_size
    if size == 0:
        return "is empty"
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            return "is a Git LFS pointer, not the weights"
    match suffix:
        case ".safetensors":
            return _safetensors_damage(path, size)
        case ".pt":
            return None if is_zipfile(path) else "is cut short or not a torch checkpoint"
        case ".json":
            return _json_damage(path)
        case _:
            return None


def _safetensors_damage(path: Path, size: int) -> str | None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _LONGEST_HEADER:
            return "is not a safetensors file"
        header = file.read(length)
    if len(header) < length:
        return f"is cut short ({size} bytes, not even the whole header)"
    expected = _end_of_tensors(header)
    if expected is None:
        return "is not a safetensors file"
    whole = 8 + length + expected
    if size == whole:
        return None
    return f"is {'cut short' if size < whole else 'too long'} ({size} of {whole} bytes)"


def _end_of_tensors(header: bytes) -> int | None:
    """Return the number of bytes that the tensors of a safetensors header take; None where it is no such header."""
    try:
        entries: Any = json.loads(header)
        ends = [each["data_offsets"][1] for name, each in entries.items() if name != "__metadata__"]
    except (ValueError, RecursionError, AttributeError, TypeError, LookupError):
        return None
    if not all(isinstance(each, int) for each in ends):
        return None
    return max(ends, default=0)


def _json_damage(path: Path) -> str | None:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return "is cut short or not JSON"
    return None
