"""Untrusted files: regular, inside their folder, and bounded before anything of them is allocated.

Everything that a user or a stranger gave is opened here: documents, tables, images and archives.
"""

import codecs
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.limits import PATH_LENGTH, Limit

_PIECE: Final = 2**20
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def open_file(path: Path, *, limit: Limit | None = None, within: Path | None = None) -> BufferedReader:
    """Open a regular file for reading; never waits, as a FIFO would make it.

    Args:
        path: of the file; links are followed.
        limit: how many bytes it may have; None where it is read piece by piece.
        within: the folder that the file, links followed, must not lie outside of; None allows any place.

    Returns:
        The open file; the caller closes it.

    Raises:
        InputError: it is missing, no regular file, too large, outside its folder, or may not be read.
    """
    try:
        if within is not None:
            require_inside(path, within)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: NUL in a path; RuntimeError: a circle of links
        reason = getattr(error, "strerror", None) or "no valid path"
        raise InputError(f"{shown(path)}: cannot be read ({reason}); expected a regular file") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{shown(path)}: is {_kind(status.st_mode)}, expected a regular file: replace it")
        if limit is not None and status.st_size > limit.largest:
            raise InputError(
                f"{shown(path)}: has {status.st_size} bytes, expected at most {limit.largest} ({limit.name})"
            )
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, *, limit: Limit, within: Path | None = None) -> bytes:
    """Return the content of a regular file, opened as by `open_file`; it may not grow beyond the limit either."""
    with open_file(path, limit=limit, within=within) as file:
        try:
            content = file.read(limit.largest + 1)
        except OSError as error:
            raise InputError(f"{shown(path)}: cannot be read ({error.strerror})") from None
    if len(content) > limit.largest:
        raise InputError(f"{shown(path)}: has more than {limit.largest} bytes ({limit.name}), expected fewer")
    return content


def read_text(path: Path, *, limit: Limit, within: Path | None = None) -> str:
    """Return the text of a regular file in UTF-8, or in UTF-16 with a byte order mark; the mark is left out.

    Raises:
        InputError: as `open_file`, or it is other text or none.
    """
    return "".join(read_pieces(path, limit=limit, within=within))


def read_pieces(path: Path, *, limit: Limit, within: Path | None = None) -> Iterator[str]:
    """Yield the text that `read_text` returns in pieces, so that it need not fit in memory.

    Raises:
        InputError: as `read_text`.
    """
    with open_file(path, limit=limit, within=within) as file:
        head = file.read(len(codecs.BOM_UTF8))
        encoding, begin = next(((name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), ("utf-8", 0))
        decoder = codecs.getincrementaldecoder(encoding)()
        content, done = head[begin:], begin
        while True:
            try:
                content += file.read(_PIECE)
                waiting, final = len(decoder.getstate()[0]), not content
                yield decoder.decode(content, final)
            except OSError as error:
                raise InputError(f"{shown(path)}: cannot be read ({error.strerror})") from None
            except UnicodeDecodeError as error:
                at = done - waiting + error.start
                raise InputError(f"{shown(path)}: byte {at} is not UTF-8, expected text in UTF-8") from None
            done += len(content)
            if final:
                return
            if done > limit.largest:
                raise InputError(f"{shown(path)}: has more than {limit.largest} bytes ({limit.name}), expected fewer")
            content = b""


def require_inside(path: Path, folder: Path) -> None:
    """Refuse a path that, links followed, leads out of a folder.

    Raises:
        InputError: it does.
        OSError: there is nothing.
        ValueError: it is no valid path.
    """
    actual = path.resolve(strict=True)
    if not actual.is_relative_to(folder.resolve(strict=True)):
        raise InputError(
            f"{shown(path)}: a link that leads out of {shown(folder)}, expected a file inside it: replace the link by a"
            " copy"
        )


def inside(folder: Path, name: str, where: str) -> Path:
    """Return the file that a document (`where`) names, relative to a folder that it must not lie outside of.

    Links are followed where it is opened.

    Raises:
        InputError: the name is absolute, leads outside, or is no path.
    """
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name or len(name) > PATH_LENGTH.largest:
        raise InputError(
            f"{where}: {shown(Path(name[:80]))} lies outside the folder or is no path; expected one like"
            " rgb/000000.png: correct it"
        )
    return folder / relative


def shown(path: Path) -> str:
    """Return a path as a message can hold it: in one line, whatever bytes its name has."""
    return str(path).encode("utf-8", "backslashreplace").decode().translate(_ESCAPED)


_ESCAPED: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for is_kind, name in kinds if is_kind(mode)), "no file")
