"""What can be told of a file of weights without loading it: whether it is whole."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final
from zipfile import is_zipfile

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.limits import CHECKPOINT_JSON_FILE, SAFETENSORS_HEADER
from fast_snow.untrusted_files import open_file

_LFS_POINTER: Final = b"version https://git-lfs"
_NO_SAFETENSORS: Final = "is not a safetensors file"
_BITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Of one number, by the name of its type."""


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
        with open_file(path) as file:
            return _content_damage(file, path, Path(name or path.name).suffix)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except InputError as error:
        return f"cannot be read ({error})"


def _content_damage(file: BinaryIO, path: Path, suffix: str) -> str | None:
    size = file.seek(0, 2)
    file.seek(0)
    if size == 0:
        return "is empty"
    if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
        return "is a Git LFS pointer, not the weights"
    file.seek(0)
    match suffix:
        case ".safetensors":
            return _safetensors_damage(file, size)
        case ".pt":
            return None if is_zipfile(file) else "is cut short or not a torch checkpoint"
        case ".json":
            return _json_damage(path)
        case _:
            return None


def _safetensors_damage(file: BinaryIO, size: int) -> str | None:
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= SAFETENSORS_HEADER.largest:
        return _NO_SAFETENSORS
    header = file.read(length)
    if len(header) < length:
        return f"is cut short ({size} bytes, not even the whole header)"
    expected = _end_of_tensors(header)
    if expected is None:
        return _NO_SAFETENSORS
    whole = 8 + length + expected
    if size == whole:
        return None
    return f"is {'cut short' if size < whole else 'too long'} ({size} of {whole} bytes)"


def _end_of_tensors(header: bytes) -> int | None:
    """Return the number of bytes that the tensors of a safetensors header take; None where it is no such header."""
    try:
        entries: Any = untrusted_json.loads(header.decode())
        places = sorted(_place(each) for name, each in entries.items() if name != "__metadata__")
    except (InputError, ValueError, AttributeError, TypeError, LookupError):
        return None
    end = 0
    for first, last in places:  # without gaps, as the format demands
        if first != end:
            return None
        end = last
    return end


def _place(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return where the bytes of a tensor begin and end; ValueError or as dictionaries where they are not its own."""
    (first, last), shape = entry["data_offsets"], entry["shape"]
    if not all(type(each) is int and each >= 0 for each in (first, last, *shape)):
        raise ValueError
    if (last - first) * 8 != math.prod(shape) * _BITS[entry["dtype"]]:
        raise ValueError
    return first, last


def _json_damage(path: Path) -> str | None:
    try:
        untrusted_json.load(path, limit=CHECKPOINT_JSON_FILE)
    except InputError:
        return "is cut short or not JSON"
    return None
