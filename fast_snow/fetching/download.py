"""Downloads one file over HTTP into a part file, and goes on where an earlier attempt stopped."""

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from fast_snow.errors import FastSnowError, OutputError

TIMEOUT_S = 30.0
"""A server that says nothing for so long has gone."""
_CHUNK = 1 << 20
_ATTEMPTS = 20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A file to download.

    Attributes:
        url: its address.
        size: in bytes; None where it is not known.
        secret_headers: sent to this address, and to no other that it redirects to.
    """

    url: str
    size: int | None = None
    secret_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class RefusedError(FastSnowError):
    """The server does not let this user have the file."""


def download(resource: Resource, part: Path, report: Callable[[int, int], None]) -> None:
    """Complete a part file; what it already holds is not downloaded again.

    As long as each attempt brings something, a lost connection is taken up again at once.

    Args:
        resource: what to download.
        part: where to; kept where the download fails.
        report: told how many bytes are there, and how many there will be (0 where that is not known).

    Raises:
        OutputError: the folder is full or not writable.
        RefusedError: access is not granted.
        FastSnowError: the server cannot be reached or does not hold the file.
    """
    for _ in range(_ATTEMPTS):
        before = _size(part)
        try:
            total = _go_on(resource, part, report)
        except (OSError, HTTPException) as error:
            total, reason = resource.size, str(error) or type(error).__name__
        else:
            reason = "the server ended it early"
            if total is None or _size(part) == total:
                return
        if _size(part) <= before:
            break
    of = "" if total is None else f" of {total / _MB:.1f}"
    raise FastSnowError(
        f"{resource.url}: the download broke off ({reason}) at {_size(part) / _MB:.1f}{of} MB; they are kept: run the"
        " same command again to go on from there"
    )


def unreachable(url: str, error: BaseException) -> FastSnowError:
    """Say that a server was not reached."""
    reason = error.reason if isinstance(error, URLError) else error
    return FastSnowError(
        f"{urlsplit(url).hostname}: cannot be reached ({reason}): check the connection and the proxy settings, then run"
        " the same command again; or bring the files by hand (docs/models.md)"
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _go_on(resource: Resource, part: Path, report: Callable[[int, int], None]) -> int | None:
    """Append what a part file lacks, as far as the connection holds; return the size of the whole, if known."""
    offset = _size(part)
    if resource.size is not None and offset >= resource.size:
        if offset == resource.size:
            return offset
        part.unlink()
        offset = 0
    with _answer(resource, offset) as answer:
        offset = offset if answer.status == HTTPStatus.PARTIAL_CONTENT else 0
        length = answer.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdecimal() else resource.size
        if resource.size not in (None, total):
            raise FastSnowError(
                f"{resource.url}: offers {total} bytes, not the {resource.size} that were stated: try later"
            )
        _expect_room(part, (total or 0) - offset)
        with _opened(part, offset) as file:
            report(offset, total or 0)
            while chunk := answer.read(_CHUNK):
                _write(file, chunk, part)
                offset += len(chunk)
                report(offset, total or 0)
            _flush(file, part)
    return total


def _answer(resource: Resource, offset: int) -> HTTPResponse:
    """Ask for what follows `offset`; a server that cannot do that is asked for everything."""
    request = Request(resource.url, headers={"User-Agent": "fast-snow"})
    for key, value in resource.secret_headers.items():
        request.add_unredirected_header(key, value)
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        answer: HTTPResponse = urlopen(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            return _answer(resource, 0)
        raise _failure(resource.url, error.code) from error
    except (URLError, TimeoutError) as error:
        raise unreachable(resource.url, error) from error
    expected = f"bytes {offset}-"
    if answer.status == HTTPStatus.PARTIAL_CONTENT and not answer.headers.get("Content-Range", "").startswith(expected):
        answer.close()
        return _answer(resource, 0)
    return answer


def _failure(url: str, status: int) -> FastSnowError:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RefusedError(f"{url}: the server refuses access ({status})")
    if status == HTTPStatus.NOT_FOUND:
        return FastSnowError(f"{url}: is not there (404); is it renamed?")
    return FastSnowError(f"{url}: the server answered {status}: run the same command again later")


def _expect_room(part: Path, needed: int) -> None:
    """Refuse before the first byte what cannot fit."""
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OutputError(
            f"{part.parent}: {needed / _MB:.0f} MB are to come, but {free / _MB:.0f} MB are free: make room, then run"
            " the same command again"
        )


def _opened(part: Path, offset: int) -> BinaryIO:
    try:
        return part.open("ab" if offset else "wb", buffering=0)
    except OSError as error:
        raise OutputError(
            f"{part}: cannot be written ({error.strerror}): expected a folder you may write to"
        ) from error


def _write(file: BinaryIO, chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _not_written(part, error) from error


def _flush(file: BinaryIO, part: Path) -> None:
    """Wait until all is on the disk, which is when some find that they are full."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise _not_written(part, error) from error


def _not_written(part: Path, error: OSError) -> OutputError:
    advice = "make room" if error.errno in _FULL else "mend that"
    return OutputError(
        f"{part}: cannot be written ({error.strerror}): {advice}, then run the same command again to go on"
    )
