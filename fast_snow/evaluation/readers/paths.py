"""Paths of a manifest: always below the data root, whatever the manifest or a link says."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from fast_snow.errors import InputError
from fast_snow.limits import PATH_LENGTH


def check_relative(path: str) -> None:
    """Refuse a path that could lead out of the folder it is relative to.

    Raises:
        InputError: it is absolute, has `..`, or is written for one system alone.
    """
    pure = PurePosixPath(path)
    odd = (
        not path.isprintable() or len(path) > PATH_LENGTH.largest or "\\" in path or bool(PureWindowsPath(path).anchor)
    )
    if odd or not pure.parts or pure.is_absolute() or ".." in pure.parts:
        raise InputError(f"got the path {path[:80]!r}, expected one below the data root with / between its parts")


def locate(root: Path, path: str) -> Path:
    """Return where a manifest's path is, with nothing at it or below it that leads out of the data root.

    Args:
        root: the data root.
        path: relative to it.

    Raises:
        InputError: there is nothing, or a link leads elsewhere.
    """
    check_relative(path)
    found = root / path
    try:
        if not found.exists():
            raise InputError(
                f"{found}: no such file or folder; expected it below the data root: fetch it or name the root"
            )
        bounds = root.resolve()
        for each in (found, *files_below(found)):
            if not each.resolve().is_relative_to(bounds):
                raise InputError(f"{each}: a link that leads out of the data root; replace it by what it points to")
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise InputError(f"{found}: cannot be read ({getattr(error, 'strerror', error)})") from None
    return found


def files_below(folder: Path) -> Iterator[Path]:
    """Yield what is not a folder below a folder, by name; links to folders are not followed."""
    remaining = [folder] if folder.is_dir() else []
    while remaining:
        each = remaining.pop()
        if each is folder or (each.is_dir() and not each.is_symlink()):
            remaining += sorted(each.iterdir(), key=lambda path: os.fsencode(path.name), reverse=True)
        else:
            yield each
