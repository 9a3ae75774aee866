"""From RGB frames to the network's input, exactly as upstream prepares it."""

from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.types import GridShape, ImageStack

PATCH: Final = 14
"""The network sees squares of this many pixels: its input's sides are multiples of it."""
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION: Final = np.array([0.229, 0.224, 0.225], np.float32)

Image = UInt8[np.ndarray, "_ _ 3"]


def network_size(height: int, width: int, process_res: int) -> GridShape:
    """Return height and width at which the network sees a frame.

    That is the frame's shape at `process_res`, each side rounded to the nearest multiple of 14 (up where two are
    equally near), at least 14. Upstream answers 1 where that multiple is 0, which the network refuses.
    """
    tall, wide = _at_resolution(height, width, process_res)
    return _nearest_multiple(tall), _nearest_multiple(wide)


def preprocess(image: ImageStack, process_res: int) -> Float32[np.ndarray, "n 3 h w"]:
    """Resize RGB frames to `network_size`, in units of ImageNet's standard deviation around its mean.

    Reference:
        Depth Anything 3, `utils/io/input_processor.py`, method `upper_bound_resize`.
    """
    height, width = image.shape[1:3]
    at_resolution = _at_resolution(height, width, process_res)
    size = network_size(height, width, process_res)
    prepared = np.empty((len(image), 3, *size), np.float32)
    for i, frame in enumerate(image):
        longer_grows = max(at_resolution) > max(height, width)
        resized = _resize(frame, at_resolution, grows=longer_grows)
        any_grows = size[0] > at_resolution[0] or size[1] > at_resolution[1]
        resized = _resize(resized, size, grows=any_grows)
        prepared[i] = ((resized.astype(np.float32) / np.float32(255) - _MEAN) / _DEVIATION).transpose(2, 0, 1)
    return prepared


def _at_resolution(height: int, width: int, process_res: int) -> GridShape:
    scale = process_res / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _nearest_multiple(side: int) -> int:
    return max(PATCH, (side + PATCH // 2) // PATCH * PATCH)


def _resize(frame: Image, size: GridShape, *, grows: bool) -> Image:
    if frame.shape[:2] == size:
        return frame
    resized: np.ndarray = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)
    return resized
