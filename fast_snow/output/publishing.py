"""Putting a finished run in place: whole, or not at all, whenever the process is killed.

The journal names what comes and what goes, with digests. While it exists, the next run finishes what it says:

1. The old run's files are taken aside, `4dsg.json` first.
2. The new files are placed, `4dsg.json` last. Nothing is ever written over: a name that is taken stops it.
3. The journal is removed, then the old files.

Where that is stopped, everything goes back and the finished run is kept beside the old one. See
`docs/adr/006-output-folder.md`.
"""

import errno
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fast_snow import untrusted_json
from fast_snow.atomic_files import flush_folder, store
from fast_snow.errors import FastSnowWarning, InputError, OutputError
from fast_snow.limits import RUN_RECORD_FILE
from fast_snow.output.record import GRAPH, RECORD, digest, exists, inside
from fast_snow.output.workspace import Workspace
from fast_snow.untrusted_files import shown

KEPT: Final = "unpublished"
_NO_LINKS: Final = (
    *(errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK),  # a file system without hard links
    *(errno.ENOSPC, errno.EDQUOT),  # or without room for one more
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is being published.

    Attributes:
        new: the files of the new run and their digests.
        old: the files of the old run and their digests.
    """

    new: Mapping[str, str]
    old: Mapping[str, str]


def publish(workspace: Workspace, journal: Journal) -> None:
    """Put the run that grew in a workspace in place of the old one.

    Raises:
        OutputError: something has a name that the new run needs, or the disk is full; the finished run is kept, and the
            message says where.
    """
    try:
        for name in journal.new:
            if name not in journal.old and exists(inside(workspace.out, name)):
                raise OutputError(f"{shown(workspace.out / name)}: appeared while the run worked, and stays")
        store(workspace.journal, json.dumps({"new": dict(journal.new), "old": dict(journal.old)}).encode())
        shutil.rmtree(workspace.resume, ignore_errors=True)  # from here on the finished run is what is gone on from
        _settle(workspace, journal)
    except (OSError, OutputError) as error:
        if exists(workspace.journal):  # it could not be undone either: the next run tries again
            raise
        reason = str(error) if isinstance(error, OutputError) else f"{shown(workspace.out)}: {error.strerror}"
        raise OutputError(f"{reason}; the finished run is kept in {shown(_keep(workspace))}") from error


def recover(workspace: Workspace, *, resumable: bool = False) -> None:
    """Finish what a run that was killed had begun to publish, and clear what it left.

    Args:
        workspace: of the run folder.
        resumable: whether what a run could go on from stays.

    Raises:
        OutputError: its journal is damaged.
    """
    if exists(workspace.journal):
        journal, out = _read(workspace), shown(workspace.out)
        try:
            _settle(workspace, journal)
            message = f"{out}: a run that was interrupted while it took its place is now in place"
        except (OSError, OutputError) as error:
            if exists(workspace.journal):
                raise
            kept = shown(_keep(workspace))
            message = f"{out}: a run that was interrupted could not take its place ({error}); it is kept in {kept}"
        workspace.clear()
        warnings.warn(message, FastSnowWarning, stacklevel=2)
    if not (resumable and workspace.resumable):
        workspace.clear()


def _settle(workspace: Workspace, journal: Journal) -> None:
    """Place the new run, or put the old one back and raise."""
    try:
        if not exists(workspace.placing):
            _take_aside(workspace, journal.old)
            workspace.new.rename(workspace.placing)
        _place(workspace, journal.new)
    except BaseException:
        _put_back(workspace, journal)
        workspace.journal.unlink()
        raise
    with suppress(OSError):  # the run is in place; the next one clears what is left
        _remove_empty_folders(workspace.out, journal.old)
        workspace.journal.unlink()


def _take_aside(workspace: Workspace, old: Mapping[str, str]) -> None:
    for name in _graph_last(old)[::-1]:
        source, target = inside(workspace.out, name), inside(workspace.old, name)
        if exists(source) and not exists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
    for name, sha256 in old.items():
        if exists(workspace.old / name) and digest(workspace.old / name) != sha256:
            raise OutputError(f"{shown(workspace.out / name)}: was changed while the run worked, and stays")
    flush_folder(workspace.folder)


def _place(workspace: Workspace, new: Mapping[str, str]) -> None:
    for name in _graph_last(new):
        source, target = inside(workspace.placing, name), inside(workspace.out, name)
        if exists(source):
            if digest(source) != new[name]:
                raise OutputError(f"{shown(source)}: was changed before it was placed")
            target.parent.mkdir(exist_ok=True)
            _move(source, target, new[name])
    for folder in {(workspace.out / name).parent for name in new}:
        flush_folder(folder)


def _put_back(workspace: Workspace, journal: Journal) -> None:
    if exists(workspace.placing):
        for name in _graph_last(journal.new)[::-1]:
            placed, source = inside(workspace.out, name), inside(workspace.placing, name)
            if digest(placed) == journal.new[name]:
                if exists(source):
                    placed.unlink()
                else:
                    placed.rename(source)
    _remove_empty_folders(workspace.out, journal.new)
    for name in _graph_last(journal.old):
        source, target = inside(workspace.old, name), inside(workspace.out, name)
        if exists(source):
            if exists(target) and digest(target) != journal.old[name]:
                raise OutputError(
                    f"{shown(target)}: has the name of a file of the old run, which waits in {shown(workspace.old)};"
                    " move it away and try again"
                )
            target.parent.mkdir(exist_ok=True)
            _move(source, target, journal.old[name])


def _move(source: Path, target: Path, sha256: str) -> None:
    """Rename a file; unlike `rename`, never over another, unless a process that was killed had begun with this one.

    Raises:
        OutputError: something has the new name.
    """
    taken = f"{shown(target)}: appeared while the run worked, and stays"
    if not exists(target):
        try:
            os.link(source, target)
        except FileExistsError:
            raise OutputError(taken) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            source.rename(target)
            return
    elif digest(target) != sha256:
        raise OutputError(taken)
    source.unlink()


def _graph_last(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name == GRAPH, name == RECORD, name))


def _remove_empty_folders(out: Path, names: Iterable[str]) -> None:
    for folder in {(out / name).parent for name in names} - {out}:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _keep(workspace: Workspace) -> Path:
    """Move the finished run to a name of its own in the run folder, and return it."""
    shutil.rmtree(workspace.resume, ignore_errors=True)
    finished = workspace.placing if exists(workspace.placing) else workspace.new
    names = (KEPT if number == 1 else f"{KEPT}-{number}" for number in range(1, 10_000))
    kept = next(path for name in names if not exists(path := workspace.out / name))
    finished.rename(kept)
    return kept


def _read(workspace: Workspace) -> Journal:
    try:
        content: Any = untrusted_json.load(workspace.journal, limit=RUN_RECORD_FILE)
        new, old = content["new"], content["old"]
        for files in (new, old):
            for name, sha256 in files.items():
                inside(workspace.out, name)
                inside(workspace.placing, name)
                inside(workspace.old, name)
                if not isinstance(sha256, str):
                    raise TypeError(f"digest of {name}")
        if GRAPH not in new or not (exists(workspace.new) or exists(workspace.placing)):
            raise InputError("no graph to place")
    except (InputError, OutputError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{shown(workspace.journal)}: damaged ({error}); move {shown(workspace.folder)} away: it holds the files of"
            " an interrupted run and perhaps of the run before it"
        ) from None
    return Journal(new=new, old=old)
