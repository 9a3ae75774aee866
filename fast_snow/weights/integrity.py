"""Whether a file of weights is complete and safe to load, by its size and structure; its tensors are not read."""

import math
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from fast_snow import untrusted_json
from fast_snow.errors import InputError, first_line
from fast_snow.limits import CHECKPOINT_JSON_FILE, CHECKPOINT_PICKLE, SAFETENSORS_HEADER
from fast_snow.untrusted_files import open_file, shown

_LFS_POINTER: Final = b"version https://git-lfs"
_BITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Per element, by the name of its type."""
_UNREADABLE: Final = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, LookupError)
_COSTLY: Final = frozenset({"builtins bytearray", "__builtin__ bytearray"})
"""Called by torch's safe unpickler, and allocates as much as the file says."""


def damage(path: Path, *, name: str = "") -> str | None:
    """Return what is wrong with a file of weights, for the user; None: nothing.

    Of others than `.safetensors`, `.pt` and `.json` files nothing is read. `name` is its final one, if it has another
    now.
    """
    try:
        if not path.is_file():
            return "is missing"
        with open_file(path) as file:
            return _content_damage(file, path, Path(name or path.name).suffix)
    except (OSError, InputError) as error:
        return f"cannot be read ({getattr(error, 'strerror', error)})"


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
            return None if zipfile.is_zipfile(file) else "is truncated or not a torch checkpoint"
        case ".json":
            try:
                untrusted_json.load(path, limit=CHECKPOINT_JSON_FILE)
            except InputError:
                return "is truncated or not JSON"
    return None


def _safetensors_damage(file: BinaryIO, size: int) -> str | None:
    length = int.from_bytes(file.read(8), "little")
    header = file.read(length) if 2 <= length <= SAFETENSORS_HEADER.largest else b""
    if 0 < len(header) < length:
        return f"is truncated ({size} bytes, within the header)"
    tensors = _bytes_of_tensors(header)
    if tensors is None:
        return "is not a safetensors file"
    expected = 8 + length + tensors
    if size == expected:
        return None
    return f"is {'truncated' if size < expected else 'too long'} ({size} of {expected} bytes)"


def _bytes_of_tensors(header: bytes) -> int | None:
    """Return the number of bytes that the tensors of a safetensors header take; None: not such a header."""
    end = 0
    try:
        entries: Any = untrusted_json.loads(header.decode())
        offsets = sorted(_offsets(each) for name, each in entries.items() if name != "__metadata__")
        for first, last in offsets:
            if first != end:
                return None  # the format allows no gaps
            end = last
    except (InputError, ValueError, AttributeError, TypeError, LookupError):
        return None
    return end


def _offsets(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return where the bytes of a tensor begin and end; ValueError if its shape and type need another number."""
    (first, last), shape = entry["data_offsets"], entry["shape"]
    if not all(type(each) is int and each >= 0 for each in (first, last, *shape)):
        raise ValueError
    if (last - first) * 8 != math.prod(shape) * _BITS[entry["dtype"]]:
        raise ValueError
    return first, last


def require_cheap(path: Path) -> None:
    """Refuse a `.pt` file that is compressed, or whose pickle allocates what the file does not hold.

    Raises:
        InputError: it does, or it is not a checkpoint; what passes is for torch to load with `weights_only`.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            packed = any(each.compress_type != zipfile.ZIP_STORED for each in entries)
            pickles = [each for each in entries if each.filename.endswith("/data.pkl")]
            if packed or len(pickles) != 1 or pickles[0].file_size > CHECKPOINT_PICKLE.largest:
                raise InputError(
                    f"{shown(path)}: is not a torch checkpoint: compressed, or not with exactly one small pickle"
                )
            codes = pickletools.genops(archive.read(pickles[0]))
            called = {argument for code, argument, _ in codes if code.name == "GLOBAL"}
    except _UNREADABLE as error:
        raise InputError(f"{shown(path)}: is not a torch checkpoint ({first_line(error)})") from None
    if called & _COSTLY:
        raise InputError(f"{shown(path)}: contains a bytearray, expected tensors only")
