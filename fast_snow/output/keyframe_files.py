"""The keyframes of a run as images: nothing outside the run's folder is read, and nothing of any size decoded."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow.errors import InputError
from fast_snow.limits import IMAGE_FILE, IMAGE_PIXELS
from fast_snow.types import GridShape, Keyframe
from fast_snow.untrusted_files import read_bytes, shown

_BEGINS: Final = b"\xff\xd8"
_SIZE_MARKERS: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Segments that tell the size of a JPEG image (ITU-T T.81, table B.1)."""


def read_keyframe(folder: Path, keyframe: Keyframe) -> UInt8[np.ndarray, "h w 3"]:
    """Return the image of a keyframe, RGB.

    Args:
        folder: of the run.
        keyframe: of the run's graph.

    Raises:
        InputError: it is missing, damaged, too large, no JPEG, or leads out of the folder.
    """
    data = read_bytes(folder / keyframe.path, limit=IMAGE_FILE, within=folder)
    name = shown(folder / keyframe.path)
    size = next(_sizes(data), None)
    if size is None or min(size) < 1:
        raise InputError(f"{name}: damaged, expected a JPEG image")
    if size[0] * size[1] > IMAGE_PIXELS.largest:
        raise InputError(f"{name}: {size[1]}x{size[0]} pixels, expected at most {IMAGE_PIXELS.largest}")
    image = _decoded(data)
    if image is None:
        raise InputError(f"{name}: damaged, expected a JPEG image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _sizes(data: bytes) -> Iterator[GridShape]:
    """Yield height and width that the header of a JPEG image tells."""
    place = len(_BEGINS)
    while data.startswith(_BEGINS) and place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        length, _, height, width = struct.unpack_from(">HBHH", data, place + 2)
        if marker in _SIZE_MARKERS:
            yield height, width
        place += 2 + length


def _decoded(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
