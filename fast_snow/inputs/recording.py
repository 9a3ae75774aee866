"""RGB-D recordings: images, and any of depth, poses and masks that came with them, read frame by frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from fast_snow.cameras import Intrinsics, rescale
from fast_snow.errors import InputError
from fast_snow.inputs.arrays import (
    Images,
    camera_intrinsics,
    camera_poses,
    color_images,
    depth_maps,
    frame_rate,
    id_maps,
    measured,
)
from fast_snow.types import Frames, GeometryPrior, GridShape, ReadOnlyArrays

IGNORE = -1
"""In an id map: pixels that belong to no known object and to no background either."""

_SAME_ASPECT = 0.01
"""Depth and colour of one view may differ by so much: ScanNet has 1296x968 with 640x480."""

Arrays = np.ndarray | Sequence[Any]
"""An array, or what makes one: a list of arrays, four numbers."""
ColorReader = Callable[[int], UInt8[np.ndarray, "height width 3"]]
DepthReader = Callable[[int], Float32[np.ndarray, "h w"]]
SomeDepthReader = Callable[[int], Float32[np.ndarray, "h w"] | None]
IdReader = Callable[[int], Int32[np.ndarray, "h w"]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording(ReadOnlyArrays):
    """Images with times and what is known of them; `None` where nothing is. Readers take the index of a frame.

    Attributes:
        name: what the user calls it.
        time: of each frame in seconds, relative to the first, ascending.
        color_size: height and width of the colour images.
        read_color: reads an RGB image.
        read_depth: reads metres along the optical axis, 0 where there is none.
        read_some_depth: reads metres as `read_depth` does where most frames have none: None of these. It is no depth to
            build on, but gives estimated depth its scale.
        read_ids: reads an id map: 0 is background, `IGNORE` is neither.
        T_world_camera: camera-to-world poses in any fixed world.
        intrinsics: pinhole matrix at the size of the depth images, or of the colour images where there is no depth; one
            for all frames, or one each.
        metric: whether depth and poses are in metres.
    """

    name: str
    time: tuple[Fraction, ...]
    color_size: GridShape
    read_color: ColorReader
    read_depth: DepthReader | None = None
    read_some_depth: SomeDepthReader | None = None
    read_ids: IdReader | None = None
    T_world_camera: Float64[np.ndarray, "n 4 4"] | None = None
    intrinsics: Intrinsics | Float64[np.ndarray, "n 3 3"] | None = None
    metric: bool = True

    def __len__(self) -> int:
        return len(self.time)

    @property
    def has_depth(self) -> bool:
        """Whether depth images, and with them intrinsics, came with the frames."""
        return self.read_depth is not None

    @property
    def has_poses(self) -> bool:
        """Whether camera poses came with the frames."""
        return self.T_world_camera is not None

    @property
    def has_masks(self) -> bool:
        """Whether id maps came with the frames."""
        return self.read_ids is not None

    def prior(self, frames: Frames) -> GeometryPrior:
        """Return what is known of the geometry of `frames`, which came from this recording."""
        source = frames.source_frame
        intrinsics = self.intrinsics
        if intrinsics is not None:
            each = intrinsics[source] if intrinsics.ndim == 3 else np.repeat(intrinsics[None], len(frames), axis=0)
            size = frames.image.shape[1:3]
            intrinsics = each if self.has_depth else np.stack([rescale(K, self.color_size, size) for K in each])
        return GeometryPrior(
            depth=None if self.read_depth is None else np.stack([self.read_depth(int(k)) for k in source]),
            T_camera_world=None if self.T_world_camera is None else np.linalg.inv(self.T_world_camera[source]),
            intrinsics=intrinsics,
            metric=self.metric,
        )

    def id_maps(self, frames: Frames) -> Int32[np.ndarray, "n h w"]:
        """Return the id maps of `frames`, which came from this recording.

        Raises:
            InputError: the recording holds no masks.
        """
        if self.read_ids is None:
            raise InputError(f"{self.name}: no masks here; expected masks/000000.png …: add them or use another engine")
        return np.stack([self.read_ids(int(k)) for k in frames.source_frame])


def some_depth(recording: Recording | None) -> SomeDepthReader | None:
    """Return what reads depth that only some frames of an input have; None where none have, or all."""
    return None if recording is None else recording.read_some_depth


def check_registered(name: str, what: str, size: GridShape, color_size: GridShape) -> None:
    """Refuse depth or masks that cannot cover the same view as the colour images.

    Raises:
        InputError: the aspect ratios differ by more than the rounding of one pixel or a crop of a few can explain.
    """
    tall, wide = size[0] * color_size[1], size[1] * color_size[0]
    if abs(tall - wide) > max(*size, *color_size, _SAME_ASPECT * max(tall, wide)):
        raise InputError(
            f"{name}: {what} of {size[1]}x{size[0]} and colour images of {color_size[1]}x{color_size[0]}; expected one"
            f" aspect ratio: register the {what} to the colour images"
        )


def recording_from_arrays(
    image: Arrays,
    fps: float,
    *,
    depth: Arrays | None = None,
    ids: Arrays | None = None,
    T_world_camera: Arrays | None = None,
    intrinsics: Arrays | None = None,
    name: str = "arrays",
) -> Recording:
    """Return arrays in memory as a recording; of whatever is given there is one per image.

    Args:
        image: RGB frames in 8 bits: an array (frames, height, width, 3) or a list of images of one size.
        fps: frames per second.
        depth: metres along the optical axis as floats (frames, h, w); 0, NaN or infinity where there is none; needs
            `intrinsics`.
        ids: id maps of an integer type (frames, h, w): 0 is background, `IGNORE` is neither.
        T_world_camera: camera-to-world poses (frames, 4, 4) or (frames, 3, 4).
        intrinsics: pinhole matrix, or fx, fy, cx, cy, at the size of `depth`, or of `image` where there is no depth.
        name: what the user calls them.

    Raises:
        InputError: no image, other types, shapes or counts, depth without intrinsics, or cameras that cannot be.

    Examples:
        >>> images, depth = np.zeros((5, 48, 64, 3), np.uint8), np.full((5, 48, 64), 2.0)
        >>> recording = fast_snow.recording_from_arrays(images, fps=10.0, depth=depth, intrinsics=[60, 60, 32, 24])
        >>> len(recording), recording.has_depth, recording.has_masks
        (5, True, False)
    """
    images = color_images(image, where=name)
    depths = None if depth is None else depth_maps(depth, where=name)
    labels = None if ids is None else id_maps(ids, lowest=IGNORE, where=name)
    poses = None if T_world_camera is None else camera_poses(T_world_camera, where=name)
    return _joined(name, images, frame_rate(fps, where=name), depths, labels, poses, intrinsics)


def _joined(
    name: str,
    images: Images,
    rate: Fraction,
    depths: np.ndarray | None,
    labels: np.ndarray | None,
    poses: np.ndarray | None,
    intrinsics: object,
) -> Recording:
    """Return arrays, each checked alone, as one recording if they fit together."""
    color_size = _size(images)
    for what, values in (("depth", depths), ("ids", labels), ("T_world_camera", poses)):
        if values is not None and len(values) != len(images):
            raise InputError(
                f"{name}: {len(values)} {what} for {len(images)} images; expected one each: drop the surplus"
            )
    size = color_size if depths is None else _size(depths)
    check_registered(name, "depth", size, color_size)
    check_registered(name, "masks", color_size if labels is None else _size(labels), color_size)
    if depths is not None and intrinsics is None:
        raise InputError(
            f"{name}: depth without intrinsics; expected both: give the pinhole matrix of the depth images"
        )
    return Recording(
        name=name,
        time=tuple(index / rate for index in range(len(images))),
        color_size=color_size,
        read_color=images.__getitem__,
        read_depth=None if depths is None else lambda index: measured(depths[index]),
        read_ids=None if labels is None else labels.__getitem__,
        T_world_camera=poses,
        intrinsics=None if intrinsics is None else camera_intrinsics(intrinsics, size, where=name),
    )


def _size(images: Images | np.ndarray) -> GridShape:
    return images[0].shape[0], images[0].shape[1]
