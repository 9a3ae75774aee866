"""Untrusted arrays: archives of named arrays (.npz), whose sizes are checked before anything is unpacked."""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
from jaxtyping import Int32

from fast_snow import untrusted_files
from fast_snow.errors import InputError, first_line
from fast_snow.limits import Limit
from fast_snow.untrusted_files import shown

_INTEGERS: Final = np.dtype("<i4")
BYTES: Final = np.dtype("|u1")
_KINDS: Final = {_INTEGERS: "32-bit integers", BYTES: "bytes"}
_HEADER: Final = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<i4|\|u1)', 'fortran_order': False, 'shape': \(([0-9]{1,10}),\), \} *\n",
    re.DOTALL,
)
"""The header of a `.npy` file as NumPy writes that of a row of 32-bit integers or of bytes."""
_HEADER_BYTES: Final = 128
_END: Final = struct.Struct("<4sHHHHIIH")
"""The end of a ZIP archive (APPNOTE 4.3.16): mark, disks, entries, size and place of the directory, comment."""
_LARGEST_DIRECTORY: Final = 4096
_FLAGS: Final = 0x0808
"""Bits of an entry (APPNOTE 4.4.4) that change nothing: sizes behind the data, and names in UTF-8."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE: Final = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, zlib.error)


def read_integers(
    path: Path, names: Collection[str], *, limit: Limit, unpacked: Limit, within: Path | None = None
) -> dict[str, Int32[np.ndarray, " _"]]:
    """Return the rows of 32-bit integers that an archive holds.

    Args:
        path: what `numpy.savez` or `numpy.savez_compressed` wrote.
        names: of the arrays; there must be these and no others.
        limit: how large the file may be.
        unpacked: how large all arrays together may be.
        within: the folder that the file, links followed, must not lie outside of.

    Raises:
        InputError: the file cannot be read, is damaged, too large, or holds something else; the message names it.
    """
    with opened_rows(path, names, limit=limit, unpacked=unpacked, within=within) as row:
        return {name: _integers(*row(name, _INTEGERS)) for name in names}


@contextmanager
def opened_rows(
    path: Path, names: Collection[str], *, limit: Limit, unpacked: Limit, within: Path | None = None
) -> Iterator[Callable[[str, np.dtype], tuple[BufferedIOBase, int]]]:
    """Open an archive of rows of 32-bit integers or bytes, to read them piece by piece.

    Arguments and errors are those of `read_integers`; what is raised while the rows are read is told of the file, too.

    Yields:
        What opens a row by its name and type: returns the stream of its numbers and their count.
    """
    with untrusted_files.open_file(path, limit=limit, within=within) as file:
        try:
            _require_small_directory(file)
            with zipfile.ZipFile(file) as archive:
                _require_entries(archive.infolist(), names, unpacked)
                yield partial(_row, archive)
        except InputError as error:
            raise InputError(f"{shown(path)}: damaged: {error}") from None
        except _DAMAGE as error:
            raise InputError(f"{shown(path)}: damaged ({first_line(error)}), expected an .npz archive") from None


def _require_small_directory(file: BinaryIO) -> None:
    """Refuse directories of thousands of entries before `zipfile` makes an object of each."""
    size = file.seek(0, 2)
    if size < _END.size:
        raise InputError("cut short, expected an .npz archive")
    file.seek(size - _END.size)
    mark, _, _, _, _, directory, _, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\x05\x06" or comment or directory > _LARGEST_DIRECTORY:
        raise InputError("cut short or no .npz archive of a few arrays")
    file.seek(0)


def _require_entries(entries: list[zipfile.ZipInfo], names: Collection[str], unpacked: Limit) -> None:
    found = sorted(entry.filename for entry in entries)
    if found != sorted(f"{name}.npy" for name in names):
        raise InputError(f"holds {len(found)} arrays of other names, expected {', '.join(names)}, each once")
    for entry in entries:
        if entry.compress_type not in _METHODS or entry.flag_bits & ~_FLAGS:
            raise InputError(f"{entry.filename} is encrypted or packed in a rare way, expected deflate or none")
    total = sum(entry.file_size for entry in entries)
    if total > unpacked.largest:
        raise InputError(f"has {total} bytes unpacked, expected at most {unpacked.largest} ({unpacked.name})")


def _row(archive: zipfile.ZipFile, name: str, kind: np.dtype) -> tuple[BufferedIOBase, int]:
    size = archive.getinfo(f"{name}.npy").file_size
    member = cast(BufferedIOBase, archive.open(f"{name}.npy"))
    header = _HEADER.fullmatch(member.read(_HEADER_BYTES))
    if header is None or header[1].decode() != kind.str or size != _HEADER_BYTES + int(header[2]) * kind.itemsize:
        raise InputError(f"{name}.npy is no whole row of {_KINDS[kind]}")
    return member, int(header[2])


def _integers(member: BufferedIOBase, count: int) -> Int32[np.ndarray, " _"]:
    with member:
        content = member.read(count * _INTEGERS.itemsize)
    if len(content) != count * _INTEGERS.itemsize:
        raise InputError("a row is cut short")
    return np.frombuffer(content, _INTEGERS).astype(np.int32, copy=False)
