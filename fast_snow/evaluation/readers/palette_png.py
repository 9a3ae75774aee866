"""PNG images whose pixels are indices into a palette, as DAVIS and others write their id maps.

OpenCV answers with the palette's colours and loses the indices. Read as grey levels, the same file gives them: only its
header has to say so.

Reference:
    W3C, Portable Network Graphics (PNG) Specification (Third Edition), 5.3, 11.2.1 and 11.2.2.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from fast_snow.errors import InputError
from fast_snow.limits import IMAGE_FILE, IMAGE_PIXELS
from fast_snow.untrusted_files import read_bytes

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_GREY: Final = 0
_PALETTE: Final = 3
_COLOUR_TYPE: Final = 9
"""Where in a PNG header it says what pixels mean; the number of bits stands before it."""
_MOST_CHUNKS: Final = 2**16
"""256 MiB in chunks of 8 KiB are half as many."""


def read_ids(path: Path) -> UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]:
    """Return the numbers in a PNG file: indices into its palette, or its grey levels as they are.

    Args:
        path: of one channel of at most 16 bits.

    Raises:
        InputError: the file is no such image.
    """
    data = read_bytes(path, limit=IMAGE_FILE)
    try:
        chunks = list(islice(_chunks(data), _MOST_CHUNKS))
        header = chunks[0][1]
        width, height, bits, colour_type = struct.unpack(">IIBB", header[:10])
    except (ValueError, IndexError, struct.error):
        raise InputError(f"{path}: no PNG image or a damaged one, expected an id map as PNG") from None
    if colour_type not in (_GREY, _PALETTE) or not 0 < width * height <= IMAGE_PIXELS.largest:
        raise InputError(
            f"{path}: {width}x{height} pixels in colour type {colour_type}, expected ids as grey levels or palette"
            f" indices and at most {IMAGE_PIXELS.largest} pixels"
        )
    image = _decoded(b"".join([_SIGNATURE, *_as_grey(chunks)]))
    if image is None or image.shape != (height, width):
        raise InputError(f"{path}: the PNG image is damaged, expected a whole one: copy it again")
    # Below eight bits, grey levels are spread over the range of a byte.
    return image if bits >= 8 else image // (255 // (2**bits - 1))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk; ValueError or struct.error where the file is damaged."""
    if not data.startswith(_SIGNATURE):
        raise ValueError
    at = len(_SIGNATURE)
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if checksum != zlib.crc32(name + content):
            raise ValueError
        yield name, content
        at += length + 12


def _as_grey(chunks: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, content in chunks:
        if name == b"IHDR":
            written = content[:_COLOUR_TYPE] + bytes([_GREY]) + content[_COLOUR_TYPE + 1 :]
        elif name in (b"IDAT", b"IEND"):
            written = content
        else:
            continue
        yield struct.pack(">I", len(written)) + name + written + struct.pack(">I", zlib.crc32(name + written))


def _decoded(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
