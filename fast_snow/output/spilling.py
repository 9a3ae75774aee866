"""Masks and pictures of a run in memory: they lie in a temporary folder, removed with the last that refers to it."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, overload

import numpy as np

from fast_snow.errors import OutputError
from fast_snow.keyframes import KeyframeImage, depth_path
from fast_snow.output.mask_files import FRAMES_PER_FILE, mask_arrays, read_mask_file
from fast_snow.types import LabelledMasks

T = TypeVar("T")


class Spilled(Sequence[T]):
    """An immutable sequence whose entries lie in files; those of the file read last stay in memory."""

    def __init__(
        self, folder: "_Folder", files: Sequence[tuple[Path, int]], read: Callable[[Path], Sequence[T]]
    ) -> None:
        self._folder, self._files, self._read = folder, files, lru_cache(maxsize=1)(read)
        self._begin = np.cumsum([0, *(count for _, count in files)])

    def __len__(self) -> int:
        return int(self._begin[-1])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Return one entry, or several as a tuple."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        i = range(len(self))[index]
        k = int(np.searchsorted(self._begin, i, side="right")) - 1
        return self._read(self._files[k][0])[i - int(self._begin[k])]

    def __repr__(self) -> str:
        return f"<{len(self):,} on disk>"


class Spill:
    """Takes the masks and keyframes of a run as they come."""

    def __init__(self) -> None:
        self._folder = _Folder()
        self._masks: list[tuple[Path, int]] = []
        self._images: list[tuple[Path, int]] = []

    def add(self, labelled: Sequence[LabelledMasks], keyframes: Sequence[KeyframeImage]) -> None:
        """Store what one window adds.

        Raises:
            OutputError: there is no room.
        """
        try:
            for first in range(0, len(labelled), FRAMES_PER_FILE):
                some = labelled[first : first + FRAMES_PER_FILE]
                path = self._folder.path / f"{len(self._masks):06d}.npz"
                np.savez_compressed(path, **mask_arrays(some))
                self._masks.append((path, len(some)))
            for image in keyframes:
                for name, data in image.files():
                    path = self._folder.path / name
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(data)
                self._images.append((self._folder.path / image.path, 1))
        except OSError as error:
            raise OutputError(
                f"{self._folder.path}: cannot be written ({error.strerror}); free some space or set TMPDIR"
            ) from error

    @property
    def labelled(self) -> Spilled[LabelledMasks]:
        """The masks of all frames so far."""
        return Spilled(self._folder, tuple(self._masks), read_mask_file)

    @property
    def keyframes(self) -> Spilled[KeyframeImage]:
        """The images of all keyframes so far."""
        return Spilled(self._folder, tuple(self._images), self._folder.image)


class _Folder:
    """A temporary folder that is removed with the last value that refers to it, or when Python ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="fast-snow-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def image(self, path: Path) -> tuple[KeyframeImage]:
        beside = Path(depth_path(str(path)))
        depth = beside.read_bytes() if beside.exists() else b""
        return (KeyframeImage(path=path.relative_to(self.path).as_posix(), jpeg=path.read_bytes(), depth=depth),)
