"""Image files of recordings, each read when it is needed."""

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from fast_snow.errors import InputError
from fast_snow.inputs.calibration import Intrinsics, check_intrinsics
from fast_snow.inputs.recording import IGNORE, Recording, check_registered
from fast_snow.types import GridShape

_IGNORE_8_BIT = 255


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordingFiles:
    """The files of a recording, one per frame; `None` where a recording has none of that kind.

    Attributes:
        color: JPEG or PNG images.
        depth: 16-bit PNG images.
        ids: 8- or 16-bit PNG id maps.
    """

    color: tuple[Path, ...]
    depth: tuple[Path, ...] | None
    ids: tuple[Path, ...] | None


def recording_from_files(
    files: RecordingFiles,
    *,
    name: str,
    time: tuple[Fraction, ...],
    depth_scale: float,
    T_world_camera: Float64[np.ndarray, "n 4 4"] | None,
    intrinsics: Intrinsics | None,
) -> Recording:
    """Return a recording that reads its images from files when they are asked for.

    The first image of each kind is read at once: it fixes the size of the others.

    Args:
        files: one file per frame and kind.
        name: what the user calls the recording.
        time: of each frame in seconds, relative to the first, ascending.
        depth_scale: stored units per metre.
        T_world_camera: camera-to-world poses, already checked.
        intrinsics: pinhole matrix at the size of the depth images, or of the colour images where there is no depth.

    Raises:
        InputError: an image cannot be read or does not fit the others.
    """
    color_size = _size(read_color(files.color[0]))
    depth_size = _size(read_depth(files.depth[0], depth_scale)) if files.depth else color_size
    ids_size = _size(read_ids(files.ids[0])) if files.ids else color_size
    check_registered(name, "depth", depth_size, color_size)
    check_registered(name, "masks", ids_size, color_size)
    if intrinsics is not None:
        check_intrinsics(intrinsics, depth_size, where=name)
    return Recording(
        name=name,
        time=time,
        color_size=color_size,
        read_color=partial(_read_color_at, files.color, color_size),
        read_depth=partial(_read_depth_at, files.depth, depth_scale, depth_size) if files.depth else None,
        read_ids=partial(_read_ids_at, files.ids, ids_size) if files.ids else None,
        T_world_camera=T_world_camera,
        intrinsics=intrinsics,
    )


def read_color(path: Path, size: GridShape | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """Return an RGB image.

    Args:
        path: a JPEG or PNG file.
        size: height and width it must have.

    Raises:
        InputError: the file is no image or has another size.
    """
    # A viewer's orientation tag would turn the colours away from the depth.
    image = _read(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, size)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def read_depth(path: Path, depth_scale: float, size: GridShape | None = None) -> Float32[np.ndarray, "h w"]:
    """Return depth in metres.

    Args:
        path: a PNG file of one 16-bit channel.
        depth_scale: stored units per metre.
        size: height and width it must have.

    Raises:
        InputError: the file is no such image or has another size.
    """
    image = _read(path, cv2.IMREAD_UNCHANGED, size)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise InputError(
            f"{path}: {_describe(image)}; expected one 16-bit channel of depth: save it as a 16-bit grey PNG"
        )
    return (image / depth_scale).astype(np.float32)


def read_ids(path: Path, size: GridShape | None = None) -> Int32[np.ndarray, "h w"]:
    """Return an id map: 0 is background, `IGNORE` is neither background nor a known object.

    Args:
        path: a PNG file of one channel; in 8 bits 255 stands for `IGNORE`, in 16 bits every value above 0 is an id.
        size: height and width it must have.

    Raises:
        InputError: the file is no such image or has another size.
    """
    image = _read(path, cv2.IMREAD_UNCHANGED, size)
    if image.dtype not in (np.uint8, np.uint16) or image.ndim != 2:
        raise InputError(
            f"{path}: {_describe(image)}; expected one channel of object ids: save it as an 8- or 16-bit grey PNG"
        )
    ids = image.astype(np.int32)
    if image.dtype == np.uint8:
        ids[image == _IGNORE_8_BIT] = IGNORE
    return ids


def _read(path: Path, flags: int, size: GridShape | None) -> np.ndarray:
    """Return the pixels of a file as OpenCV reads them."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected an image: restore it")
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"{path}: cannot be read as an image; expected a JPEG or PNG file: replace it")
    if size is not None and image.shape[:2] != size:
        height, width = image.shape[:2]
        raise InputError(
            f"{path}: {width}x{height} pixels; expected {size[1]}x{size[0]} like the first: bring all to one size"
        )
    return np.asarray(image)


def _describe(image: np.ndarray) -> str:
    channels = 1 if image.ndim == 2 else image.shape[2]
    return f"{channels} channel{'s' if channels > 1 else ''} of {8 * image.dtype.itemsize} bits"


def _size(image: np.ndarray) -> GridShape:
    return image.shape[0], image.shape[1]


def _read_color_at(files: tuple[Path, ...], size: GridShape, index: int) -> UInt8[np.ndarray, "height width 3"]:
    return read_color(files[index], size)


def _read_depth_at(
    files: tuple[Path, ...], depth_scale: float, size: GridShape, index: int
) -> Float32[np.ndarray, "h w"]:
    return read_depth(files[index], depth_scale, size)


def _read_ids_at(files: tuple[Path, ...], size: GridShape, index: int) -> Int32[np.ndarray, "h w"]:
    return read_ids(files[index], size)
