"""What an object looks like with the parts that are hidden for the moment, and where in a frame that is found.

The sprite moves with the object. Its shape fades where the object is no longer seen: what a pole hides is expected to
come out behind it, what has changed its form is not expected for long.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from fast_snow.engines.classical.edge_aware import Crop
from fast_snow.engines.classical.tracking.object_motion import Similarity
from fast_snow.types import readonly

_FADES = 0.9  # of the shape per frame
_POINTS = 300
_COARSE = 4  # pixels between shifts that are tried first
_CLEARLY_OTHER = 60.0  # L*a*b* levels, summed over the channels


class Sprite(NamedTuple):
    """An object's memory in a window of one frame.

    Attributes:
        shape: how surely each pixel is expected to be the object's.
        look: L*a*b*, evened.
    """

    shape: Float32[np.ndarray, "h w"]
    look: UInt8[np.ndarray, "h w 3"]

    def moved(self, window: Crop, motion: Similarity, to: Crop) -> "Sprite":
        """Return the sprite of `window` as it lies in the window `to` of the next frame."""
        matrix = motion.origin().astype(np.float64)
        matrix[:, 2] += matrix[:, :2] @ (to[1].start, to[0].start) - (window[1].start, window[0].start)
        size = to[1].stop - to[1].start, to[0].stop - to[0].start
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shape = cv2.warpAffine(self.shape, matrix, size, flags=how)
        look = cv2.warpAffine(self.look, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        return Sprite(shape, look)

    def renewed(self, soft: Float32[np.ndarray, "h w"], even: UInt8[np.ndarray, "h w 3"]) -> "Sprite":
        """Return the sprite after the object was seen in its window."""
        faded = _FADES * self.shape
        look = cv2.copyTo(even, (soft > faded).view(np.uint8), self.look.copy())
        return Sprite(np.maximum(soft, faded), look)


def best_shift(
    sprite: Sprite, window: Crop, motion: Similarity, even: UInt8[np.ndarray, "height width 3"], radius: int
) -> tuple[complex, float]:
    """Look for a sprite around where its motion takes it.

    Args:
        sprite: of one frame.
        window: where it lies in that frame.
        motion: predicted.
        even: the next frame, evened.
        radius: pixels to search each way.

    Returns:
        The shift that is to be added to the motion, and the mean difference of colours there, in [0, 1].
    """
    corner = window[0].start, window[1].start
    arrays = (readonly(each) for each in (sprite.shape, sprite.look))
    limit = np.float32(_CLEARLY_OTHER)
    shift, difference = _best_shift(*arrays, *corner, *motion, readonly(even), radius, limit)
    return shift, float(difference)


def shift_costs(
    even: UInt8[np.ndarray, "h w 3"],
    at: Int32[np.ndarray, "2 p"],
    look: UInt8[np.ndarray, "p 3"],
    weight: Float32[np.ndarray, " p"],
    steps: int,
    stride: int,
) -> Float32[np.ndarray, "k k"]:
    """Compare points with a frame at every shift of a square grid.

    Args:
        even: the frame.
        at: `(u, v)` of each point without a shift; may lie outside, which differs most.
        look: colour of each point.
        weight: of each point, positive.
        steps: of the grid each way.
        stride: pixels per step.

    Returns:
        Weighted mean difference of colours in [0, 1], by vertical and horizontal shift.
    """
    return _shift_costs(
        readonly(even), readonly(at), readonly(look), readonly(weight), steps, stride, np.float32(_CLEARLY_OTHER)
    )


@numba.njit(cache=True, nogil=True)
@no_type_check
def _shift_costs(even, at, look, weight, steps, stride, limit):
    height, width, _ = even.shape
    side = 2 * steps + 1
    cost = np.zeros((side, side), np.float32)
    total = np.float32(0.0)
    for p in range(at.shape[1]):
        total += weight[p]
        light, green_red, blue_yellow = np.int32(look[p, 0]), np.int32(look[p, 1]), np.int32(look[p, 2])
        for i in range(side):
            y = at[1, p] + (i - steps) * stride
            row, last = even[min(max(y, 0), height - 1)], width if 0 <= y < height else 0  # no column of no row
            for j in range(side):
                x = at[0, p] + (j - steps) * stride
                differs = limit
                if 0 <= x < last:
                    apart = abs(np.int32(row[x, 0]) - light) + abs(np.int32(row[x, 1]) - green_red)
                    differs = min(np.float32(apart + abs(np.int32(row[x, 2]) - blue_yellow)), limit)
                cost[i, j] += weight[p] * differs
    return cost / (total * limit)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _best_shift(shape, look, top, left, gain, shift, even, radius, limit):
    """Search for a sample of the sprite's points, with large steps first."""
    total = 0
    for weight in shape.flat:
        total += weight > 0.5
    if total == 0:
        return complex(0.0), np.float32(1.0)
    stride = 1 + total // _POINTS
    count = (total + stride - 1) // stride
    at, weights = np.empty((2, count), np.int32), np.empty(count, np.float32)
    colours = np.empty((count, 3), np.uint8)
    seen = 0
    for y in range(shape.shape[0]):
        for x in range(shape.shape[1]):
            if shape[y, x] <= 0.5:
                continue
            if seen % stride == 0:
                i, to = seen // stride, gain * complex(left + x, top + y) + shift
                at[0, i], at[1, i] = np.int32(np.rint(to.real)), np.int32(np.rint(to.imag))
                weights[i] = shape[y, x]
                colours[i] = look[y, x]
            seen += 1
    best_u = best_v = 0
    least = np.float32(1.0)
    for step, steps in ((_COARSE, radius // _COARSE), (1, _COARSE // 2)):
        cost = _shift_costs(even, at, colours, weights, steps, step, limit)
        best = np.argmin(cost)
        row, column = best // cost.shape[1], best % cost.shape[1]
        least = cost[row, column]
        du, dv = (column - steps) * step, (row - steps) * step
        at[0] += np.int32(du)
        at[1] += np.int32(dv)
        best_u, best_v = best_u + du, best_v + dv
    return complex(best_u, best_v), least
