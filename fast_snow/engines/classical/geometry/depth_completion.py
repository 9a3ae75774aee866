"""Depth where motion says nothing: smooth between what was measured, and by ground contact for what moves."""

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from fast_snow.engines.classical.geometry.triangulation import TriangulatedDepth

ASSUMED = np.float32(0.5)
"""Confidence of a depth that is argued for, not measured: it just passes the default filter."""
UNKNOWN = np.nextafter(ASSUMED, np.float32(0))
"""The highest confidence that does not pass it."""
_TRUSTED = 0.5
_MIN_MOVING_SHARE = 0.001
"""Of the image; smaller inconsistent regions are errors of flow."""
_CLOSING = 0.02
"""Of the image's longer side; gaps inside a moving object are closed."""

Map = Float32[np.ndarray, "h w"]


def complete(measured: TriangulatedDepth, *, of_movers: np.float32 = ASSUMED) -> tuple[Map, Map]:
    """Give every pixel a depth.

    Where the measured depth cannot be trusted it is interpolated from around, and keeps its low confidence. A region
    that moves (its flow is good but is not that of a static point) has no depth that two images could tell. It is taken
    to stand on what is seen just below it.

    Args:
        measured: of one image.
        of_movers: confidence of what moves: `UNKNOWN` where depth is promised in metres, `ASSUMED` where the unit is
            free and what moves would vanish from the graph.

    Returns:
        Positive depth and confidence of every pixel; all confidence is 0 where nothing could be trusted.
    """
    trusted = measured.confidence >= _TRUSTED
    if not trusted.any():
        return np.ones_like(measured.depth), np.zeros_like(measured.confidence)
    log_depth = np.log(np.where(trusted, measured.depth, 1.0)).astype(np.float32)
    smooth = _interpolated(log_depth, np.where(trusted, measured.confidence, 0).astype(np.float32))
    log_depth = np.where(trusted, log_depth, smooth)
    confidence = np.where(trusted, measured.confidence, np.minimum(measured.confidence, UNKNOWN))
    for region in _moving_regions(measured.inconsistent):
        log_depth[region] = _contact(log_depth, trusted & ~region, region)
        confidence[region] = of_movers
    return np.exp(log_depth), confidence.astype(np.float32)


def _interpolated(values: Map, weight: Map) -> Map:
    """Fill by normalised averages over ever larger neighbourhoods (a Gaussian pyramid)."""
    sums, weights = [values * weight], [weight]
    while max(sums[-1].shape) > 2:
        sums.append(cv2.pyrDown(sums[-1]))
        weights.append(cv2.pyrDown(weights[-1]))
    mean = np.float32(sums[0].sum(dtype=np.float64) / weight.sum(dtype=np.float64))
    filled = sums[-1] + (1 - weights[-1]) * mean
    for total, share in zip(sums[-2::-1], weights[-2::-1], strict=True):
        filled = total + (1 - share) * cv2.pyrUp(filled, dstsize=total.shape[::-1])
    return filled


def _moving_regions(inconsistent: Bool[np.ndarray, "h w"]) -> list[Bool[np.ndarray, "h w"]]:
    """Return the connected regions that are large enough to be objects, their gaps closed."""
    size = 2 * max(1, round(_CLOSING * max(inconsistent.shape) / 2)) + 1
    opened = cv2.morphologyEx(inconsistent.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    large = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= _MIN_MOVING_SHARE * closed.size]
    return [labels == k for k in large]


def _contact(log_depth: Map, trusted: Bool[np.ndarray, "h w"], region: Bool[np.ndarray, "h w"]) -> float:
    """Return the depth of the trusted pixels nearest below the region; of its surroundings where there are none."""
    height = region.shape[0]
    columns = np.flatnonzero(region.any(axis=0))
    lowest = height - 1 - np.argmax(region[::-1, columns], axis=0)
    contact = lowest >= np.quantile(lowest, 0.75)  # where the region reaches lowest it touches the ground
    rows = np.arange(height)[:, None]
    below = trusted[:, columns[contact]] & (rows > lowest[contact])
    first = np.argmax(below, axis=0)
    found = below.any(axis=0)
    if not found.any():
        return float(np.median(log_depth[region]))
    return float(np.median(log_depth[first[found], columns[contact][found]]))
