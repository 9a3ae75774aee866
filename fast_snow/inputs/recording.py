"""RGB-D recordings: images, and any of depth, poses and masks that came with them, read frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from fast_snow.errors import InputError
from fast_snow.inputs.calibration import Intrinsics, check_intrinsics, check_rigid, rescale
from fast_snow.inputs.sampling import exact
from fast_snow.types import Frames, GeometryPrior, GridShape, ImageStack, ReadOnlyArrays

IGNORE = -1
"""In an id map: pixels that belong to no known object and to no background either."""

ColorReader = Callable[[int], UInt8[np.ndarray, "height width 3"]]
DepthReader = Callable[[int], Float32[np.ndarray, "h w"]]
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
        read_ids: reads an id map: 0 is background, `IGNORE` is neither.
        T_world_camera: camera-to-world poses in any fixed world.
        intrinsics: pinhole matrix at the size of the depth images, or of the colour images where there is no depth.
    """

    name: str
    time: tuple[Fraction, ...]
    color_size: GridShape
    read_color: ColorReader
    read_depth: DepthReader | None = None
    read_ids: IdReader | None = None
    T_world_camera: Float64[np.ndarray, "n 4 4"] | None = None
    intrinsics: Intrinsics | None = None

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
        if intrinsics is not None and not self.has_depth:
            intrinsics = rescale(intrinsics, self.color_size, frames.image.shape[1:3])
        return GeometryPrior(
            depth=None if self.read_depth is None else np.stack([self.read_depth(int(k)) for k in source]),
            T_camera_world=None if self.T_world_camera is None else np.linalg.inv(self.T_world_camera[source]),
            intrinsics=None if intrinsics is None else np.repeat(intrinsics[None], len(frames), axis=0),
        )

    def id_maps(self, frames: Frames) -> Int32[np.ndarray, "n h w"]:
        """Return the id maps of `frames`, which came from this recording.

        Raises:
            InputError: the recording holds no masks.
        """
        if self.read_ids is None:
            raise InputError(f"{self.name}: no masks here; expected masks/000000.png …: add them or use another engine")
        return np.stack([self.read_ids(int(k)) for k in frames.source_frame])


def check_registered(name: str, what: str, size: GridShape, color_size: GridShape) -> None:
    """Refuse depth or masks that cannot cover the same view as the colour images.

    Raises:
        InputError: the aspect ratios differ by more than the rounding of one pixel can explain.
    """
    if abs(size[0] * color_size[1] - size[1] * color_size[0]) > max(*size, *color_size):
        raise InputError(
            f"{name}: {what} of {size[1]}x{size[0]} and colour images of {color_size[1]}x{color_size[0]}; expected one"
            f" aspect ratio: register the {what} to the colour images"
        )


def recording_from_arrays(
    image: ImageStack,
    fps: float,
    *,
    depth: Float32[np.ndarray, "_ h w"] | None = None,
    ids: Int32[np.ndarray, "_ p q"] | None = None,
    T_world_camera: Float64[np.ndarray, "_ 4 4"] | None = None,
    intrinsics: Intrinsics | None = None,
    name: str = "arrays",
) -> Recording:
    """Return arrays in memory as a recording; of whatever is given there is one per image.

    Args:
        image: RGB frames.
        fps: frames per second.
        depth: metres along the optical axis, 0 where there is none; needs `intrinsics`.
        ids: id maps: 0 is background, `IGNORE` is neither.
        T_world_camera: camera-to-world poses.
        intrinsics: pinhole matrix at the size of `depth`, or of `image` where there is no depth.
        name: what the user calls them.

    Raises:
        InputError: no image, other counts than images, depth without intrinsics, or poses and sizes that cannot be.
    """
    color_size = (image.shape[1], image.shape[2])
    size = color_size if depth is None else (depth.shape[1], depth.shape[2])
    _check_counts(name, image=image, depth=depth, ids=ids, T_world_camera=T_world_camera)
    check_registered(name, "depth", size, color_size)
    if not fps > 0:
        raise InputError(f"{name}: {fps:g} frames per second; expected a rate above 0: correct it")
    if depth is not None and intrinsics is None:
        raise InputError(
            f"{name}: depth without intrinsics; expected both: give the pinhole matrix of the depth images"
        )
    if intrinsics is not None:
        check_intrinsics(intrinsics, size, where=name)
    for index, pose in enumerate(() if T_world_camera is None else T_world_camera):
        check_rigid(pose, where=f"{name}: T_world_camera[{index}]")
    rate = exact(fps)
    return Recording(
        name=name,
        time=tuple(index / rate for index in range(len(image))),
        color_size=color_size,
        read_color=image.__getitem__,
        read_depth=None if depth is None else depth.__getitem__,
        read_ids=None if ids is None else ids.__getitem__,
        T_world_camera=T_world_camera,
        intrinsics=intrinsics,
    )


def _check_counts(name: str, *, image: ImageStack, **others: np.ndarray | None) -> None:
    if not image.size:
        raise InputError(f"{name}: no frame; expected at least one image: check what was read")
    for what, values in others.items():
        if values is not None and len(values) != len(image):
            raise InputError(
                f"{name}: {len(values)} {what} for {len(image)} images; expected one each: drop the surplus"
            )
