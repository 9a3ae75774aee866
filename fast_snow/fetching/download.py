"""Downloads one file with the client of huggingface_hub, which resumes and retries; failures become one line."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get

from fast_snow.errors import FastSnowError, OutputError, UserError, first_line
from fast_snow.weights import Weights

if TYPE_CHECKING:
    from fast_snow.fetching.published_digests import Published

_ClientError: Any = HfHubHTTPError.__bases__[0]
"""Base of what the HTTP client raises; which client that is depends on the version of huggingface_hub."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_AGAIN = "run the same command again"
_MB = 1_000_000


def download(source: "Published", part: Path, report: Callable[[int, int], None]) -> None:
    """Complete a part file; what it already holds is not downloaded again.

    `report` receives how many bytes there are, and how many there will be (0: unknown). On failure the part file is
    kept if it holds anything.

    Raises:
        OutputError: the disk is full or the folder not writable.
        FastSnowError: the connection was lost, or the server offers a file of another size.
    """
    if source.size is not None and _size(part) > source.size:
        part.unlink()
    while True:
        before = _size(part)
        try:
            return _resume(source, part, report)
        except HfHubHTTPError as error:
            if not before or error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            part.unlink()  # complete or too long, where the size is not published
        except _ClientError as error:
            done, total = _size(part), f" of {source.size / _MB:.1f}" if source.size else ""
            if not done:
                raise
            if done <= before:  # otherwise, as after a reset connection, resume at once
                raise FastSnowError(
                    f"{source.url}: connection lost at {done / _MB:.1f}{total} MB ({first_line(error)}); the partial"
                    f" file is kept: {_AGAIN} to resume"
                ) from error


def _resume(source: "Published", part: Path, report: Callable[[int, int], None]) -> None:
    headers = {"User-Agent": "fast-snow", "Accept-Encoding": "identity", **source.headers}
    size, bar = _size(part), _bar(source, part.parent, report)
    try:
        with part.open("ab") as file:
            http_get(source.url, file, resume_size=size, headers=headers, expected_size=source.size, tqdm_class=bar)
            file.flush()
            os.fsync(file.fileno())
    except (HfHubHTTPError, OfflineModeIsEnabled):
        raise
    except OSError as error:
        if error.errno is None:  # http_get found fewer bytes than it expected
            raise FastSnowError(f"{source.url}: {first_line(error)}; {_AGAIN} to resume") from error
        advice = "make room" if error.errno in _FULL else "fix that"
        raise OutputError(f"{part}: cannot be written ({error.strerror}): {advice}, then {_AGAIN} to resume") from error
    finally:
        if part.is_file() and not _size(part):
            part.unlink()


def _bar(source: "Published", folder: Path, report: Callable[[int, int], None]) -> Any:  # noqa: ANN401 (as tqdm)
    class Bar:
        """What `http_get` reports to; refuses a wrong size and what does not fit before the first byte."""

        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.done, self.total = initial, total or 0
            if source.size is not None and total not in (None, source.size):
                raise FastSnowError(f"{source.url}: offers {total} bytes, expected the published {source.size}")
            needed, free = self.total - initial, shutil.disk_usage(folder).free
            if needed > free:
                raise OutputError(
                    f"{folder}: needs {needed / _MB:.0f} MB, but {free / _MB:.0f} MB are free: make room, then {_AGAIN}"
                )
            report(self.done, self.total)

        def update(self, count: int) -> None:
            self.done += count
            report(self.done, self.total)

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing to close."""

    return Bar


@contextmanager
def explained(weights: Weights, url: str) -> Iterator[None]:
    """Turn what the HTTP client raises into one line that says what to do."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise UserError(f"{weights.name}: HF_HUB_OFFLINE is set: unset it to download") from error
    except HfHubHTTPError as error:
        raise refused(weights, url, error.response.status_code) from error
    except _ClientError as error:
        raise FastSnowError(
            f"{urlsplit(url).hostname}: cannot be reached ({first_line(error)}): check the connection and the proxy"
            f" settings, then {_AGAIN}; or download the files by hand (docs/models.md)"
        ) from error


def refused(weights: Weights, url: str, status: int) -> FastSnowError:
    """Return what an HTTP error status means for the user."""
    page = weights.source.page
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        advice = f"{page} denies access: a stored token may have expired: run hf auth login (or logout)"
        if weights.gated:
            advice = (
                f"gated, its owner must grant you access: accept the {weights.licence} at {page}, run hf auth login"
            )
        return UserError(f"{weights.name}: {advice}, then fast-snow fetch-models {weights.name} again")
    if status == HTTPStatus.NOT_FOUND:
        return FastSnowError(f"{url}: not found (404): check {page} whether it was renamed")
    return FastSnowError(f"{url}: the server answered {status}: {_AGAIN} later")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
