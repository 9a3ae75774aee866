"""Files that are complete or absent."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path

from fast_snow.errors import OutputError


def store(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that `path` never holds half of it: under a temporary name beside it, flushed, then renamed.

    Args:
        path: where the file shall be; one that is there is replaced.
        data: the whole content.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    with storing(path) as file:
        file.write(data)


@contextmanager
def storing(path: Path) -> Iterator[BufferedWriter]:
    """Yield a file to write piece by piece, as `store` does and raises; where the block fails, there is none."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}), expected an existing folder with room that you may write to"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make a rename outlive a power cut, where the system can open folders at all."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
