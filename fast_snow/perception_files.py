"""The perception of one window as a file: what engines took minutes for is read in a second.

What the input itself records (depth and poses, masks and identities) is not copied: the file refers to it, and it is
read from the input again.
"""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from fast_snow import packed_values
from fast_snow.engine_answers import checked_geometry
from fast_snow.engines import recorded
from fast_snow.errors import EngineError, InputError
from fast_snow.inputs.recording import Recording
from fast_snow.types import (
    Frames,
    Geometry,
    GridShape,
    Health,
    Masks,
    MetricDepth,
    Perception,
    ReadOnlyArrays,
    StageSeconds,
    TrackedFrame,
)
from fast_snow.types.values import Columns
from fast_snow.untrusted_files import shown

_KEPT: Final = ("window", "shared", "t", "time_s", "source_frame", "health", "metric_depth")
"""What a file holds of a perception as it is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedNames(Columns):
    """The masklets of one frame whose masks the input records; fields are those of `TrackedFrame`."""

    run_id: Int32[np.ndarray, " m"]
    local_id: Int32[np.ndarray, " m"]
    score: Float32[np.ndarray, " m"]
    source_id: Int32[np.ndarray, " m"]
    appearance: UInt8[np.ndarray, "m bins"]
    rotation: Float32[np.ndarray, "m 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredPerception(ReadOnlyArrays):
    """What a file holds: a `Perception` without what its input records.

    Attributes:
        key: of the run (`RunKey.perception`).
        warnings: that were given up to then.
        geometry: None where it is recorded.
        tracked: of each frame; None where masks are recorded.
        names: of each frame where masks are recorded.
    """

    key: str
    warnings: tuple[str, ...]
    window: int
    shared: int
    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]
    geometry: Geometry | None
    tracked: tuple[TrackedFrame, ...] | None
    names: tuple[RecordedNames, ...] | None
    health: Health
    seconds: StageSeconds
    metric_depth: MetricDepth | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PerceptionFiles:
    """The perception files of a run.

    Attributes:
        folder: where they lie.
        key: of the run (`RunKey.perception`).
        recorded: slots that the input itself serves.
        recording: the input, where it records anything.
    """

    folder: Path
    key: str
    recorded: Collection[str]
    recording: Recording | None

    def path(self, window: int) -> Path:
        """Return the file of a window."""
        return self.folder / f"{window:06d}.npz"

    def stored(self, perception: Perception, warnings: Collection[str]) -> StoredPerception:
        """Return what the file of a window holds."""
        names = tuple(
            RecordedNames(**{each.name: getattr(tracked, each.name) for each in fields(RecordedNames)})
            for tracked in perception.tracked
        )
        masks_recorded = "tracker" in self.recorded
        return StoredPerception(
            key=self.key,
            warnings=tuple(warnings),
            geometry=None if "geometry" in self.recorded else perception.geometry,
            tracked=None if masks_recorded else perception.tracked,
            names=names if masks_recorded else None,
            seconds=perception.seconds,
            **{name: getattr(perception, name) for name in _KEPT},
        )

    def load(self, window: int, frames: Frames | None = None) -> tuple[Perception, tuple[str, ...]]:
        """Read the perception of a window.

        Args:
            window: its index.
            frames: what it must be of; None takes what the file says.

        Returns:
            The perception, as it was stored, and the warnings that were given with it.

        Raises:
            InputError: the file is missing, damaged or foreign, or what the input records does not fit it.
        """
        path = self.path(window)
        stored = packed_values.read(path, StoredPerception, within=self.folder)
        try:
            if stored.key != self.key or stored.window != window:
                raise InputError("of another run or window")
            if frames is not None and not _same_frames(stored, frames):
                raise InputError("of other frames")
            return self._perception(stored), stored.warnings
        except (InputError, EngineError) as error:
            raise InputError(f"{shown(path)}: {error}") from None

    def _perception(self, stored: StoredPerception) -> Perception:
        count = len(stored.t)
        frames = Frames(
            image=np.zeros((count, 1, 1, 3), np.uint8),  # recorded slots are found by the frames' numbers alone
            t=stored.t,
            time_s=stored.time_s,
            source_frame=stored.source_frame,
        )
        geometry = self._recorded_geometry(frames) if stored.geometry is None else stored.geometry
        geometry = checked_geometry(geometry, count)
        tracked = stored.tracked if stored.names is None else self._recorded_masks(frames, geometry.grid, stored.names)
        if tracked is None or len(tracked) != count or any(each.masks.shape != geometry.grid for each in tracked):
            raise InputError("holds masks of other frames or of another grid")
        seconds, kept = replace(stored.seconds, fold=0.0), {name: getattr(stored, name) for name in _KEPT}
        return Perception(geometry=geometry, tracked=tracked, seconds=seconds, **kept)

    def _recorded_geometry(self, frames: Frames) -> Geometry:
        with ExitStack() as stack:
            return stack.enter_context(recorded.open_geometry(self._input()))(frames)

    def _recorded_masks(
        self, frames: Frames, grid: GridShape, names: tuple[RecordedNames, ...]
    ) -> tuple[TrackedFrame, ...]:
        if len(names) != len(frames):
            raise InputError("holds masks of other frames")
        visible = recorded.visible_objects(self._input(), frames, grid)
        return tuple(_picked(each, of_frame.ids, of_frame.masks) for each, of_frame in zip(names, visible, strict=True))

    def _input(self) -> Recording:
        if self.recording is None:
            raise InputError("refers to depth or masks that the input does not have")
        return self.recording


def _same_frames(stored: StoredPerception, frames: Frames) -> bool:
    columns = ("t", "time_s", "source_frame")
    return all(np.array_equal(getattr(stored, name), getattr(frames, name)) for name in columns)


def _picked(names: RecordedNames, ids: Int32[np.ndarray, " k"], masks: Masks) -> TrackedFrame:
    index = np.searchsorted(ids, names.source_id)  # ids ascend
    if np.any(index >= len(ids)) or np.any(ids[index] != names.source_id):
        raise InputError("refers to identities that the input does not have")
    return TrackedFrame(masks=masks[index], **{each.name: getattr(names, each.name) for each in fields(names)})
