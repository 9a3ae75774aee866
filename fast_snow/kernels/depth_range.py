"""Which depths belong to an object: the range around its median that a gap parts from everything beyond.

Masks take in some of what lies behind or before an object. Its pixels are then two groups in depth with next to
nothing between them, where an object that is long, slanted or bent fills its range. Gaps are measured in inverse depth,
which is linear in the image on a plane: however it is slanted, its pixels are as dense at the far end as at the near.
"""

from typing import Final, NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.threads import over_masks
from fast_snow.types import Masks, readonly

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

_SHIFT: Final = 15
"""Depths are told apart by sign, exponent and the upper 8 bits of the fraction of a float32: by 0.2 to 0.4 %."""
_INFINITE: Final = 0x7F800000
_BITS: Final = np.arange((_INFINITE >> _SHIFT) + 1, dtype=np.int32) << _SHIFT
_EDGES: Final = readonly(np.maximum(_BITS, 1).view(np.float32))
"""Least depth of each bin."""


class GapRule(NamedTuple):
    """What parts an object from what lies beyond; chosen by `python -m bench.depth_outliers`.

    Attributes:
        least_gap: width of a gap, as a fraction of the median inverse depth; at least `spread` below.
        spread: width of a gap in median absolute deviations of the object's inverse depth.
        most_within: share of the object's points that a gap holds less than.
        most_beyond: largest share of its points that is left out on one side; more of them are a part of it.
    """

    least_gap: float = 0.06
    spread: float = 1.0
    most_within: float = 0.005
    most_beyond: float = 0.35


RULE: Final = GapRule()


class DepthRanges(NamedTuple):
    """The depths that belong to each object.

    Attributes:
        bounds: depth lies between these two, both excluded.
        outliers: usable pixels outside.
    """

    bounds: Float32[np.ndarray, "m 2"]
    outliers: Int32[np.ndarray, " m"]


def depth_ranges(
    masks: Masks,
    depth: Float32[np.ndarray, "h w"],
    confidence: Float32[np.ndarray, "h w"],
    *,
    conf_thresh: float,
    rule: GapRule = RULE,
) -> DepthRanges:
    """Find the range of depth of each object, walking from its median both ways up to the first gap.

    With `r` the inverse depth of a pixel over that of the median pixel, `D` the median of `|r - 1|` and `n` the number
    of usable pixels, a gap is a stretch of `r` beyond some pixel, `max(least_gap, spread * D)` wide, that holds less
    than `most_within * n` pixels while there are more beyond it. Where what follows that pixel is at most
    `most_beyond * n`, the range ends with it; else the walk goes on. A convex patch of a plane has no gap.

    Args:
        masks: `m` masks on the grid of `depth`.
        depth: along the optical axis; usable where finite and positive.
        confidence: in [0, 1].
        conf_thresh: least confidence of a usable pixel.
        rule: what a gap is.

    Returns:
        The ranges; a mask without usable pixels has none of its own, from 0 to infinity.
    """
    ends = np.full((len(masks), 2), -1)
    outliers = np.zeros(len(masks), np.int32)
    pixels = readonly(depth).reshape(-1).view(np.int32), readonly(confidence).reshape(-1)

    def find(first: int, last: int) -> None:
        runs = masks.start, masks.stop, masks.offset
        _find(*runs, first, last, *pixels, np.float32(conf_thresh), _EDGES, np.array(rule), ends, outliers)

    over_masks(find, area(masks).astype(np.int64))
    near, far = ends.T
    bounds = np.empty((len(masks), 2), np.float32)
    bounds[:, 0] = np.where(near < 0, 0, np.nextafter(_EDGES[near], np.float32(0)))
    bounds[:, 1] = np.where(far < 0, np.inf, _EDGES[far + 1])
    return DepthRanges(bounds, outliers)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _find(start, stop, offset, first, last, depth_bits, confidence, threshold, edges, rule, ends, outliers):
    """Find the last bins of masks `first:last` either way, where something lies beyond, and how many pixels do."""
    count = np.zeros(len(edges), np.int64)
    off = np.zeros(len(edges))
    for mask in range(first, last):
        runs = offset[mask], offset[mask + 1]
        total, near, far = _count(start, stop, runs, depth_bits, confidence, threshold, count)
        if total == 0:
            continue
        # 1. Measure inverse depth from that of the median pixel.
        middle, below = near, 0
        while 2 * (below + count[middle]) < total:
            below += count[middle]
            middle += 1
        for at in range(near, far + 1):
            off[at] = np.float64(edges[middle]) / edges[at] - 1.0
        # 2. Walk from there to the first gap on either side.
        spread = rule[1] * _deviation(count, off, near, middle, far, total)
        gap = spread if spread > rule[0] else rule[0]
        within, beyond = rule[2] * total, rule[3] * total
        lowest, nearer = _end(count, off, middle, near, below, gap, within, beyond)
        highest, farther = _end(count, off, middle, far, total - below - count[middle], gap, within, beyond)
        outliers[mask] = nearer + farther
        ends[mask, 0] = lowest if nearer > 0 else -1
        ends[mask, 1] = highest if farther > 0 else -1
        for at in range(near, far + 1):
            count[at] = 0


@numba.njit(cache=True, nogil=True)
@no_type_check
def _count(start, stop, runs, depth_bits, confidence, threshold, count):
    """Count the usable pixels of runs by depth; returns how many there are, and the nearest and farthest bin."""
    total, near, far = 0, len(count), 0
    for run in range(runs[0], runs[1]):
        for pixel in range(start[run], stop[run]):
            bits = np.int64(depth_bits[pixel])
            if confidence[pixel] >= threshold and 0 < bits < _INFINITE:
                at = bits >> _SHIFT
                count[at] += 1
                total += 1
                near = at if at < near else near
                far = at if at > far else far
    return total, near, far


@numba.njit(cache=True, nogil=True)
@no_type_check
def _deviation(count, off, near, middle, far, total):
    """Return the median absolute deviation, of all pixels, from the middle bin."""
    covered, low, high, at = count[middle], middle - 1, middle + 1, middle
    while 2 * covered < total:
        nearer = high > far or (low >= near and off[low] < -off[high])
        at = low if nearer else high
        low -= np.int64(nearer)
        high += np.int64(not nearer)
        covered += count[at]
    return abs(off[at])


@numba.njit(cache=True, nogil=True)
@no_type_check
def _end(count, off, middle, end, left, gap, most_within, most_beyond):
    """Walk from the middle bin over `left` pixels; returns the last bin before a gap, and how many follow it."""
    step = 1 if end > middle else -1
    at, ahead, within = middle, middle + step, 0
    while at != end:
        if left <= most_beyond and count[at] > 0:
            while ahead != end + step and abs(off[ahead] - off[at]) <= gap:
                within += count[ahead]
                ahead += step
            if within < most_within and within < left:
                return at, left
        at += step
        left -= count[at]
        if ahead == at:
            ahead += step
        else:
            within -= count[at]
    return end, 0
