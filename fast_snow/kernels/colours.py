"""Colours of images and of masks: CIE L*a*b* in OpenCV's 8 bit coding, counted in bins."""

from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Int32, UInt8

from fast_snow.types import GridShape, Masks, readonly

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

SHARED = 6
"""Bins per channel of `colour_shares`."""
_NEUTRAL = 128
_CHROMA_SPAN = 128  # natural images stay within ±64 of neutral in a* and b*


def to_lab(image: UInt8[np.ndarray, "height width 3"], shape: GridShape) -> UInt8[np.ndarray, "h w 3"]:
    """Return an RGB image as L*a*b* on a grid of `shape`."""
    shrinks = shape[0] <= image.shape[0] and shape[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.cvtColor(cv2.resize(image, shape[::-1], interpolation=how), cv2.COLOR_RGB2LAB)


def colour_bins(lab: UInt8[np.ndarray, "h w 3"], per_channel: int) -> Int32[np.ndarray, "h w"]:
    """Return each pixel's colour bin, `per_channel ** 3` in all."""
    table = np.arange(256)
    light = table * per_channel // 256
    chroma = np.clip((table - _NEUTRAL) * per_channel // _CHROMA_SPAN + per_channel // 2, 0, per_channel - 1)
    place = np.array([light * per_channel**2, chroma * per_channel, chroma], np.int32)
    return _looked_up(readonly(lab), readonly(place))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _looked_up(lab, place):
    height, width, _ = lab.shape
    bins = np.empty((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            bins[y, x] = place[0, lab[y, x, 0]] + place[1, lab[y, x, 1]] + place[2, lab[y, x, 2]]
    return bins


def colour_shares(masks: Masks, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "m bins"]:
    """Measure which share of each mask has which colour: what an object looks like.

    Args:
        masks: `m` masks on any grid.
        image: RGB, of any size; it is brought to the grid.

    Returns:
        Per mask and bin of `SHARED ** 3`, the share of the mask's pixels, where 255 is all of them.
    """
    bins = colour_bins(to_lab(image, masks.shape), SHARED)
    count = np.zeros((len(masks), SHARED**3), np.int32)
    _count(masks.start, masks.stop, masks.offset, readonly(bins.reshape(-1)), count)
    pixels = np.maximum(count.sum(axis=1, keepdims=True), 1)
    return np.rint(255 * count / pixels).astype(np.uint8)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _count(start, stop, offset, bins, count):
    for mask in range(len(offset) - 1):
        for run in range(offset[mask], offset[mask + 1]):
            for pixel in range(start[run], stop[run]):
                count[mask, bins[pixel]] += 1
