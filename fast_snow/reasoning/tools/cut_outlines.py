"""Where the middle of an object is whose outline the image's border cuts.

As more of an object comes in at the border the middle of its mask moves, though it does not. The edges that remain
move as it does: from frame to frame they tell its way, beginning at the nearest frames in which all of it is seen.
"""

from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64

from fast_snow.types import GridShape

CREEP: Final = 0.03
"""Share of its largest side by which the middle is off one frame from where all is seen; its square grows evenly."""
_NOTHING_TELLS: Final = 0.5
"""Share of its side by which the middle of what both borders cut may be off."""

PixelPositions = Float64[np.ndarray, "n 2"]


def middle_of_whole(
    t: Int64[np.ndarray, " n"], centre: PixelPositions, box: Int32[np.ndarray, "n 4"], grid: GridShape
) -> tuple[PixelPositions, PixelPositions]:
    """Return where the middle of an object is, whether the border cuts it or not, and by how much that may be off.

    Args:
        t: its frames; increasing.
        centre: u and v of the middle of its masks, in pixels.
        box: of its masks: left, top, right and bottom.
        grid: height and width of the image.

    Returns:
        The middles in pixels, and for each the standard deviation of its slow error; 0 where the outline is whole.
    """
    middle, off = centre.copy(), np.zeros_like(centre)
    for axis, size in enumerate(grid[::-1]):
        low, high = box[:, axis].astype(np.float64), box[:, axis + 2].astype(np.float64)
        near, far = low <= 0, high >= size
        if not (near | far).any():
            continue
        low_tells, high_tells = ~(near[1:] | near[:-1]), ~(far[1:] | far[:-1])
        step = np.where(low_tells, np.diff(low), np.diff(high))
        step = np.where(low_tells == high_tells, np.diff(centre[:, axis]), step)
        path = np.cumsum(np.concatenate([centre[:1, axis], step]))
        whole = ~(near | far)
        whole[0] |= not whole.any()
        middle[:, axis] = path + np.interp(t, t[whole], (centre[:, axis] - path)[whole])
        creep = CREEP * (high - low).max() * np.sqrt(_away(t, t[whole]))
        off[:, axis] = np.hypot(creep, np.where(near & far, _NOTHING_TELLS * (high - low), 0.0))
    return middle, off


def _away(t: Int64[np.ndarray, " n"], others: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " n"]:
    """Return how far frames are from the nearest of some others; both increase."""
    after = np.searchsorted(others, t)
    return np.minimum(*(np.abs(t - others[each.clip(0, len(others) - 1)]) for each in (after - 1, after)))
