"""What speaks for a pixel being an object's, in log-odds: flow, common motion, colour, and colour in its place."""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from fast_snow.types import readonly

_APART = 4.0  # pixels between the motion of an object and that around it at which they tell pixels apart
_COLOUR_APART = 30.0  # L*a*b* levels, summed over the channels, likewise for what either motion brings here
_EXPECTED = 0.3  # to have come with the object counts by this share outside the sprite's shape
_LEFT_BEHIND = 4.0
_NOWHERE_NEAR = 0.01
_LARGEST_LOGIT = np.float32(np.log(0.98 / 0.02) / 3.9)


class CarryRules(NamedTuple):
    """What motion counts, in log-odds; chosen by `python -m bench.true_masks --choose`, `moves` by `bench.objects`.

    Attributes:
        came_along: to have come with the object by flow where it is expected, beside 1 everywhere.
        matches: to show what the object's or the surroundings' motion brings.
        moves: to move at all, or not to, where the object itself does beyond doubt.
    """

    came_along: float = 3.0
    matches: float = 2.0
    moves: float = 1.0


RULES = CarryRules()


class Evidence(NamedTuple):
    """What is known of a window of a frame.

    Attributes:
        near: share of the object in the pixel that flow leads back to, and its next neighbours.
        wide: the same of some ten pixels around.
        shape: how surely the object is expected in the pixel.
        moves: how clearly the pixel moves by itself, in [-1, 1]; 0 where that says nothing of the object.
        trust: in the flow back.
        back: that flow.
        even: colours, evened.
        fine: fine colour bin.
        cell: coarse colour and cell of the object's square.
    """

    near: Float32[np.ndarray, "h w"]
    wide: Float32[np.ndarray, "h w"]
    shape: Float32[np.ndarray, "h w"]
    moves: Float32[np.ndarray, "h w"]
    trust: Float32[np.ndarray, "h w"]
    back: Float32[np.ndarray, "h w 2"]
    even: UInt8[np.ndarray, "h w 3"]
    fine: Int32[np.ndarray, "h w"]
    cell: Int32[np.ndarray, "h w"]


class Origins(NamedTuple):
    """Where pixels came from if they moved with the object, or with what lies around it.

    Attributes:
        corner: first column and row of the window.
        own: matrix from `(u, v, 1)` of this frame to the one before, for the object.
        around: the same for its surroundings.
        even: colours of the frame before, evened.
    """

    corner: tuple[int, int]
    own: Float32[np.ndarray, "2 3"]
    around: Float32[np.ndarray, "2 3"]
    even: UInt8[np.ndarray, "height width 3"]


def likelihood(
    evidence: Evidence,
    origins: Origins,
    colour_odds: Float32[np.ndarray, " bins"],
    place_odds: Float32[np.ndarray, " cells"],
    rules: CarryRules = RULES,
) -> Float32[np.ndarray, "h w"]:
    """Add up the log-odds of flow, of common motion, of motion at all, of colour and of colour in place.

    A pixel came with the object or with its surroundings, by the flow that leads to it, and by the colours that either
    motion would bring there. To come with the surroundings says more than to come with the object: shadows and
    reflections do so too. Colour counts as far as it tells the object's pixels from the others where flow is trusted
    (balanced accuracy).

    Args:
        evidence: of the window.
        origins: of its pixels.
        colour_odds: of the fine colours.
        place_odds: of coarse colours in cells.
        rules: what common motion counts.

    Returns:
        How likely each pixel is the object's.
    """
    arrays = (readonly(each) for each in evidence)
    motions = readonly(origins.own), readonly(origins.around)
    weights = (np.float32(each) for each in rules)
    odds = readonly(colour_odds), readonly(place_odds)
    return _likelihood(*arrays, *motions, readonly(origins.even), *origins.corner, *odds, *weights)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _logit(p):
    if p <= np.float32(0.02) or p >= np.float32(0.98):  # nearly all pixels, which need no logarithm
        return _LARGEST_LOGIT if p > np.float32(0.5) else -_LARGEST_LOGIT
    return np.log(p / (np.float32(1.0) - p)) / np.float32(3.9)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _colour_weight(near, trust, fine, colour_odds):
    hit = reject = np.float32(0.0)
    weight_in = weight_out = np.float32(1e-6)
    likely = np.float32(1.0) / (np.float32(1.0) + np.exp(-colour_odds))
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            if near[y, x] > 0.5:
                hit += trust[y, x] * likely[fine[y, x]]
                weight_in += trust[y, x]
            else:
                reject += trust[y, x] * (np.float32(1.0) - likely[fine[y, x]])
                weight_out += trust[y, x]
    return max(np.float32(0.0), hit / weight_in + reject / weight_out - np.float32(1.0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _change(even, y, x, before, v, u):
    """Return the difference of a pixel's colour to that of the nearest pixel of the frame before."""
    row = min(max(int(v + np.float32(0.5)), 0), before.shape[0] - 1)
    column = min(max(int(u + np.float32(0.5)), 0), before.shape[1] - 1)
    total = 0
    for c in range(3):
        total += abs(np.int32(even[y, x, c]) - np.int32(before[row, column, c]))
    return np.float32(total)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _came_with(back_u, back_v, own_u, own_v, around_u, around_v):
    """Return whether a pixel came with the object (1) or with what lies around it (-1), by flow back."""
    from_own = np.sqrt((back_u - own_u) ** 2 + (back_v - own_v) ** 2)
    from_around = np.sqrt((back_u - around_u) ** 2 + (back_v - around_v) ** 2)
    apart = max(np.sqrt((own_u - around_u) ** 2 + (own_v - around_v) ** 2), np.float32(_APART))
    return min(max((from_around - from_own) / apart, np.float32(-1.0)), np.float32(1.0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _likelihood(
    near,
    wide,
    shape,
    moves,
    trust,
    back,
    even,
    fine,
    cell,
    own,
    around,
    before,
    corner_u,
    corner_v,
    colour_odds,
    place_odds,
    came_along,
    matching,
    moving,
):
    height, width = near.shape
    one, zero = np.float32(1.0), np.float32(0.0)
    colour_weight = _colour_weight(near, trust, fine, colour_odds)
    out = np.zeros((height, width), np.float32)
    for y in range(height):
        v = np.float32(y + corner_v)
        for x in range(width):
            if wide[y, x] < _NOWHERE_NEAR:
                continue
            u = np.float32(x + corner_u)
            own_u, own_v = own[0, 0] * u + own[0, 1] * v + own[0, 2], own[1, 0] * u + own[1, 1] * v + own[1, 2]
            around_u = around[0, 0] * u + around[0, 1] * v + around[0, 2]
            around_v = around[1, 0] * u + around[1, 1] * v + around[1, 2]
            t, expected = trust[y, x], shape[y, x]
            odds = np.float32(5.0) * t * _logit(near[y, x]) + np.float32(2.0) * (one - t) * _logit(wide[y, x])
            came = _came_with(back[y, x, 0], back[y, x, 1], own_u - u, own_v - v, around_u - u, around_v - v)
            odds += t * came * (one + came_along * expected if came > zero else np.float32(_LEFT_BEHIND))
            matches = _change(even, y, x, before, around_v, around_u) - _change(even, y, x, before, own_v, own_u)
            matches = matching * min(max(matches / np.float32(_COLOUR_APART), -one), one)
            odds += matches * min(np.float32(_EXPECTED) + expected, one) if matches > zero else matches
            odds += moving * moves[y, x] + colour_weight * colour_odds[fine[y, x]] + place_odds[cell[y, x]]
            out[y, x] = one / (one + np.exp(-odds))
    return out
