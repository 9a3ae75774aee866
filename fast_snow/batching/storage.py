"""Inputs and outputs in object storage, through fsspec; credentials come from the environment alone."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from fast_snow.errors import ConfigError, InputError, OutputError, UserError
from fast_snow.output import GRAPH, RECORD


def is_remote(address: str) -> bool:
    """Tell whether an address is a URL, such as `s3://bucket/clip.mp4`."""
    return "://" in address


def matching(pattern: str) -> list[str]:
    """Return the URLs that match a pattern, sorted.

    Raises:
        InputError: the storage cannot be read.
    """
    system, path = _opened(pattern)
    with _one_line(InputError, pattern, "listed"):
        return sorted(str(system.unstrip_protocol(each)) for each in system.glob(path))


def fetch(address: str, folder: Path) -> Path:
    """Copy a file or a folder from object storage, unless a copy of the same size and time is there.

    Args:
        address: its URL; a path is returned as it is.
        folder: where the copy goes.

    Returns:
        The path of the copy, with the time of the original.

    Raises:
        InputError: it is missing or cannot be read.
    """
    if not is_remote(address):
        return Path(address).expanduser()
    system, path = _opened(address)
    target = folder / PurePosixPath(path).name
    with _one_line(InputError, address, "read"):
        entries = {path: system.info(path)} if system.isfile(path) else system.find(path, detail=True)
        if not entries:
            raise FileNotFoundError(path)
        for name, info in entries.items():
            inside = PurePosixPath(name).relative_to(path)
            if ".." in (*inside.parts, target.name):  # names of objects are any text
                raise ValueError(name)
            _copy(system, name, info, target / inside)
    return target


def upload(folder: Path, address: str) -> None:
    """Copy a finished run to object storage, its graph last, and remove the local one.

    Raises:
        OutputError: it cannot be written.
    """
    system, root = _opened(address)
    files = sorted((each for each in folder.rglob("*") if each.is_file()), key=lambda each: (each.name == GRAPH, each))
    with _one_line(OutputError, address, "written"):
        for each in files:
            target = f"{root}/{each.relative_to(folder).as_posix()}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(each), target)
    shutil.rmtree(folder)


def upload_files(folder: Path, address: str) -> None:
    """Copy the tables and logs of a batch to object storage; they stay here, too."""
    system, root = _opened(address)
    with _one_line(OutputError, address, "written"):
        system.makedirs(root, exist_ok=True)
        for each in sorted(each for each in folder.iterdir() if each.is_file()):
            system.put_file(str(each), f"{root}/{each.name}")


def fetch_record(address: str, folder: Path) -> None:
    """Copy the record of a finished run, if there is one, so that it is known again."""
    system, root = _opened(address)
    with _one_line(OutputError, address, "read"):
        if system.exists(f"{root}/{GRAPH}"):
            folder.mkdir(parents=True, exist_ok=True)
            system.get_file(f"{root}/{RECORD}", str(folder / RECORD))


def hidden(address: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _opened(address: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise ConfigError(f'{hidden(address)}: needs fsspec: uv pip install -e ".[cluster]"') from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{hidden(address)}: cannot be opened: {error}") from error
    return system, str(path).rstrip("/")


@contextmanager
def _one_line(kind: type[UserError], address: str, what: str) -> Iterator[None]:
    """Turn whatever a storage raises, which may hold credentials, into one line."""
    try:
        yield
    except Exception as error:
        raise kind(
            f"{hidden(address)}: cannot be {what} ({type(error).__name__}), expected storage that the credentials of"
            " the environment open"
        ) from error


def _copy(system: Any, name: str, info: Any, copy: Path) -> None:  # noqa: ANN401 (fsspec has no types)
    try:
        modified = system.modified(name).timestamp()
    except NotImplementedError:  # http does not tell
        modified = None
    if copy.is_file() and (copy.stat().st_size, copy.stat().st_mtime) == (info["size"], modified):
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    system.get_file(name, str(copy))
    if modified is not None:
        os.utime(copy, (modified, modified))
