"""Ground truth, and what a system says, in the terms that the metrics compare."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64

from fast_snow.types import GridShape, Masks, ReadOnlyArrays


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectsInFrame(ReadOnlyArrays):
    """The objects of one frame, as an annotator or a system has them.

    Attributes:
        frame: index in the input, from 0.
        object_id: each at most once.
        box_xyxy: half-open boxes in pixels of the annotated size.
        masks: one per object; None where there are boxes alone.
        ignore: a set of one mask of pixels that count neither way; None where all count.
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
    """The 3D boxes of one frame.

    Attributes:
        frame: index in the input, from 0.
        object_id: each at most once.
        centre: in the camera's frame (x right, y down, z forward), metres.
        size: extents along the box's own axes: length, height, width; metres.
        yaw: rotation about the camera's y axis, radians.
    """

    frame: int
    object_id: Int64[np.ndarray, " m"]
    centre: Float64[np.ndarray, "m 3"]
    size: Float64[np.ndarray, "m 3"]
    yaw: Float64[np.ndarray, " m"]


@runtime_checkable
class DepthReader(Protocol):
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
    read_depth: DepthReader | None = None
    intrinsics: Float64[np.ndarray, "3 3"] | None = None
    static: bool = False
