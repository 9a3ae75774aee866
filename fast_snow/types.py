"""Every array alias and every frozen dataclass that crosses a module border.

Conventions: `t` indexes the frames of a clip; `T_a_b` maps homogeneous coordinates of frame `b` to frame `a`; camera
axes are X right, Y down, Z forward; the world is the camera of the clip's first frame; pixel centres are integers;
boxes are `(x0, y0, x1, y1)` in pixels of the analysis grid, half-open (`x1` is one past the last column). Arrays are
read-only and C-contiguous, so that Numba compiles each kernel once.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int32, Int64, UInt8

GridShape = tuple[int, int]
"""Height and width of a pixel grid."""

ImageStack = UInt8[np.ndarray, "n height width 3"]
DenseMasks = Bool[np.ndarray, "m h w"]
Transform = Float64[np.ndarray, "4 4"]

NO_SOURCE = -1
"""Stands where an identity is not recorded in the input."""

AnyArray = TypeVar("AnyArray", bound=np.ndarray)
Sums = TypeVar("Sums", bound="_Summed")


def readonly(array: AnyArray) -> AnyArray:
    """Return a read-only, C-contiguous view of `array` (a copy only where it is not contiguous)."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view  # type: ignore[return-value]


class ReadOnlyArrays:
    """Sets every array field of a frozen dataclass read-only where it is built."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, each.name, readonly(value))


def _known_sources(values: "Detections | TrackedFrame") -> None:
    """Fill in that no identity is recorded where `source_id` is not given."""
    if values.source_id is None:
        object.__setattr__(values, "source_id", np.full(np.size(values.score), NO_SOURCE, dtype=np.int32))
    ReadOnlyArrays.__post_init__(values)


# ------------------------------------------------------------------------------------------------ inputs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames(ReadOnlyArrays):
    """The images of consecutive clip frames.

    Attributes:
        image: RGB, as decoded (rotation metadata already applied).
        t: index in the clip.
        time_s: presentation time in seconds, relative to the input's first frame.
        source_frame: index in the input.
    """

    image: ImageStack
    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GeometryPrior(ReadOnlyArrays):
    """What an input already knows of the geometry of some frames; `None` where it knows nothing.

    Attributes:
        depth: metres along the optical axis; 0 where there is none.
        T_camera_world: world-to-camera poses.
        intrinsics: at the size of `depth`, or of the images where there is no depth.
    """

    depth: Float32[np.ndarray, "n h w"] | None = None
    T_camera_world: Float64[np.ndarray, "n 4 4"] | None = None
    intrinsics: Float64[np.ndarray, "n 3 3"] | None = None


# ------------------------------------------------------------------------------------------------ perception


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masks(ReadOnlyArrays):
    """A set of `m` masks on one grid, run-length encoded row by row (CSR).

    Runs of one mask are in raster order, never empty, never adjacent within a row and never cross a row.

    Attributes:
        start: flat index of a run's first pixel.
        stop: one past the flat index of its last pixel.
        offset: the runs of mask `i` are `offset[i]:offset[i + 1]`.
        shape: height and width of the grid.
    """

    start: Int32[np.ndarray, " r"]
    stop: Int32[np.ndarray, " r"]
    offset: Int32[np.ndarray, " m_plus_1"]
    shape: GridShape

    def __len__(self) -> int:
        return len(self.offset) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections(ReadOnlyArrays):
    """Class-agnostic instance masks of one frame, on the analysis grid.

    Attributes:
        masks: one mask per detection.
        box_xyxy: half-open boxes in pixels of the grid.
        score: confidence in [0, 1].
        source_id: identities that the input records, at least 0; `NO_SOURCE` where it records none (the default).
    """

    masks: Masks
    box_xyxy: Float32[np.ndarray, "m 4"]
    score: Float32[np.ndarray, " m"]
    source_id: Int32[np.ndarray, " m"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _known_sources(self)

    def __len__(self) -> int:
        return len(self.score)


class DepthOrigin(StrEnum):
    """Where the depth of a geometry comes from; the value is what the user is told."""

    SENSOR = "measured: depth given with the input"
    NETWORK = "estimated by a depth network"
    TRIANGULATED = "triangulated from camera motion (structure from motion and optical flow)"
    GROUND_PLANE_PRIOR = "assumed: the camera hardly moves, so depth is a ground-plane guess"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry(ReadOnlyArrays):
    """Depth and cameras of `n` frames on the analysis grid.

    Attributes:
        depth: along the optical axis; metres if `metric`, else one unknown scale for all frames. Not positive or not
            finite where there is none.
        confidence: in [0, 1].
        intrinsics: pinhole matrices that refer to the analysis grid.
        T_camera_world: world-to-camera poses; the world is any fixed frame.
        metric: whether depth and poses are in metres.
        origin: where the depth comes from.
    """

    depth: Float32[np.ndarray, "n h w"]
    confidence: Float32[np.ndarray, "n h w"]
    intrinsics: Float64[np.ndarray, "n 3 3"]
    T_camera_world: Float64[np.ndarray, "n 4 4"]
    metric: bool
    origin: DepthOrigin

    def __len__(self) -> int:
        return len(self.depth)

    @property
    def grid(self) -> GridShape:
        """Height and width of the analysis grid."""
        return self.depth.shape[1], self.depth.shape[2]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxPrompt(ReadOnlyArrays):
    """Starts one object from a box; `frame` indexes the frames of the tracking session."""

    frame: int
    box_xyxy: Float32[np.ndarray, "4"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointPrompt(ReadOnlyArrays):
    """Starts one object from a pixel `(u, v)` inside it; `frame` indexes the frames of the tracking session."""

    frame: int
    uv: Float32[np.ndarray, "2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskPrompt:
    """Starts one object from its mask (a set of one); `frame` indexes the frames of the tracking session."""

    frame: int
    mask: Masks


Prompt = BoxPrompt | PointPrompt | MaskPrompt
"""Starts one object in a tracker at one frame; coordinates are pixels of the analysis grid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackedFrame(ReadOnlyArrays):
    """The masklets visible in one frame. A masklet's name is `(run_id, local_id)`.

    Attributes:
        run_id: which propagation the masklet comes from.
        local_id: the masklet's number in its tracking session.
        masks: not empty, on the analysis grid.
        score: confidence in [0, 1].
        source_id: identities that the input records, at least 0: they become object ids as they are. `NO_SOURCE` where
            an identity is the tracker's own (the default).
    """

    run_id: Int32[np.ndarray, " m"]
    local_id: Int32[np.ndarray, " m"]
    masks: Masks
    score: Float32[np.ndarray, " m"]
    source_id: Int32[np.ndarray, " m"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _known_sources(self)

    def __len__(self) -> int:
        return len(self.score)


class _Summed:
    """A frozen dataclass of numbers that add up field by field."""

    __slots__ = ()

    def __add__(self: Sums, other: Sums) -> Sums:
        return type(self)(
            **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(_Summed):
    """Counts that tell how well a clip was perceived and folded.

    Attributes:
        detections: of all frames; frames that windows share count in each.
        first_pass_prompts: objects that the tracker was asked for at a window's first frame.
        second_pass_prompts: objects that it was asked for where they were discovered later.
        repeats_dropped: masklets that only repeated another.
        masks: of masklets, one per frame in which a masklet is seen.
        small_dropped: of these, how many had too few pixels of trusted depth.
        no_depth_dropped: of the small ones, how many had none at all.
        oversized_dropped: how many were implausibly large.
        mask_pixels: pixels of masks that were to be measured.
        untrusted_pixels: of these, how many had no depth, or depth of too little confidence.
    """

    detections: int = 0
    first_pass_prompts: int = 0
    second_pass_prompts: int = 0
    repeats_dropped: int = 0
    masks: int = 0
    small_dropped: int = 0
    no_depth_dropped: int = 0
    oversized_dropped: int = 0
    mask_pixels: int = 0
    untrusted_pixels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds(_Summed):
    """Wall time of each stage; folding runs beside the others."""

    decode: float = 0.0
    geometry: float = 0.0
    segment: float = 0.0
    track: float = 0.0
    fold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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


# ------------------------------------------------------------------------------------------------ graph


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectStatistics(ReadOnlyArrays):
    """Shape statistics of `m` objects in one frame (SNOW, arXiv 2512.16461, section 3: c and s of a STEP token).

    Attributes:
        count: how many pixels had usable depth.
        mean: centroid in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.

    All but `count` are NaN where `count` is 0.
    """

    count: Int32[np.ndarray, " m"]
    mean: Float64[np.ndarray, "m 3"]
    sigma: Float64[np.ndarray, "m 3"]
    low: Float64[np.ndarray, "m 3"]
    high: Float64[np.ndarray, "m 3"]

    def __len__(self) -> int:
        return len(self.count)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepToken(ReadOnlyArrays):
    """One object at one `t`: tau, c and s of its STEP token (theta belongs to the track).

    Attributes:
        t: index in the clip.
        row: rows of the grid cells the object covers.
        col: their columns.
        coverage: share of each cell's pixels inside the mask, in [0, 1].
        centroid: mean of the object's measured points in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.
        num_points: how many pixels with usable depth were measured (those inside `step.mask_margin`).
        score: the tracker's confidence in [0, 1].
    """

    t: int
    row: UInt8[np.ndarray, " cells"]
    col: UInt8[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]
    centroid: Float32[np.ndarray, "3"]
    sigma: Float32[np.ndarray, "3"]
    low: Float32[np.ndarray, "3"]
    high: Float32[np.ndarray, "3"]
    num_points: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One object through time.

    Attributes:
        object_id: its global id.
        observations: its STEP tokens in time order (`F_k`), at least one.
        theta: first and last `t` at which the object was seen; a windowed view keeps the true first.
        source_id: the object's number in the input, where the input records identities.
    """

    object_id: int
    observations: tuple[StepToken, ...]
    theta: tuple[int, int]
    source_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ego(ReadOnlyArrays):
    """The camera's path: position and orientation in the world (`T_world_camera`), and its intrinsics.

    Attributes:
        t: index in the clip.
        time_s: presentation time in seconds.
        source_frame: index in the input.
        position: camera centre in world coordinates.
        quaternion_xyzw: rotation from camera to world.
        intrinsics: fx, fy, cx, cy on the analysis grid.
    """

    t: Int32[np.ndarray, " n"]
    time_s: Float64[np.ndarray, " n"]
    source_frame: Int64[np.ndarray, " n"]
    position: Float32[np.ndarray, "n 3"]
    quaternion_xyzw: Float32[np.ndarray, "n 4"]
    intrinsics: Float32[np.ndarray, "n 4"]

    def __len__(self) -> int:
        return len(self.t)

    def select(self, index: Int[np.ndarray, " k"] | Bool[np.ndarray, " n"]) -> "Ego":
        """Return the path at some of its frames."""
        return Ego(**{each.name: getattr(self, each.name)[index] for each in fields(self)})

    def followed_by(self, later: "Ego") -> "Ego":
        """Return the path that goes on with `later`."""
        return Ego(
            **{
                each.name: np.concatenate([getattr(self, each.name), getattr(later, each.name)])
                for each in fields(self)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """An image that the graph points to, by path relative to the graph's file."""

    t: int
    source_frame: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """From `t` on, the masklet that had been object `dropped` is object `kept`, and why.

    `dropped` is None where the masklet joined `kept` at first sight, without an identity of its own before.
    """

    t: int
    kept: int
    dropped: int | None
    iou: float
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneGraph:
    """The 4D scene graph: tracks, the camera's path and what is needed to read them.

    Attributes:
        grid_size: tau counts cells of a `grid_size` × `grid_size` grid.
        analysis_grid: height and width of the pixel grid that intrinsics and tau refer to.
        metric: whether lengths are in metres; otherwise they share one unknown scale.
        depth_origin: where depth comes from, in the order in which the clip's windows met it.
        ego: the camera's path.
        tracks: by object id, in the order of first appearance.
        keyframes: images of the clip.
        merges: every decision that two masklets are one object.
    """

    grid_size: int
    analysis_grid: GridShape
    metric: bool
    depth_origin: tuple[DepthOrigin, ...]
    ego: Ego
    tracks: Mapping[int, Track] = field(default_factory=lambda: MappingProxyType({}))
    keyframes: tuple[Keyframe, ...] = ()
    merges: tuple[Merge, ...] = ()

    @property
    def num_frames(self) -> int:
        """How many frames the graph spans."""
        return len(self.ego)

    def window(self, *, t: int, length: int, stride: int = 1) -> "SceneGraph":
        """Return the view `M_t`: what was seen at `t`, `t - stride`, … within the last `length` strides.

        Args:
            t: index of the view's last frame.
            length: how many frames the view spans; 0 spans everything up to `t`.
            stride: distance between the view's frames.

        Reference:
            SNOW, arXiv 2512.16461, section 3 (the sliding window over the 4DSG).
        """

        def seen(when: int) -> bool:
            return oldest <= when <= t and (t - when) % stride == 0

        oldest = t - length * stride + 1 if length else 0
        tracks = {}
        for object_id, track in self.tracks.items():
            # Observations are in time order: a live view must not walk through all that was ever seen.
            first = bisect_left(track.observations, oldest, key=lambda each: each.t)
            last = bisect_right(track.observations, t, key=lambda each: each.t)
            observations = tuple(each for each in track.observations[first:last] if seen(each.t))
            if observations:
                tracks[object_id] = replace(
                    track, observations=observations, theta=(track.theta[0], observations[-1].t)
                )
        return replace(
            self,
            ego=self.ego.select((self.ego.t >= oldest) & (self.ego.t <= t) & ((t - self.ego.t) % stride == 0)),
            tracks=MappingProxyType(tracks),
            keyframes=tuple(each for each in self.keyframes if seen(each.t)),
            merges=tuple(each for each in self.merges if seen(each.t)),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledMasks(ReadOnlyArrays):
    """The masks of one frame with the objects they belong to: what a picture or a tracking metric needs.

    Attributes:
        t: index in the clip.
        object_id: global ids, each at most once.
        masks: one mask per id, on the analysis grid.
    """

    t: int
    object_id: Int32[np.ndarray, " m"]
    masks: Masks
