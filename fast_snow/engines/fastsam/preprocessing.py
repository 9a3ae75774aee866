"""From frames to what FastSAM's network takes: the smallest rectangle in steps of its stride, padded with grey.

Reference:
    `LetterBox` with `auto=True` of ultralytics, which is what its predictor does with weights in torch.
"""

import math
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.types import GridShape, ImageStack

IMAGES = "images"
"""Name of the network's input."""

STRIDE = 32
"""Pixels of the network's input per pixel of its coarsest feature map."""

_GREY = (114, 114, 114)
_LARGEST_VALUE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterbox:
    """Where a frame lies in the network's input, whose padding begins with `top` rows and `left` columns."""

    size: GridShape
    content: GridShape
    top: int
    left: int


def letterbox(height: int, width: int, imgsz: int) -> Letterbox:
    """Place a frame in the smallest input whose longer side is `imgsz`, rounded up to the stride."""
    side = math.ceil(imgsz / STRIDE) * STRIDE
    scale = min(side / height, side / width)
    content = max(round(height * scale), 1), max(round(width * scale), 1)
    padding = tuple((side - each) % STRIDE for each in content)
    return Letterbox(
        size=(content[0] + padding[0], content[1] + padding[1]),
        content=content,
        top=before(padding[0]),
        left=before(padding[1]),
    )


def network_size(height: int, width: int, imgsz: int) -> GridShape:
    """Return height and width of the network's input for a frame of `height × width`."""
    return letterbox(height, width, imgsz).size


def before(padding: int) -> int:
    """Return how much of a padding comes before the frame; the odd pixel comes after it."""
    return round(padding / 2 - 0.1)


def to_network(images: ImageStack, imgsz: int, pool: Executor) -> Float32[np.ndarray, "n 3 rows columns"]:
    """Scale and pad RGB frames of one size, to [0, 1]; the result belongs to the caller."""
    place = letterbox(images.shape[1], images.shape[2], imgsz)
    out = np.empty((len(images), 3, *place.size), np.float32)

    def fill(image: UInt8[np.ndarray, "h w 3"], target: Float32[np.ndarray, "3 rows columns"]) -> None:
        np.divide(_padded(image, place).transpose(2, 0, 1), np.float32(_LARGEST_VALUE), out=target)

    list(pool.map(fill, images, out))
    return out


def _padded(image: UInt8[np.ndarray, "h w 3"], place: Letterbox) -> UInt8[np.ndarray, "rows columns 3"]:
    height, width = place.content
    scaled = image
    if image.shape[:2] != place.content:
        scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    bottom, right = place.size[0] - height - place.top, place.size[1] - width - place.left
    return cv2.copyMakeBorder(scaled, place.top, bottom, place.left, right, cv2.BORDER_CONSTANT, value=_GREY)
