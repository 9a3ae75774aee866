"""Values that cross borders as files, and read again strictly: frozen dataclasses with arrays of any size.

A file is an `.npz` archive of three rows of bytes: `tree` (JSON: the fields in order, of an array its shape), `data`
(all arrays, one after the other) and `sha256` (of both). Of arrays of at least `SHUFFLED` bytes the first bytes of all
numbers of a block come first, then the second ones, and so on: depth packs to half its size that way, without loss.

The dataclass is the format: types, dimensions and what its arrays must have in common are read off its annotations.
"""

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin

import numpy as np

from fast_snow import untrusted_json
from fast_snow.atomic_files import storing
from fast_snow.errors import InputError
from fast_snow.kernels.masks import validate
from fast_snow.limits import PERCEPTION_FILE, PERCEPTION_UNPACKED
from fast_snow.types import Masks
from fast_snow.types.values import Columns, Ragged, hints_of
from fast_snow.untrusted_arrays import BYTES, opened_rows

_T = TypeVar("_T")

SHUFFLED: Final = 4096
_BLOCK: Final = 2**16
"""Numbers whose bytes are put in order together."""
_ROWS: Final = ("tree", "data", "sha256")


def write(path: Path, value: object, *, compressed: bool = True) -> str:
    """Store a value, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        value: a dataclass of numbers, text, enums, arrays, tuples, sets, mappings and such dataclasses.
        compressed: whether the arrays are deflated.

    Returns:
        The digest of its content, as `read` expects it.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    with storing(path) as file:
        return _write(file, value, compressed=compressed)


def dumps(value: object, *, compressed: bool = True) -> bytes:
    """Return the content of the file that `write` would store."""
    file = io.BytesIO()
    _write(file, value, compressed=compressed)
    return file.getvalue()


def read(path: Path, kind: type[_T], *, within: Path, sha256: str | None = None) -> _T:
    """Read a value that `write` stored.

    Args:
        path: of the file, which may come from a stranger.
        kind: its type.
        within: the folder that the file, links followed, must not lie outside of.
        sha256: the digest that its content must have; None takes any that the file states rightly.

    Raises:
        InputError: it is missing, damaged or another value; one line names the file.
    """
    with opened_rows(path, _ROWS, limit=PERCEPTION_FILE, unpacked=PERCEPTION_UNPACKED, within=within) as row:
        stream, size = row("tree", BYTES)
        text = stream.read(size)
        data = _Data(*row("data", BYTES), hashlib.sha256(text))
        value: _T = _value(kind, untrusted_json.loads(text.decode()), data)
        stream, size = row("sha256", BYTES)
        if data.left or stream.read(size) != data.sha256.digest() or sha256 not in (None, data.sha256.hexdigest()):
            raise InputError("its content does not have its digest")
    return value


def _write(file: io.BufferedIOBase, value: object, *, compressed: bool) -> str:
    arrays: list[np.ndarray] = []
    tree = json.dumps(_tree(type(value), value, arrays), separators=(",", ":")).encode()
    sha256 = hashlib.sha256(tree)
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        with _row(archive, "tree", len(tree)) as row:
            row.write(tree)
        with _row(archive, "data", sum(each.nbytes for each in arrays)) as row:
            for piece in (piece for array in arrays for piece in _pieces(array)):
                sha256.update(piece)
                row.write(piece)
        with _row(archive, "sha256", sha256.digest_size) as row:
            row.write(sha256.digest())
    return sha256.hexdigest()


def array_bytes(value: object) -> int:
    """Return how many bytes the arrays of a value have: no file of it is much larger."""
    arrays: list[np.ndarray] = []
    _tree(type(value), value, arrays)
    return sum(each.nbytes for each in arrays)


def _row(archive: zipfile.ZipFile, name: str, size: int) -> io.BufferedIOBase:
    info = zipfile.ZipInfo(f"{name}.npy")
    info.compress_type = archive.compression
    row = cast(io.BufferedIOBase, archive.open(info, "w", force_zip64=True))
    np.lib.format.write_array_header_1_0(row, {"descr": BYTES.str, "fortran_order": False, "shape": (size,)})
    return row


def _pieces(array: np.ndarray) -> Iterator[bytes]:
    flat = np.ascontiguousarray(array).reshape(-1)
    if array.nbytes < SHUFFLED or array.itemsize == 1:
        yield flat.tobytes()
        return
    for first in range(0, len(flat), _BLOCK):
        yield flat[first : first + _BLOCK].view(np.uint8).reshape(-1, array.itemsize).T.tobytes()


class _Data:
    """Takes one array after the other from a stream, never more than it holds."""

    def __init__(self, stream: io.BufferedIOBase, left: int, sha256: "hashlib._Hash") -> None:
        self._stream, self.left, self.sha256 = stream, left, sha256

    def array(self, kind: Any, shape: Any) -> np.ndarray:  # noqa: ANN401 (an annotation; JSON)
        if not isinstance(shape, list) or not all(type(each) is int and each >= 0 for each in shape):
            raise InputError("an array without shape")
        dtype, count = np.dtype(kind.dtypes[0]), math.prod(shape)
        if count * dtype.itemsize > self.left:
            raise InputError("its arrays are cut short")
        flat = np.empty(count, dtype)
        shuffled = flat.nbytes >= SHUFFLED and dtype.itemsize > 1
        for first in range(0, count, _BLOCK if shuffled else count or 1):
            part = flat[first : first + _BLOCK] if shuffled else flat
            content = np.frombuffer(self._taken(part.nbytes), np.uint8)
            target = part.view(np.uint8)
            target[:] = content.reshape(dtype.itemsize, -1).T.reshape(-1) if shuffled else content
        array = flat.reshape(shape)
        if not isinstance(array, kind):
            raise InputError(f"an array of shape {shape[:4]}, expected ({kind.dim_str})")
        return array

    def _taken(self, size: int) -> bytes:
        content = self._stream.read(size)
        self.left -= len(content)
        self.sha256.update(content)
        if len(content) != size:
            raise InputError("its arrays are cut short")
        return content


def _tree(kind: Any, value: Any, arrays: list[np.ndarray]) -> Any:  # noqa: ANN401 (a type; any value; JSON)
    """Return a value as JSON, and collect its arrays."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return list(value.shape)
    if is_dataclass(value):
        return [_tree(hint, getattr(value, name), arrays) for name, hint in hints_of(type(value)).items()]
    if isinstance(value, Sequence | frozenset | Mapping) and not isinstance(value, str):
        return _tree_of_many(get_args(_inner(kind)), value, arrays)
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _tree_of_many(parts: tuple[Any, ...], value: Any, arrays: list[np.ndarray]) -> list[Any]:  # noqa: ANN401
    if isinstance(value, Mapping):
        return [[_tree(parts[0], k, arrays), _tree(parts[1], each, arrays)] for k, each in value.items()]
    if isinstance(value, frozenset):
        return sorted(value)
    return [_tree(inner, each, arrays) for inner, each in zip(_members(parts, len(value)), value, strict=True)]


def _value(kind: Any, tree: Any, data: _Data) -> Any:  # noqa: ANN401 (a type; JSON)
    """Build a value of a type from JSON and the arrays that follow."""
    if get_origin(kind) in (Union, UnionType):
        return None if tree is None else _value(_inner(kind), tree, data)
    if hasattr(kind, "dtypes"):
        return data.array(kind, tree)
    if kind in (int, float, str, bool):
        return _scalar(kind, tree)
    if isinstance(kind, type) and issubclass(kind, Enum):
        if not isinstance(tree, str) or tree not in kind.__members__:
            raise InputError(f"is no {kind.__name__}")
        return kind[tree]
    if not isinstance(tree, list):
        raise InputError(f"got a {type(tree).__name__}, expected an array")
    return _dataclass(kind, tree, data) if is_dataclass(kind) else _many(kind, tree, data)


def _scalar(kind: type, tree: Any) -> Any:  # noqa: ANN401
    if kind is float and tree in ("nan", "inf", "-inf"):
        return float(tree)
    if type(tree) is not kind:
        raise InputError(f"got a {type(tree).__name__}, expected {kind.__name__}")
    return tree


def _many(kind: Any, tree: list[Any], data: _Data) -> Any:  # noqa: ANN401
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(_value(inner, each, data) for inner, each in zip(_members(parts, len(tree)), tree, strict=True))
    if origin is frozenset:
        return frozenset(_value(parts[0], each, data) for each in tree)
    return MappingProxyType(dict(_value(tuple[parts], each, data) for each in tree))


def _dataclass(kind: Any, tree: list[Any], data: _Data) -> Any:  # noqa: ANN401
    hints = hints_of(kind)
    if len(tree) != len(hints):
        raise InputError(f"{kind.__name__} of {len(tree)} fields, expected {len(hints)}")
    values = {name: _value(hint, each, data) for (name, hint), each in zip(hints.items(), tree, strict=True)}
    value = kind(**values)
    if isinstance(value, Masks):
        validate(value)
    else:
        _require_one_size(value, hints)
    return value


def _require_one_size(value: Any, hints: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Refuse arrays of which a dimension of one name has two sizes; kernels trust them."""
    sizes: dict[str, int] = {}
    for name, hint in hints.items():
        if isinstance(array := getattr(value, name), np.ndarray):
            for dimension, size in zip(hint.dim_str.split(), array.shape, strict=True):
                if sizes.setdefault(dimension, size) != size:
                    raise InputError(
                        f"{type(value).__name__}.{name} of {size} {dimension}, expected {sizes[dimension]}"
                    )
    if isinstance(value, Ragged):
        if not len(value.offset) or value.offset[0] or np.any(np.diff(value.offset) < 0):
            raise InputError(f"{type(value).__name__} whose members do not follow each other")
        lengths = {
            int(value.offset[-1]),
            *(len(each) for each in value._columns().values() if each is not value.offset),
        }
    else:
        lengths = {len(each) for each in value._columns().values()} if isinstance(value, Columns) else set()
    if len(lengths) > 1:
        raise InputError(f"{type(value).__name__} of columns that differ in length")


def _members(parts: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """Return the type of each member of a tuple."""
    if parts[-1:] == (Ellipsis,):
        return parts[:1] * count
    if len(parts) != count:
        raise InputError(f"got {count} entries, expected {len(parts)}")
    return parts


def _inner(kind: Any) -> Any:  # noqa: ANN401
    """Return the first type of a union, and any other as it is: values are stored as the one that has files."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(each for each in get_args(kind) if each is not NoneType)
