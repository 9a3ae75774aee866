"""Ground truth of a clip: its sources in a manifest, and its values as the metrics compare them."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64

from fast_snow.typed_json import Sha256, entries, in_range, matching, more_than
from fast_snow.types import GridShape, Masks, ReadOnlyArrays

Line = Annotated[str, matching("[^\\x00-\\x1f\\x7f]{1,1000}", "one line of 1 to 1000 characters")]
ClassName = Annotated[str, matching("(?s:.{1,100})", "1 to 100 characters")]
Offset = Annotated[float, in_range(-1000, 1000)]


class TruthKind(StrEnum):
    """What ground truth is about."""

    MASKS = "masks"
    BOXES = "boxes"
    BOXES_3D = "boxes3d"
    POSES = "poses"
    DEPTH = "depth"
    QUESTIONS = "questions"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthIntrinsics:
    """Focal lengths and principal point of depth images, in pixels."""

    fx: Annotated[float, more_than(0, 1e6)]
    fy: Annotated[float, more_than(0, 1e6)]
    cx: Annotated[float, in_range(0, 32_768)]
    cy: Annotated[float, in_range(0, 32_768)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthSource:
    """A file or folder of ground truth.

    Attributes:
        kind: what it is about.
        format: how it is written, one of `clip_truth.TRUTH_FORMATS` for its kind.
        path: relative to the data root.
        sha256: of the file or folder, see `data_files.data_sha256`; None where it is not known.
        first_frame: which number of the annotation belongs to the input's first frame; None is the format's custom.
        frames: how many of the annotation's frames belong to the clip; None is all. Those outside are left out.
        classes: names or numbers of the classes that count; empty is all.
        video: which video of a file that holds several; None where it holds one.
        exhaustive: whether every object of the annotated frames is annotated.
        depth_scale: stored units per metre.
        intrinsics: of the depth images.
        first_time_s: the time stamp that belongs to the input's first frame.
        camera_offset_m: what takes positions to the frame of the camera that made the images.
    """

    kind: TruthKind
    format: Line
    path: Line
    sha256: Sha256 | None = None
    first_frame: Annotated[int, in_range(0, 10**9)] | None = None
    frames: Annotated[int, in_range(1, 10**6)] | None = None
    classes: Annotated[tuple[ClassName, ...], entries(1, 10_000)] = ()
    video: Annotated[int, in_range(0, 10**15)] | None = None
    exhaustive: bool = False
    depth_scale: Annotated[float, more_than(0, 1e9)] = 1000.0
    intrinsics: DepthIntrinsics | None = None
    first_time_s: Annotated[float, in_range(-1e12, 1e12)] = 0.0
    camera_offset_m: tuple[Offset, Offset, Offset] = (0.0, 0.0, 0.0)

    def index(self, number: int, custom: int = 0) -> int | None:
        """Return the index in the input of a frame's number in the annotation; None where the clip lacks that frame.

        The first frame is number `custom` in this format, unless the source says otherwise.
        """
        index = number - (custom if self.first_frame is None else self.first_frame)
        return index if index >= 0 and (self.frames is None or index < self.frames) else None

    def counts(self, name: str) -> bool:
        """Return whether objects of a class count."""
        return not self.classes or name in self.classes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectsInFrame(ReadOnlyArrays):
    """The objects of one frame, as an annotator or a system has them, each id at most once.

    Boxes are half-open, in pixels of the annotated size. Pixels of `ignore`, a set of one mask, count neither way.
    """

    frame: int
    object_id: Int64[np.ndarray, " m"]
    box_xyxy: Float32[np.ndarray, "m 4"]
    masks: Masks | None = None
    ignore: Masks | None = None

    def __len__(self) -> int:
        return len(self.object_id)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory(ReadOnlyArrays):
    """A camera's path: `T_world_camera` at times in seconds, ascending."""

    time_s: Float64[np.ndarray, " n"]
    T_world_camera: Float64[np.ndarray, "n 4 4"]

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxesInSpace(ReadOnlyArrays):
    """The 3D boxes of one frame, each id at most once, in the camera's frame (x right, y down, z forward) and metres.

    Sizes are length, height and width along the box's own axes; yaw is about the camera's y axis, in radians.
    """

    frame: int
    object_id: Int64[np.ndarray, " m"]
    centre: Float64[np.ndarray, "m 3"]
    size: Float64[np.ndarray, "m 3"]
    yaw: Float64[np.ndarray, " m"]


@runtime_checkable
class TrueDepth(Protocol):
    """Reads metres along the optical axis, 0 where there is none, of a frame by its index in the input."""

    @property
    def frames(self) -> Collection[int]:
        """Which frames have depth."""

    def __call__(self, index: int) -> Float32[np.ndarray, "h w"]:
        """Return the depth of one of `frames`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """All that is known of one clip; what is not known is empty or None.

    Attributes:
        size: height and width of the annotated images.
        objects: one entry per annotated frame, in order; a frame without objects has an empty entry.
        exhaustive: whether every object is annotated; else something found that is not may still be there.
        boxes: 3D boxes per annotated frame.
        trajectory: the camera's path in metres.
        read_depth: true depth.
        intrinsics: of the depth.
        static: whether nothing moves but the camera.
    """

    size: GridShape
    objects: tuple[ObjectsInFrame, ...] = ()
    exhaustive: bool = False
    boxes: tuple[BoxesInSpace, ...] = ()
    trajectory: Trajectory | None = None
    read_depth: TrueDepth | None = None
    intrinsics: Float64[np.ndarray, "3 3"] | None = None
    static: bool = False
