"""Colour models: how much likelier a colour is inside an object than around it.

Colours are CIE L*a*b* in OpenCV's 8 bit coding, counted in bins.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32, UInt8

from fast_snow.types import GridShape

FINE = 16
"""Bins per channel of a colour model."""
COARSE = 8
"""Bins per channel where a model also knows places."""
_NEUTRAL = 128
_CHROMA_SPAN = 128  # natural images stay within ±64 of neutral in a* and b*
_FLOOR = 1e-4
_LIMIT = 3.0


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
    light, chroma = light.astype(np.int32), chroma.astype(np.int32)
    return (light[lab[..., 0]] * per_channel + chroma[lab[..., 1]]) * per_channel + chroma[lab[..., 2]]


def histogram(bins: Int[np.ndarray, "h w"], weight: Float[np.ndarray, "h w"]) -> Float32[np.ndarray, " bins"]:
    """Count fine colour bins, each pixel by its weight, with a little spill into neighbouring bins."""
    count = np.bincount(bins.ravel(), weight.ravel(), FINE**3).reshape(FINE, FINE, FINE)
    return blurred(count).ravel().astype(np.float32)


def blurred(count: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Blur an array with [1, 2, 1] / 4 along every axis."""
    for axis in range(count.ndim):
        low = [slice(None)] * count.ndim
        high = low.copy()
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        out = 0.5 * count
        out[tuple(high)] += 0.25 * count[tuple(low)]
        out[tuple(low)] += 0.25 * count[tuple(high)]
        count = out
    return count


def log_odds(
    inside: Float32[np.ndarray, " bins"], outside: Float32[np.ndarray, " bins"]
) -> Float32[np.ndarray, " bins"]:
    """Return, per bin, the logarithm of how much likelier it is inside than outside; 0 where neither was seen."""
    p = inside / max(float(inside.sum()), 1.0)
    q = outside / max(float(outside.sum()), 1.0)
    return np.clip(np.log((p + _FLOOR) / (q + _FLOOR)), -_LIMIT, _LIMIT).astype(np.float32)


def sigmoid(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return the logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def discrimination(
    log_odds: Float32[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"], trust: Float32[np.ndarray, "h w"]
) -> float:
    """Tell how well log-odds separate inside from outside: 0 not at all, 1 perfectly.

    Args:
        log_odds: of each pixel.
        inside: the pixels that are believed to be inside.
        trust: weight of that belief.

    Returns:
        Balanced accuracy, scaled from [0.5, 1] to [0, 1].
    """
    right = sigmoid(log_odds)
    weight_in, weight_out = trust * inside, trust * ~inside
    hit = float((right * weight_in).sum()) / max(float(weight_in.sum()), 1e-6)
    reject = float(((1.0 - right) * weight_out).sum()) / max(float(weight_out.sum()), 1e-6)
    return max(0.0, hit + reject - 1.0)
