"""The hidden folder inside a run folder in which a new run grows, and the lock that keeps others out.

There is one per run folder. Whoever holds its lock may write into the run folder; what lies in it without a lock was
left by a run that died: one of the same input, engines and settings goes on from there.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fast_snow.errors import OutputError
from fast_snow.output.record import HIDDEN, exists
from fast_snow.untrusted_files import shown

_LOCK: Final = "lock"
_FOLDERS: Final = ("new", "placing", "old", "resume")
_JOURNAL: Final = "journal.json"
_ATTEMPTS: Final = 100
"""So often the folder may vanish before it is locked: runs that end at that moment take it away."""

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Workspace:
    """The parts of the hidden folder.

    Attributes:
        out: the run folder.
        folder: the hidden folder itself.
        new: where the new run grows.
        placing: what `new` is called once the old run is out of the way.
        old: where the old run waits until the new one is in place.
        resume: what the run could go on from if it died.
        journal: what is being published; exists only meanwhile.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out / HIDDEN
        self.new, self.placing, self.old, self.resume = (self.folder / name for name in _FOLDERS)
        self.journal = self.folder / _JOURNAL

    @property
    def resumable(self) -> bool:
        """Whether a run left something to go on from."""
        return self.resume.is_dir() and any(each.suffix == ".npz" for each in self.resume.rglob("*"))

    def clear(self) -> None:
        """Remove what a run left that is not being published."""
        for name in _FOLDERS:
            if exists(self.folder / name):
                shutil.rmtree(self.folder / name)
        for part in self.folder.glob(f".{_JOURNAL}.*.part"):
            part.unlink()


@contextmanager
def locked(out: Path) -> Iterator[Workspace]:
    """Hold the lock of a run folder; folders that are missing are made, and removed where they stay empty.

    Args:
        out: the run folder, links resolved.

    Yields:
        The workspace; when the block ends it is removed, unless a journal is still in it, or what a run can go on from.

    Raises:
        OutputError: another run is at work in the folder.
        OSError: the folder cannot be made or written.
    """
    made: list[Path] = []
    try:
        descriptor = _acquire(out, made)
        try:
            yield Workspace(out)
        finally:
            try:
                with suppress(OSError):  # what stays is cleared by the next run
                    _remove(Workspace(out))
            finally:
                os.close(descriptor)
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


def _acquire(out: Path, made: list[Path]) -> int:
    workspace = Workspace(out)
    for _ in range(_ATTEMPTS):
        try:
            _make(workspace.folder, made)
            _require_ours(workspace)
            return _lock(workspace.folder / _LOCK)
        except FileNotFoundError:
            continue
    raise OutputError(f"{shown(out)}: cannot be made, or other runs keep starting in it; choose another with -o")


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder with its parents and note which were missing."""
    for path in reversed([each for each in (folder, *folder.parents) if not exists(each)]):
        with suppress(FileExistsError):
            path.mkdir()
            if path not in made:
                made.append(path)


def _require_ours(workspace: Workspace) -> None:
    known = {_LOCK, _JOURNAL, *_FOLDERS}
    hidden = workspace.folder
    if hidden.is_symlink() or not hidden.is_dir():
        raise OutputError(f"{shown(hidden)}: is not a folder of Fast-SNOW; move it away or choose another with -o")
    for entry in hidden.iterdir():
        part = entry.name.startswith(f".{_JOURNAL}.") and entry.name.endswith(".part")
        if entry.is_symlink() or not (part or entry.name in known):
            raise OutputError(
                f"{shown(entry)}: Fast-SNOW did not write it, so it stays; move it away or choose another with -o"
            )


def _lock(path: Path) -> int:
    """Return the open lock file.

    Raises:
        FileNotFoundError: another run removed it meanwhile.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor, created = os.open(path, flags | os.O_EXCL, 0o666), True
    except FileExistsError:
        descriptor, created = os.open(path, flags & ~os.O_CREAT), False
    try:
        _take_or_refuse(descriptor, path, created=created)
        if not os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116 (beside fstat)
            raise FileNotFoundError
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _take_or_refuse(descriptor: int, path: Path, *, created: bool) -> None:
    out = shown(path.parent.parent)
    try:
        _take(descriptor)
    except (BlockingIOError, PermissionError):
        raise OutputError(f"{out}: another run is at work in it; wait for it or choose another with -o") from None
    except OSError:  # a file system without locks: the file itself is the lock
        if not created:
            raise OutputError(
                f"{out}: another run is at work in it; where none is, one has died: remove {shown(path)} and try again"
            ) from None


def _remove(workspace: Workspace) -> None:
    if exists(workspace.journal) or workspace.resumable or not exists(workspace.folder):
        return
    workspace.clear()
    (workspace.folder / _LOCK).unlink(missing_ok=True)
    workspace.folder.rmdir()
