"""Image files of recordings, each read when it is needed."""

import re
from collections.abc import Collection, Iterable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.errors import InputError
from fast_snow.inputs.arrays import LOOKED_AT, PLAUSIBLE_M, metres
from fast_snow.inputs.recording import IGNORE
from fast_snow.untrusted_files import shown
from fast_snow.untrusted_images import read_array, read_channel, read_exr

COLOR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
DEPTH_SUFFIXES = frozenset({".png", ".tiff", ".tif", ".npy", ".exr"})
ID_SUFFIXES = frozenset({".png"})
_IGNORE_8_BIT = 255


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
    read = {".npy": read_array, ".exr": read_exr}.get(path.suffix.lower(), read_channel)
    stored = read(path, within=within)
    if stored.dtype.kind != "f" and stored.dtype != np.uint16:
        raise InputError(
            f"{shown(path)}: one channel of {stored.dtype}; expected 16 bits, or metres as floats: save it as a 16-bit"
            " grey PNG"
        )
    return metres(stored, depth_scale)


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


def images_by_name(folder: Path, suffixes: Collection[str]) -> dict[str, Path] | None:
    """Return the images in a folder by their names without suffixes; None where there is no such folder.

    Raises:
        InputError: as `image_files`.
    """
    return by_name(image_files(folder, suffixes)) if folder.is_dir() else None


def by_name(files: Iterable[Path], prefix: str = "") -> dict[str, Path]:
    """Return files by the name of their frame: the file's, without a prefix and the suffix."""
    return {path.stem.removeprefix(prefix): path for path in files}


def natural(name: str) -> list[str | int]:
    """Return a key by which numbers inside of names are compared as numbers."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split("([0-9]+)", name))]


def check_unit(files: Iterable[Path], depth_scale: float, *, within: Path) -> None:
    """Refuse a `depth_scale` that puts what was measured beyond a kilometre or within a millimetre.

    Raises:
        InputError: it does, or a depth image cannot be read.
    """
    for path in islice(files, LOOKED_AT):
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


def check_numbers(files: Iterable[Path], *, within: Path) -> None:
    """Refuse 8-bit id maps that hold nothing but 0 and 255: pictures of masks, in which nothing would be an object.

    Raises:
        InputError: they do, or one cannot be read.
    """
    folder = None
    for path in files:
        ids = read_ids(path, within=within)
        if (ids > 0).any():
            return
        if (ids == IGNORE).any():
            folder = folder or path.parent
    if folder is not None:
        raise InputError(
            f"{shown(folder)}: no value but 0 and 255, which stands for ignore; expected object numbers from 1 on:"
            " write 1 in place of 255, or 1-bit images"
        )
