"""Which frames of an input become the clip, and at what size."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import TypeVar

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow.types import GridShape

Item = TypeVar("Item")


def exact(rate: float) -> Fraction:
    """Return the fraction that a decimal number is meant to be: 29.97 is 2997/100, not its binary neighbour."""
    return Fraction(repr(float(rate)))


def select(
    timed: Iterable[tuple[Fraction, Item]], *, target_fps: float, max_frames: int | None = None
) -> Iterator[tuple[int, Fraction, Item]]:
    """Pick for each tick `k` the first frame presented at or after `k / target_fps`, each frame at most once.

    Ticks are compared as fractions: a frame stamped exactly on a tick is never missed by rounding.

    Args:
        timed: frames with their time in seconds relative to the first one, in presentation order.
        target_fps: ticks per second.
        max_frames: stop after so many picked frames; the rest of `timed` is not asked for.

    Yields:
        Index in `timed`, time and frame of each pick.
    """
    rate = exact(target_fps)
    tick = picked = 0
    for index, (time, item) in enumerate(timed):
        if time * rate < tick:
            continue
        yield index, time, item
        tick = floor(time * rate) + 1
        picked += 1
        if picked == max_frames:
            return


def shrunk_size(size: GridShape, max_side: int, pixel_aspect: Fraction = Fraction(1)) -> GridShape:
    """Return the height and width with square pixels and a longer side of at most `max_side`; nothing grows.

    Args:
        size: height and width as stored.
        max_side: longest side allowed in pixels; 0 allows any.
        pixel_aspect: width of a stored pixel over its height.
    """
    height = size[0] / max(pixel_aspect, Fraction(1))
    width = size[1] * min(pixel_aspect, Fraction(1))
    longest = max(height, width)
    scale = max_side / longest if 0 < max_side < longest else Fraction(1)
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: UInt8[np.ndarray, "height width 3"], size: GridShape) -> UInt8[np.ndarray, "h w 3"]:
    """Return `image` at the smaller `size` (height, width), each pixel the mean of the area it covers."""
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)
