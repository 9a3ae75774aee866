"""Writing a run folder: the files grow in a hidden folder inside it, and take their places when all are there."""

import errno
import hashlib
import io
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fast_snow.atomic_files import store
from fast_snow.errors import FastSnowWarning, InputError, OutputError
from fast_snow.keyframes import KeyframeImage
from fast_snow.limits import SMALL_JSON_FILE
from fast_snow.output import checkpoint, graph_json, source_of_run
from fast_snow.output.checkpoint import Checkpoint
from fast_snow.output.growing import GROWING
from fast_snow.output.mask_files import FRAMES_PER_FILE, mask_arrays
from fast_snow.output.publishing import Journal, publish, recover
from fast_snow.output.record import (
    GRAPH,
    KEYFRAMES,
    MASKS,
    PERCEPTION,
    RECORD,
    SEAL,
    digest,
    exists,
    inside,
    owned_files,
    read_record,
    sealed,
)
from fast_snow.output.workspace import Workspace, locked
from fast_snow.types import LabelledMasks, SceneGraph
from fast_snow.untrusted_files import read_text, shown

_KEY = "key"


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Writes the files of a run that is not in place yet.

    Attributes:
        workspace: where the files grow.
        files: what was written so far: name, SHA-256 and bytes.
    """

    workspace: Workspace
    files: dict[str, dict[str, str | int]] = field(default_factory=dict)

    @property
    def perception(self) -> Path:
        """Where the perception files of the run lie while it works."""
        return self.workspace.resume / PERCEPTION

    def go_on(self, perception_key: str, fold_key: str) -> Checkpoint | None:
        """Take up what a dead run left, if it was of the same input, engines and settings; else clear it.

        Args:
            perception_key: of the run; with another one nothing of the dead run is used.
            fold_key: of the run; with another one only perception files are.

        Returns:
            Where the dead run was; None where this one begins anew.

        Raises:
            OutputError: the folder cannot be written or is full.
        """
        workspace = self.workspace
        with _one_line_errors(workspace.out):
            found, reason = None, _foreign(workspace, perception_key)
            if not reason:
                try:
                    found = checkpoint.load(workspace.resume, fold_key)
                    self._take_up(found)
                except (InputError, OutputError) as error:
                    found, reason = None, str(error)
            if reason:
                if workspace.resumable:
                    message = f"{shown(workspace.out)}: what an interrupted run had done is not used: {reason}"
                    warnings.warn(message, FastSnowWarning, stacklevel=2)
                workspace.clear()
            if found is None:
                self.files.clear()
                shutil.rmtree(workspace.new, ignore_errors=True)
            _prepare(workspace.new)
            self.perception.mkdir(parents=True, exist_ok=True)
            store(workspace.resume / _KEY, perception_key.encode())
        return found

    def checkpoint(self, now: Checkpoint, before: Checkpoint | None) -> Checkpoint:
        """Store what is done, so that another process can go on from there; arguments as `checkpoint.store`.

        Raises:
            OutputError: the folder cannot be written or is full.
        """
        files = (checkpoint.WrittenFile(name=name, **entry) for name, entry in self.files.items())  # type: ignore[arg-type]
        with _one_line_errors(self.workspace.out):
            return checkpoint.store(self.workspace.resume, replace(now, files=tuple(files)), before)

    def keep_perception(self, folder: Path) -> None:
        """Make perception files part of the run.

        Args:
            folder: where they lie; they stay.
        """
        for path in sorted(folder.glob("[0-9]*.npz")):
            name = f"{PERCEPTION}/{path.name}"
            with _one_line_errors(self.workspace.out):
                target = inside(self.workspace.new, name)
                target.parent.mkdir(exist_ok=True)
                try:
                    os.link(path, target)
                except OSError:  # a file system without hard links
                    shutil.copyfile(path, target)
            self.files[name] = {"sha256": str(digest(target)), "bytes": target.stat().st_size}

    def _take_up(self, found: Checkpoint | None) -> None:
        """Keep the files that a checkpoint names and remove what was written after it.

        Raises:
            OutputError: one of them is missing or was changed.
        """
        new, files = self.workspace.new, found.files if found is not None else ()
        for each in files:
            if digest(inside(new, each.name)) != each.sha256:
                raise OutputError(f"{each.name} is missing or was changed")
            self.files[each.name] = {"sha256": each.sha256, "bytes": each.bytes}
        for path in [each for each in new.rglob("*") if not each.is_dir()]:
            if path.relative_to(new).as_posix() not in self.files:
                path.unlink()

    def add(self, labelled: Sequence[LabelledMasks], keyframes: Iterable[KeyframeImage]) -> None:
        """Store what one window adds: masks in files of at most `FRAMES_PER_FILE` frames each."""
        for name, data in chain.from_iterable(each.files() for each in keyframes):
            self._write(name, data)
        for first in range(0, max(1, len(labelled)), FRAMES_PER_FILE):
            arrays = io.BytesIO()
            np.savez_compressed(arrays, **mask_arrays(labelled[first : first + FRAMES_PER_FILE]))
            number = sum(name.startswith(f"{MASKS}/") for name in self.files)
            self._write(f"{MASKS}/{number:06d}.npz", arrays.getvalue())

    def show(self, graph: SceneGraph) -> None:
        """Let readers see the graph of a run that still grows (`fast-snow mcp`): complete or absent."""
        store(self.workspace.new / GROWING, graph_json.dumps(graph).encode())

    def finish(self, graph: SceneGraph, record: Mapping[str, Any]) -> None:
        """Store the graph and the record of the run, which names all files."""
        growing = self.workspace.new / GROWING
        if growing.exists():
            with _one_line_errors(self.workspace.out):
                growing.unlink()
        self._write(GRAPH, map(str.encode, graph_json.pieces(graph)))
        self._write(RECORD, sealed({**record, "files": dict(self.files)}))

    def _write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        sha256, size = hashlib.sha256(), 0
        with _one_line_errors(self.workspace.out):
            path = inside(self.workspace.new, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for piece in (data,) if isinstance(data, bytes) else data:
                    size += file.write(piece)
                    sha256.update(piece)
                file.flush()
                os.fsync(file.fileno())
        self.files[name] = {"sha256": sha256.hexdigest(), "bytes": size}


def replace_graph(folder: Path, graph: SceneGraph, noted: Mapping[str, Any]) -> None:
    """Put another graph into a run, which keeps its other files.

    Args:
        folder: of the run, whose files nobody changed.
        graph: the new graph.
        noted: what its record says besides.

    Raises:
        InputError: there is no run, or its record is damaged.
        OutputError: as `create`.
    """
    record = read_record(folder)
    with create(folder, overwrite=True) as writer:
        for name in record["files"]:
            if name not in (GRAPH, RECORD) and exists(inside(writer.workspace.out, name)):
                writer._write(name, inside(writer.workspace.out, name).read_bytes())
        kept = {name: value for name, value in record.items() if name not in ("files", SEAL)}
        writer.finish(graph, {**kept, **noted})


@contextmanager
def create(
    folder: Path, *, overwrite: bool = False, source: Path | None = None, resumable: bool = False
) -> Iterator[RunWriter]:
    """Write a run into a folder: it appears when the block ends, and not at all where the block fails.

    Whatever else is in the folder stays. What keeps the run from being written there is refused before the block
    begins. Where an earlier process was killed while it published a run, that is finished first.

    Args:
        folder: where the run belongs; links are followed, and what is missing is made.
        overwrite: whether a run that is already there may be replaced: the files that it recorded, while nobody changed
            them.
        source: the file or folder that the run reads.
        resumable: whether what a dead run left is kept until `RunWriter.go_on` decides; else it is cleared.

    Yields:
        The writer.

    Raises:
        OutputError: the folder cannot be written, is full, is in use, or holds what may not be replaced.
    """
    with _one_line_errors(folder):
        out = _resolved(folder)
        if source is not None:
            source_of_run.require_apart(out, source)
    with ExitStack() as stack:
        with _one_line_errors(out):
            workspace = stack.enter_context(locked(out))
            recover(workspace, resumable=resumable)
            old = owned_files(out, overwrite=overwrite)
            _prepare(workspace.new)
        writer = RunWriter(workspace)
        yield writer
        if GRAPH in writer.files:
            with _one_line_errors(out):
                new = {name: str(entry["sha256"]) for name, entry in writer.files.items()}
                publish(workspace, Journal(new=new, old=old))


def _resolved(folder: Path) -> Path:
    try:
        out = folder.resolve()
    except (RuntimeError, ValueError):  # a circle of links; a null character
        raise OutputError(f"{shown(folder)}: leads nowhere, expected a folder; choose another with -o") from None
    if out.exists() and not out.is_dir():
        raise OutputError(f"{shown(folder)}: is a file, expected a folder; choose another with -o")
    return out


def _foreign(workspace: Workspace, key: str) -> str:
    """Return why what lies in a workspace cannot be gone on with; nothing where it can."""
    if any(each.is_symlink() for part in (workspace.new, workspace.resume) for each in part.rglob("*")):
        return "it holds links"
    try:
        known = read_text(workspace.resume / _KEY, limit=SMALL_JSON_FILE, within=workspace.folder)
    except InputError as error:
        return str(error)
    return "" if known == key else "its input, engines or their settings were others"


def _prepare(new: Path) -> None:
    """Make the folders of a new run, and try whether names as long as theirs can be written."""
    for folder in (KEYFRAMES, MASKS):
        probe = new / folder / f"{0:012d}.npz"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()


@contextmanager
def _one_line_errors(out: Path) -> Iterator[None]:
    """Turn what the system refuses into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(f"{shown(out)}: no space left; free some or choose another folder with -o") from error
        raise OutputError(
            f"{shown(out)}: cannot be written ({error.strerror}); choose another folder with -o"
        ) from error
