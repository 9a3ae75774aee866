"""A run that remembers: what engines made and what was folded outlives the process; the next one goes on from it."""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from math import ceil
from types import MappingProxyType
from typing import Any, Final

from fast_snow import packed_values
from fast_snow.config import Config, WindowConfig
from fast_snow.errors import FastSnowWarning, InputError, OutputError
from fast_snow.graph import FoldState
from fast_snow.inputs import Input
from fast_snow.output import RunWriter, SourceOfRun
from fast_snow.output.checkpoint import Checkpoint
from fast_snow.perception_files import PerceptionFiles
from fast_snow.pipeline import Pipeline, Step
from fast_snow.protocols import Progress
from fast_snow.run_key import RunKey, run_key
from fast_snow.run_record import RunSummary
from fast_snow.selection import Selection
from fast_snow.types import Perception, StageSeconds, Window

_ROOM: Final = 64 * 2**20
"""Bytes that must stay free beside a perception file."""


class Memory:
    """What a run stores as it goes: each window's perception until the state of the fold after it is stored, too."""

    def __init__(
        self,
        writer: RunWriter,
        files: PerceptionFiles,
        key: RunKey,
        source: Input,
        config: Config,
        noticed: Sequence[str],
        *,
        lasting: bool,
    ) -> None:
        self._lasting = lasting
        self._writer, self.files, self._key, self._noticed = writer, files, key, noticed
        self._expected, self._config, self._keep = source.expected_frames, config, config.output.keep_perception
        self._full = False
        self._last = writer.go_on(key.perception, key.fold)
        self.folded = 0 if self._last is None else self._last.windows
        for message in () if self._last is None else self._last.warnings:
            warnings.warn(message, FastSnowWarning, stacklevel=2)

    @property
    def summary(self) -> RunSummary | None:
        """What the dead run had come to; None where there was none."""
        if self._last is None:
            return None
        return RunSummary.of(self._last.state, self._last.windows, self._last.seconds)

    @property
    def perceived(self) -> int:
        """How many windows from the first on need no engine."""
        window = self.folded
        while self.files.path(window).exists():
            window += 1
        return window

    @property
    def noted(self) -> dict[str, Any]:
        """What the record of the run says: its key, windows of a dead run, and what perception files depend on."""
        resumed = {"resumed_windows": self.folded} if self.folded else {}
        kept = {"perception": {"key": self._key.perception, "config": asdict(self._config)}} if self._keep else {}
        return {"key": self._key.fold, **resumed, **kept}

    def __str__(self) -> str:
        total = num_windows(self._expected, self._config.window)
        of = "" if total is None else f" of {max(total, self.perceived)}"
        return f"resuming: windows 0-{self.perceived - 1}{of} are there"

    def attached(self, pipeline: Pipeline) -> Pipeline:
        """Return a pipeline that goes on where the dead run was, reads what is there and stores what is not."""
        return replace(
            pipeline,
            perceive=partial(self._perceive, pipeline),
            fold=partial(self._fold, pipeline),
            start=pipeline.start if self._last is None else self._last.state,
        )

    def checkpoint(self, step: Step) -> None:
        """Store the state after a window, whose files of the run are written, and let its perception file go."""
        if not self._lasting:
            return
        before = StageSeconds() if self._last is None else self._last.seconds
        now = Checkpoint(
            key=self._key.fold,
            windows=step.window + 1,
            seconds=before + step.seconds,
            warnings=tuple(self._noticed),
            files=(),
            parts=MappingProxyType({}),
            state=step.state,
        )
        try:
            self._last = self._writer.checkpoint(now, self._last)
        except OutputError as error:  # the next one takes up both windows
            self._give_up(error)
            return
        if not self._keep:
            with suppress(OSError):
                self.files.path(step.window).unlink(missing_ok=True)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Say, where the block is interrupted, that what is stored is resumed."""
        try:
            yield
        except KeyboardInterrupt as end:
            if self._lasting and self._writer.workspace.resumable:
                raise KeyboardInterrupt("the same command resumes this run") from end
            raise

    def finish(self) -> None:
        """Make the perception files part of the run, where they are to be kept."""
        if self._keep:
            self._writer.keep_perception(self.files.folder)

    def _perceive(self, pipeline: Pipeline, window: Window, watch: Progress) -> Perception:
        path = self.files.path(window.index)
        if not path.exists():
            return pipeline.perceive(window, watch)
        try:
            perception, noticed = self.files.load(window.index, window.frames)
        except InputError as error:
            warnings.warn(f"{error}: computed again", FastSnowWarning, stacklevel=2)
            path.unlink()
            return pipeline.perceive(window, watch)
        for message in noticed:
            warnings.warn(message, FastSnowWarning, stacklevel=2)
        return perception

    def _fold(self, pipeline: Pipeline, state: FoldState, perception: Perception) -> FoldState:
        """Store a perception before it is folded: on the fold's thread, so that no engine waits for the disk."""
        wanted = (self._lasting and not self._full) or self._keep
        if wanted and not self.files.path(perception.window).exists():
            try:
                self._store(perception)
            except OutputError as error:
                if self._keep:
                    raise
                self._give_up(error)
        return pipeline.fold(state, perception)

    def _store(self, perception: Perception) -> None:
        path, stored = self.files.path(perception.window), self.files.stored(perception, self._noticed)
        free, most = shutil.disk_usage(path.parent).free, packed_values.array_bytes(stored) + _ROOM
        if free < most:
            raise OutputError(
                f"{path}: {free / 1e9:.2f} GB are free, expected {most / 1e9:.2f} GB: free some or choose another"
                " folder with -o"
            )
        packed_values.write(path, stored, compressed=self._keep)  # others go within seconds
        if self._keep and perception.window == 0 and self._expected is not None:
            whole = path.stat().st_size / len(perception.t) * self._expected
            if whole > free:
                raise OutputError(
                    f"{path.parent}: {free / 1e9:.2f} GB are free, expected {whole / 1e9:.2f} GB for all perception"
                    " files: free some, choose another folder with -o or leave out --output.keep-perception"
                )

    def _give_up(self, error: OutputError) -> None:
        self._full = True
        warnings.warn(f"if this run is interrupted, its last part is lost: {error}", FastSnowWarning, stacklevel=2)


def remember(
    writer: RunWriter,
    source: Input,
    origin: SourceOfRun | None,
    selection: Selection,
    config: Config,
    noticed: Sequence[str],
) -> Memory:
    """Return the memory of a run, which holds what a dead run of the same key left in its folder.

    Args:
        writer: of the run folder.
        source: the opened input.
        origin: the file or folder that is read; None for what is live and is never gone on with.
        selection: the engines.
        config: all settings.
        noticed: the warnings so far; grows while the run works.

    Raises:
        OutputError: the folder cannot be written or is full.
    """
    key = run_key(origin, config, selection.used)
    files = PerceptionFiles(
        folder=writer.perception,
        key=key.perception,
        recorded=frozenset(use.slot for use in selection.used if use.name == "recorded"),
        recording=source.recording,
    )
    return Memory(writer, files, key, source, config, noticed, lasting=origin is not None)


def num_windows(frames: int | None, config: WindowConfig) -> int | None:
    """Return how many windows a clip of so many frames has; None where that is not known."""
    if frames is None:
        return None
    return max(1, ceil((frames - config.overlap) / (config.length - config.overlap)))
