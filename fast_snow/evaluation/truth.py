"""Ground truth, and what a system says, in the terms that the metrics compare."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from fast_snow.types import GridShape, Masks, readonly


class _ReadOnly:
    """Sets every array field of a frozen dataclass read-only where it is built."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, readonly(value))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectsInFrame(_ReadOnly):
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
class Trajectory(_ReadOnly):
    """A camera's path: `T_world_camera` at times in seconds, ascending."""

    time_s: Float64[np.ndarray, " n"]
    T_world_camera: Float64[np.ndarray, "n 4 4"]

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxesInSpace(_ReadOnly):
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


DepthReader = Callable[[int], Float32[np.ndarray, "h w"]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """All that is known of one clip; what is not known is empty or None.

    Attributes:
        size: height and width of the annotated images.
        objects: one entry per annotated frame, in order; a frame without objects has an empty entry.
        boxes: 3D boxes per annotated frame.
        trajectory: the camera's path in metres.
        read_depth: metres of a frame by its index in the input, 0 where there is none.
    """

    size: GridShape
    objects: tuple[ObjectsInFrame, ...] = ()
    boxes: tuple[BoxesInSpace, ...] = ()
    trajectory: Trajectory | None = None
    read_depth: DepthReader | None = None
