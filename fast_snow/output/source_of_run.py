"""The file or folder that a run reads: kept apart from where the run writes, and known again later."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fast_snow.errors import FastSnowWarning, OutputError
from fast_snow.untrusted_files import shown

_PARTS: Final = ("color", "rgb", "depth", "masks")
_DEEP_PARTS: Final = (
    *("pose", "intrinsic", "instance", "instance-filt"),  # ScanNet
    *("iphone", "results", "lowres_wide", "lowres_depth", "lowres_wide_intrinsics"),  # ScanNet++, Replica, ARKitScenes
    *("images", "sparse", "videos"),  # COLMAP, transforms.json, LeRobot
)
"""Folders of which every file, at any depth, belongs to the input."""
_TABLES: Final = (
    *("meta.json", "poses_c2w.txt", "rgb.txt", "depth.txt", "groundtruth.txt"),
    *("transforms.json", "traj.txt", "lowres_wide.traj", "metadata.yaml", "meta/info.json"),
)
_BAGS: Final = (".mcap", ".db3", ".zstd")
_IMAGES: Final = (".jpg", ".jpeg", ".png", ".webp", ".npy", ".tif", ".tiff", ".exr")


@dataclass(frozen=True)
class SourceOfRun:
    """What a run reads, as it was before the work began.

    Attributes:
        path: of the file or folder.
        state: sizes and times of its files.
    """

    path: Path
    state: tuple[tuple[bytes, int, int], ...]

    def as_json(self) -> dict[str, Any]:
        """Return what the record says of it: bytes, time of the last change and digest, null where it has changed."""
        if not self.state or _state(self.path) != self.state:
            message = (
                f"{shown(self.path)}: changed while the run read it, or is no regular file: its digest is not recorded"
            )
            warnings.warn(message, FastSnowWarning, stacklevel=2)
            return dict.fromkeys(("bytes", "modified", "sha256"))
        modified_ns = max(modified_ns for _, _, modified_ns in self.state)
        return {
            "bytes": sum(size for _, size, _ in self.state),
            "modified": datetime.fromtimestamp(modified_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
            "sha256": self._sha256,
        }

    @cached_property
    def _sha256(self) -> str:  # the run asks at its beginning and at its end: videos are large
        return _digest(self.path, self.state)


def source_of_run(path: Path) -> SourceOfRun:
    """Note what a run is about to read."""
    return SourceOfRun(path, _state(path))


def is_unchanged(path: Path, recorded: dict[str, Any]) -> bool:
    """Return whether a path still has the size and the digest that a record says.

    Args:
        path: of the file or folder.
        recorded: `input` in the record of the run.
    """
    try:
        state = _state(path)
        same_size = bool(state) and sum(size for _, size, _ in state) == recorded.get("bytes")
        return same_size and _digest(path, state) == recorded.get("sha256")
    except (OSError, ValueError):  # ValueError: a null character
        return False


def require_apart(out: Path, source: Path) -> None:
    """Refuse an output folder that is the input, holds it, or lies inside what it is made of.

    Args:
        out: the output folder, links resolved.
        source: the input.

    Raises:
        OutputError: they are not apart.
    """
    recording, parts = source.resolve(), [each.resolve() for each in _parts(source)]
    for path in (recording, *parts):
        if any(_same(out, each) for each in (path, *path.parents)):
            raise OutputError(f"{shown(out)}: is the input or holds it ({shown(path)}); choose another folder with -o")
    for path in parts:
        if any(_same(path, each) for each in out.parents):
            raise OutputError(f"{shown(out)}: lies inside the input ({shown(path)}); choose another folder with -o")


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _parts(source: Path) -> list[Path]:
    """Return the folders that a recording is made of, or that one of its kind would be, and none for a file."""
    if not source.is_dir():
        return []
    return [
        *(source / name for name in (*_PARTS, *_DEEP_PARTS)),
        *(each for each in source.iterdir() if _holds_images(each)),
    ]


def _holds_images(folder: Path) -> bool:
    try:
        return folder.is_dir() and next(_images(folder), None) is not None
    except OSError:  # it may not be read: then it is no part of the input
        return False


def _images(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if each.suffix.lower() in _IMAGES and not each.name.startswith("."))


def _state(path: Path) -> tuple[tuple[bytes, int, int], ...]:
    """Return name, size and time of the files at a path: the file, or what a recording reads."""
    if path.is_file():
        files = [path]
    elif path.is_dir():
        folders = [path, *(path / name for name in _PARTS if (path / name).is_dir())]
        tables = [path / name for name in _TABLES if (path / name).is_file()]
        deep = [each for name in _DEEP_PARTS for each in (path / name).rglob("*") if not each.name.startswith(".")]
        bags = [each for each in path.iterdir() if each.suffix in _BAGS]
        images = (each for folder in folders for each in _images(folder))
        files = [*tables, *(each for each in (*images, *deep, *bags) if each.is_file())]
    else:
        return ()
    entries = ((os.fsencode(each.relative_to(path)), each.stat()) for each in files)
    return tuple(sorted((name, status.st_size, status.st_mtime_ns) for name, status in entries))


def _digest(path: Path, state: tuple[tuple[bytes, int, int], ...]) -> str:
    """Return the SHA-256 of a file's content, or of a recording's names, sizes and times."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(repr(state).encode()).hexdigest()
