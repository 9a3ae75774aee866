"""What engines take and give: frames, masks, geometry, prompts and masklets of one window."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, overload

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Shaped, UInt8

from fast_snow.types.health import Health, StageSeconds
from fast_snow.types.image_motion import BackgroundMotion
from fast_snow.types.masks import Masks
from fast_snow.types.values import (
    NO_SOURCE,
    Columns,
    GridShape,
    ImageStack,
    ReadOnlyArrays,
    Rows,
    Transform,
    Unknown,
    counted,
    span,
)


def _range(score: Float32[np.ndarray, " m"]) -> str:
    """Return the lowest and highest score, as values print them."""
    return f"{score.min():.2f}-{score.max():.2f}" if len(score) else "none"


def _no_sources(values: Any) -> Int32[np.ndarray, " m"]:  # noqa: ANN401 (detections or masklets, maybe of any kind)
    return np.full(np.size(values.score), NO_SOURCE, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Frames(Columns):
    """The images of consecutive clip frames.

    Attributes:
        image: RGB, as decoded (rotation metadata already applied).
        t: index in the clip.
        time_s: presentation time in seconds, relative to the input's first frame.
        source_frame: index in the input.
        points: the `TrackedPoints` of each frame, followed also through the source's frames between; `None` where
            nobody followed any (the default).
    """

    unknown: ClassVar[Unknown] = {"points": lambda frames: np.full(len(frames.t), None, object)}
    image: ImageStack
    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]
    points: Shaped[np.ndarray, " n"] = None  # type: ignore[assignment]

    def _summary(self) -> str:
        height, width = self.image.shape[1:3]
        return f"{counted(len(self), 'frame')}, {height}x{width}, {span(self.t, self.time_s)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Window:
    """A stretch of a clip that is perceived in one go.

    Attributes:
        index: position among the clip's windows.
        frames: the frames of the window.
        shared: how many leading frames the previous window held too.
    """

    index: int
    frames: Frames
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GeometryPrior(ReadOnlyArrays):
    """What an input already knows of the geometry of some frames; `None` where it knows nothing.

    Attributes:
        depth: along the optical axis; 0 where there is none.
        T_camera_world: world-to-camera poses.
        intrinsics: at the size of `depth`, or of the images where there is no depth.
        metric: whether depth and poses are in metres; else in one unknown unit.
    """

    depth: Float32[np.ndarray, "n h w"] | None = None
    T_camera_world: Float64[np.ndarray, "n 4 4"] | None = None
    intrinsics: Float64[np.ndarray, "n 3 3"] | None = None
    metric: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Detections(Columns):
    """Class-agnostic instance masks of one frame, on the analysis grid.

    Attributes:
        masks: one mask per detection.
        box_xyxy: half-open boxes in pixels of the grid.
        score: confidence in [0, 1].
        source_id: identities that the input records, at least 0; `NO_SOURCE` where it records none (the default).
    """

    unknown: ClassVar[Unknown] = {"source_id": _no_sources}
    masks: Masks
    box_xyxy: Float32[np.ndarray, "m 4"]
    score: Float32[np.ndarray, " m"]
    source_id: Int32[np.ndarray, " m"] = None  # type: ignore[assignment]

    def _summary(self) -> str:
        return f"{self.masks!r}, score {_range(self.score)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation(Sequence[Detections]):
    """The detections of a window's frames; tells more of the window than a list can.

    Attributes:
        frames: of each frame.
        background_regions: how many surfaces that things rest on or stand before were taken for background.
    """

    frames: tuple[Detections, ...]
    background_regions: int = 0

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 (detections for a number, several for a slice)
        """Return the detections of one frame, or of several."""
        return self.frames[index]

    def __len__(self) -> int:
        return len(self.frames)


class DepthOrigin(StrEnum):
    """Where the depth of a geometry comes from; the value is what the user is told."""

    SENSOR = "measured: depth given with the input"
    NETWORK = "estimated by a depth network"
    TRIANGULATED = "triangulated from camera motion (structure from motion and optical flow)"
    GROUND_PLANE_PRIOR = "assumed: the camera hardly leaves its place, so depth is a ground-plane guess"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FrameGeometry(ReadOnlyArrays):
    """Depth and camera of one frame on the analysis grid; fields are those of `Geometry`."""

    depth: Float32[np.ndarray, "h w"]
    confidence: Float32[np.ndarray, "h w"]
    intrinsics: Float64[np.ndarray, "3 3"]
    T_camera_world: Transform
    metric: bool
    origin: DepthOrigin


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Geometry(Columns):
    """Depth and cameras of `n` frames on the analysis grid.

    Attributes:
        depth: along the optical axis; metres if `metric`, else one unknown scale for all frames. Not positive or not
            finite where there is none.
        confidence: in [0, 1].
        intrinsics: pinhole matrices that refer to the analysis grid.
        T_camera_world: world-to-camera poses; the world is any fixed frame.
        metric: whether depth and poses are in metres.
        origin: where the depth comes from.
        focal_sigma: standard deviation of the focal length as a share of it; NaN where nothing is said of it.
        background: how the background moves in the image; not tried by default.
    """

    unknown: ClassVar[Unknown] = {"background": lambda geometry: BackgroundMotion.untried(len(geometry.T_camera_world))}
    depth: Float32[np.ndarray, "n h w"]
    confidence: Float32[np.ndarray, "n h w"]
    intrinsics: Float64[np.ndarray, "n 3 3"]
    T_camera_world: Float64[np.ndarray, "n 4 4"]
    metric: bool
    origin: DepthOrigin
    focal_sigma: float = float("nan")
    background: BackgroundMotion = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, rows: int) -> "FrameGeometry": ...
    @overload
    def __getitem__(self, rows: Rows) -> "Geometry": ...
    def __getitem__(self, rows: int | Rows) -> "FrameGeometry | Geometry":
        """Return one frame's geometry for a number, or that of several frames."""
        if not isinstance(rows, int):
            return Columns.__getitem__(self, rows)
        return FrameGeometry(
            depth=self.depth[rows],
            confidence=self.confidence[rows],
            intrinsics=self.intrinsics[rows],
            T_camera_world=self.T_camera_world[rows],
            metric=self.metric,
            origin=self.origin,
        )

    @property
    def grid(self) -> GridShape:
        """Height and width of the analysis grid."""
        return self.depth.shape[1], self.depth.shape[2]

    def _summary(self) -> str:
        height, width = self.grid
        scale = "metric" if self.metric else "unscaled"
        return f"{counted(len(self), 'frame')} on {height}x{width}, {scale}, depth {self.origin}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BoxPrompt(ReadOnlyArrays):
    """Starts one object from a box; `frame` indexes the frames of the tracking session."""

    frame: int
    box_xyxy: Float32[np.ndarray, "4"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PointPrompt(ReadOnlyArrays):
    """Starts one object from a pixel `(u, v)` inside it; `frame` indexes the frames of the tracking session."""

    frame: int
    uv: Float32[np.ndarray, "2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MaskPrompt:
    """Starts one object from its mask (a set of one); `frame` indexes the frames of the tracking session."""

    frame: int
    mask: Masks


Prompt = BoxPrompt | PointPrompt | MaskPrompt
"""Starts one object in a tracker at one frame; coordinates are pixels of the analysis grid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TrackedFrame(Columns):
    """The masklets visible in one frame. A masklet's name is `(run_id, local_id)`.

    Attributes:
        run_id: which propagation the masklet comes from.
        local_id: the masklet's number in its tracking session.
        masks: not empty, on the analysis grid.
        score: confidence in [0, 1].
        source_id: identities that the input records, at least 0: they become object ids as they are. `NO_SOURCE` where
            an identity is the tracker's own (the default).
        appearance: the share of each colour in the mask (`kernels.colours`); no columns where it is not known (the
            default). `perceive` fills it in for every tracker.
        rotation: how far the texture inside turned since the frame before, in radians: about the upright axis
            (clockwise from above) and about the line of sight (clockwise as seen); and the share of its corners that
            could be followed. NaN where nothing is known (the default).
        growth: logarithms by which distances within the texture grew since the frame before: all, and their upright
            parts alone. NaN where nothing is known (the default).
    """

    unknown: ClassVar[Unknown] = {
        "source_id": _no_sources,
        "appearance": lambda seen: np.zeros((np.size(seen.score), 0), np.uint8),
        "rotation": lambda seen: np.full((np.size(seen.score), 3), np.nan, np.float32),
        "growth": lambda seen: np.full((np.size(seen.score), 2), np.nan, np.float32),
    }
    run_id: Int32[np.ndarray, " m"]
    local_id: Int32[np.ndarray, " m"]
    masks: Masks
    score: Float32[np.ndarray, " m"]
    source_id: Int32[np.ndarray, " m"] = None  # type: ignore[assignment]
    appearance: UInt8[np.ndarray, "m bins"] = None  # type: ignore[assignment]
    rotation: Float32[np.ndarray, "m 3"] = None  # type: ignore[assignment]
    growth: Float32[np.ndarray, "m 2"] = None  # type: ignore[assignment]

    @property
    def names(self) -> list[tuple[int, int]]:
        """The `(run_id, local_id)` of each masklet."""
        return list(zip(self.run_id.tolist(), self.local_id.tolist(), strict=True))

    def _summary(self) -> str:
        return f"{self.masks!r}, runs {sorted(set(self.run_id.tolist()))}, score {_range(self.score)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MetricDepth(Columns):
    """Depth in metres of some frames of a window, to scale its geometry by.

    Attributes:
        row: which of the window's frames.
        depth: along the optical axis, at any size; 0 or NaN where there is none.
    """

    row: Int32[np.ndarray, " k"]
    depth: Float32[np.ndarray, "k h w"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Perception(ReadOnlyArrays):
    """All that the engines say of one window; everything later is a pure function of it.

    Attributes:
        window: index of the window.
        shared: how many leading frames the previous window held too.
        t: index in the clip.
        time_s: presentation time in seconds.
        source_frame: index in the input.
        geometry: depth and cameras.
        tracked: the masklets of each frame.
        health: what was counted on the way.
        seconds: wall time of the engine phases.
        metric_depth: of some frames; None where no network was asked.
    """

    window: int
    shared: int
    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]
    geometry: Geometry
    tracked: tuple[TrackedFrame, ...]
    health: Health
    seconds: StageSeconds
    metric_depth: MetricDepth | None = None

    @classmethod
    def of(
        cls,
        window: Window,
        *,
        geometry: Geometry,
        tracked: tuple[TrackedFrame, ...],
        health: Health,
        seconds: StageSeconds,
        metric_depth: MetricDepth | None = None,
    ) -> "Perception":
        """Return what engines say of a window."""
        return cls(
            window=window.index,
            shared=window.shared,
            t=window.frames.t,
            time_s=window.frames.time_s,
            source_frame=window.frames.source_frame,
            geometry=geometry,
            tracked=tracked,
            health=health,
            seconds=seconds,
            metric_depth=metric_depth,
        )

    def _summary(self) -> str:
        seen = counted(sum(map(len, self.tracked)), "mask")
        return f"window {self.window}, {span(self.t, self.time_s)}, {self.shared} shared, {self.geometry!r}, {seen}"
