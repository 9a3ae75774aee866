"""Untrusted images: format and size are read from the header before anything is decoded."""

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fast_snow.errors import InputError, first_line
from fast_snow.limits import ARRAY_FILE, IMAGE_FILE, IMAGE_PIXELS
from fast_snow.untrusted_files import open_file, read_bytes, shown

FORMATS: Final[tuple[tuple[bytes, type[ImageFile]], ...]] = (
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"RIFF....WEBP", WebPImageFile),
    (rb"II[*+]\x00|MM\x00[*+]", TiffImageFile),
)
"""What is decoded, by how its files begin. `Image.open` is not asked: packages replace it with openers of their own."""
_ONE_CHANNEL: Final = frozenset({"1", "L", "P", "I", "F", "I;16", "I;16B", "I;16L"})
_DAMAGE: Final = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    SyntaxError,
    struct.error,
)
"""What Pillow raises for images that are none."""


def read_rgb(path: Path, *, within: Path | None = None, upright: bool = False) -> UInt8[np.ndarray, "height width 3"]:
    """Return an RGB image.

    Args:
        path: of a JPEG, PNG, WebP or TIFF file.
        within: the folder that the file, links followed, must not lie outside of.
        upright: whether the orientation that a phone noted (EXIF) is undone.

    Raises:
        InputError: the file cannot be read, is no such image or has too many pixels.
    """
    return decode_rgb(read_bytes(path, limit=IMAGE_FILE, within=within), path, upright=upright)


def decode_rgb(data: bytes, path: Path, *, upright: bool = False) -> UInt8[np.ndarray, "height width 3"]:
    """Return an RGB image from the bytes of a JPEG, PNG, WebP or TIFF file; `path` is for messages.

    Raises:
        InputError: it is no such image or has too many pixels.
    """
    image = _header(path, data)
    if image.format == "JPEG":
        flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        return _decoded_jpeg(path, data, flags)
    if upright:
        ImageOps.exif_transpose(image, in_place=True)
    return _pixels(path, image.convert, "RGB")


def read_channel(path: Path, *, within: Path | None = None) -> Shaped[np.ndarray, "height width"]:
    """Return an image of one channel as it is stored: indices of a palette, 1 bit as bool, integers or floats.

    Raises:
        InputError: the file cannot be read, is no such image or has too many pixels.
    """
    return decode_channel(read_bytes(path, limit=IMAGE_FILE, within=within), path)


def decode_channel(data: bytes, path: Path) -> Shaped[np.ndarray, "height width"]:
    """Return an image of one channel from the bytes of a PNG or TIFF file; `path` is for messages.

    Raises:
        InputError: it is no such image or has too many pixels.
    """
    image = _header(path, data)
    if image.mode not in _ONE_CHANNEL:
        raise InputError(f"{shown(path)}: {len(image.getbands())} channels ({image.mode}); expected one")
    stored = _pixels(path, image.copy)
    return stored.astype(np.uint16) if image.format == "PNG" and image.mode == "I" else stored  # older than Pillow 10.3


def read_array(path: Path, *, within: Path | None = None) -> Shaped[np.ndarray, "height width"]:
    """Return a table of numbers that NumPy wrote (.npy).

    Raises:
        InputError: the file cannot be read, is cut short, or holds something else than a table of numbers.
    """
    file = io.BytesIO(read_bytes(path, limit=ARRAY_FILE, within=within))
    try:
        shape, by_columns, dtype = _array_header(file)
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        raise InputError(f"{shown(path)}: no array ({first_line(error)}); expected a .npy file: replace it") from None
    content = file.getbuffer()[file.tell() :]
    if dtype.kind not in "fiu" or len(shape) != 2 or min(shape) < 1:
        raise InputError(f"{shown(path)}: an array of {dtype} and shape {shape}; expected a table of numbers")
    if shape[0] * shape[1] * dtype.itemsize != len(content) or shape[0] * shape[1] > IMAGE_PIXELS.largest:
        raise InputError(f"{shown(path)}: {len(content)} bytes for the shape {shape}; cut short or too large")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")


def read_exr(path: Path, *, within: Path | None = None) -> Shaped[np.ndarray, "height width"]:
    """Return the one channel of an OpenEXR file; needs the package OpenEXR.

    Raises:
        InputError: the package is missing, or the file cannot be read, has several channels or too many pixels.
    """
    try:
        import OpenEXR
    except ImportError:
        raise InputError(
            f"{shown(path)}: OpenEXR files need the package of that name: pip install OpenEXR, or write .tiff or .npy"
        ) from None
    open_file(path, limit=IMAGE_FILE, within=within).close()
    try:
        with OpenEXR.File(str(path), header_only=True) as header:
            (left, top), (right, bottom) = header.header()["dataWindow"]
        _require_size(path, int(right) - int(left) + 1, int(bottom) - int(top) + 1)
        with OpenEXR.File(str(path)) as file:
            channels = [channel.pixels for channel in file.channels().values()]
    except (RuntimeError, ValueError, TypeError, LookupError) as error:
        raise InputError(f"{shown(path)}: no OpenEXR image ({first_line(error)}); replace it") from None
    if len(channels) != 1 or channels[0].ndim != 2:
        raise InputError(f"{shown(path)}: {len(channels)} channels; expected one of depth in metres")
    return np.asarray(channels[0])


def _array_header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _header(path: Path, data: bytes) -> Image.Image:
    kinds = [kind for beginning, kind in FORMATS if re.match(beginning, data, re.DOTALL)]
    try:
        (kind,) = kinds
        image = kind(io.BytesIO(data))
        width, height = image.size
    except _DAMAGE:
        raise InputError(
            f"{shown(path)}: cannot be read as an image; expected JPEG, PNG, WebP or TIFF: replace it"
        ) from None
    _require_size(path, width, height)
    return image


def _require_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < 1 or width * height > IMAGE_PIXELS.largest:
        raise InputError(
            f"{shown(path)}: {width}x{height} pixels; expected at most {IMAGE_PIXELS.largest} in all: shrink it"
        )


def _pixels(path: Path, decode: Callable[..., Image.Image], *arguments: str) -> np.ndarray:
    try:
        return np.asarray(decode(*arguments))
    except _DAMAGE as error:
        raise InputError(f"{shown(path)}: damaged ({first_line(error)}); replace it") from None


def _decoded_jpeg(path: Path, data: bytes, flags: int) -> UInt8[np.ndarray, "height width 3"]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"{shown(path)}: damaged; replace it")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
