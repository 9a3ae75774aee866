"""Image files of recordings, each read when it is needed."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int32

from fast_snow.cameras import Intrinsics, check_intrinsics
from fast_snow.errors import InputError
from fast_snow.inputs.arrays import LOOKED_AT, PLAUSIBLE_M
from fast_snow.inputs.recording import IGNORE, Recording, check_registered
from fast_snow.types import GridShape
from fast_snow.untrusted_files import shown
from fast_snow.untrusted_images import read_array, read_channel, read_exr, read_rgb

COLOR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
DEPTH_SUFFIXES = frozenset({".png", ".tiff", ".tif", ".npy", ".exr"})
ID_SUFFIXES = frozenset({".png"})
_IGNORE_8_BIT = 255


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordingFiles:
    """The files of a recording, one per frame; `None` where a recording has none of that kind.

    Attributes:
        folder: no file, links followed, may lie outside of it.
        color: JPEG, PNG or WebP images.
        depth: 16-bit PNG images, or TIFF, NumPy or OpenEXR files of metres.
        ids: PNG id maps: 8 or 16 bit, indices of a palette, or 1 bit for one object.
    """

    folder: Path
    color: tuple[Path, ...]
    depth: tuple[Path, ...] | None = None
    ids: tuple[Path, ...] | None = None


def image_files(folder: Path, suffixes: Collection[str]) -> tuple[Path, ...]:
    """Return the images in a folder in the natural order of their names: 2 before 10; hidden files are left out.

    Raises:
        InputError: there are none, or two of one name.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{shown(folder)}: cannot be read ({error.strerror}); expected a folder of images") from None
    if not found:
        expected = f"000000{' or 000000'.join(sorted(suffixes))}"
        raise InputError(f"{shown(folder)}: no images; expected {expected} …: add them")
    found.sort(key=lambda path: (natural(path.stem), path.stem, path.suffix))
    for one, other in pairwise(found):
        if one.stem == other.stem:
            raise InputError(
                f"{shown(one)} and {shown(Path(other.name))}: two images of one frame; expected one: remove the other"
            )
    return tuple(found)


def recording_from_files(
    files: RecordingFiles,
    *,
    name: str,
    time: tuple[Fraction, ...],
    depth_scale: float,
    T_world_camera: Float64[np.ndarray, "n 4 4"] | None,
    intrinsics: Intrinsics | None,
    metric: bool = True,
) -> Recording:
    """Return a recording that reads its images on demand; the first of each kind, read now, fixes the size.

    Args:
        files: one file per frame and kind.
        name: what the user calls the recording.
        time: of each frame in seconds, relative to the first, ascending.
        depth_scale: stored units per metre of depth in integers.
        T_world_camera: camera-to-world poses, already checked.
        intrinsics: pinhole matrix at the size of the depth images, or of the colour images without depth.
        metric: whether depth and poses are in metres.

    Raises:
        InputError: an image cannot be read or does not fit the others.
    """
    # What comes with the images is that of the stored pixels: only images alone may be turned upright.
    upright = files.depth is None and files.ids is None and T_world_camera is None and intrinsics is None
    read_color = partial(read_rgb, within=files.folder, upright=upright)
    read_one_depth = partial(read_depth, depth_scale=depth_scale, within=files.folder)
    read_one_map = partial(read_ids, within=files.folder)
    color_size = _size(read_color(files.color[0]))
    depth_size = _registered_size(name, "depth", files.depth, read_one_depth, color_size)
    check_unit(files.depth or (), depth_scale, within=files.folder)
    ids_size = _registered_size(name, "masks", files.ids, read_one_map, color_size)
    _check_numbers(files)
    if intrinsics is not None:
        check_intrinsics(intrinsics, depth_size, where=name)
    return Recording(
        name=name,
        time=time,
        color_size=color_size,
        read_color=partial(_read_at, files.color, read_color, color_size),
        read_depth=partial(_read_at, files.depth, read_one_depth, depth_size) if files.depth else None,
        read_ids=partial(_read_at, files.ids, read_one_map, ids_size) if files.ids else None,
        T_world_camera=T_world_camera,
        intrinsics=intrinsics,
        metric=metric,
    )


def read_depth(path: Path, depth_scale: float, *, within: Path | None = None) -> Float32[np.ndarray, "h w"]:
    """Return depth in metres, 0 where there is none.

    Args:
        path: a PNG or TIFF file of one 16-bit channel, whose largest value is no measurement; or a TIFF, NumPy (.npy)
            or OpenEXR file of metres.
        depth_scale: stored units per metre of 16-bit channels.
        within: the folder that the file, links followed, must not lie outside of.

    Raises:
        InputError: the file is no such image.
    """
    stored = _stored_depth(path, within)
    if stored.dtype.kind == "f":
        measured = np.isfinite(stored) & (stored > 0)
        return np.where(measured, stored, 0).astype(np.float32)
    if stored.dtype != np.uint16:
        raise InputError(
            f"{shown(path)}: one channel of {stored.dtype}; expected 16 bits, or metres as floats: save it as a 16-bit"
            " grey PNG"
        )
    return (np.where(stored == np.iinfo(np.uint16).max, np.uint16(0), stored) / depth_scale).astype(np.float32)


def read_ids(path: Path, *, within: Path | None = None) -> Int32[np.ndarray, "h w"]:
    """Return an id map: 0 is background, `IGNORE` is neither background nor a known object.

    Args:
        path: a PNG file of one channel or of palette indices; in 8 bits 255 stands for `IGNORE`, in 16 bits every value
            above 0 is an id, and 1 bit is one object of number 1.
        within: the folder that the file, links followed, must not lie outside of.

    Raises:
        InputError: the file is no such image.
    """
    stored = read_channel(path, within=within)
    if stored.dtype not in (np.bool_, np.uint8, np.uint16):
        raise InputError(
            f"{shown(path)}: one channel of {stored.dtype}; expected object numbers: save it as an 8- or 16-bit"
            " grey PNG"
        )
    ids = stored.astype(np.int32)
    if stored.dtype == np.uint8:
        ids[stored == _IGNORE_8_BIT] = IGNORE
    return ids


def natural(name: str) -> list[str | int]:
    """Return a key by which numbers inside of names are compared as numbers."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split("([0-9]+)", name))]


def _stored_depth(path: Path, within: Path | None) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return read_array(path, within=within)
    if path.suffix.lower() == ".exr":
        return read_exr(path, within=within)
    return read_channel(path, within=within)


def check_unit(files: Sequence[Path], depth_scale: float, *, within: Path) -> None:
    """Refuse a `depth_scale` that puts what was measured beyond a kilometre or within a millimetre.

    Raises:
        InputError: it does, or a depth image cannot be read.
    """
    for path in files[:LOOKED_AT]:
        depth = read_depth(path, depth_scale, within=within)
        if not (measured := depth[depth > 0]).size:
            continue
        median = float(np.median(measured))
        if not PLAUSIBLE_M[0] <= median <= PLAUSIBLE_M[1]:
            raise InputError(
                f"{shown(path)}: depths of {median:,.4g} m (median) with depth_scale {depth_scale:g}; expected stored"
                " units per metre, 1000 where a unit is a millimetre: correct depth_scale in meta.json"
            )
        return


def _check_numbers(files: RecordingFiles) -> None:
    """Refuse 8-bit id maps that hold nothing but 0 and 255: pictures of masks, in which nothing would be an object."""
    ignored = False
    for path in files.ids or ():
        ids = read_ids(path, within=files.folder)
        if (ids > 0).any():
            return
        ignored = ignored or bool((ids == IGNORE).any())
    if ignored:
        raise InputError(
            f"{shown((files.ids or files.color)[0].parent)}: no value but 0 and 255, which stands for ignore; expected"
            " object numbers from 1 on: write 1 in place of 255, or 1-bit images"
        )


def _registered_size(
    name: str,
    what: str,
    files: tuple[Path, ...] | None,
    read: Callable[[Path], np.ndarray],
    color_size: GridShape,
) -> GridShape:
    """Return the size of the first image, checked to show the view of the colour images; theirs without images."""
    size = _size(read(files[0])) if files else color_size
    check_registered(name, what, size, color_size)
    return size


def _read_at(files: tuple[Path, ...], read: Callable[[Path], np.ndarray], size: GridShape, index: int) -> np.ndarray:
    image = read(files[index])
    if _size(image) != size:
        height, width = image.shape[:2]
        raise InputError(
            f"{shown(files[index])}: {width}x{height} pixels; expected {size[1]}x{size[0]} like the first: bring all to"
            " one size"
        )
    return image


def _size(image: np.ndarray) -> GridShape:
    return image.shape[0], image.shape[1]
