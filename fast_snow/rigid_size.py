"""The distance of what moves where its depth is a guess: tied over time to how large it looks, since its size stays.

Where something stands on the ground is a poor guess from frame to frame (it jumps, its feet are hidden), but all of
them together say how large it is, and its size in the image then says how far away it is in each frame.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import median_filter

from fast_snow.movers import RECENT, moves
from fast_snow.step import SIGMA_ALONG, SIGMA_OF_GUESS
from fast_snow.types import DepthOrigin, Ego, GridShape, Observations

SHAPE: Final = 0.1
"""By which share the apparent length of an object may change though its distance does not: it turns, or bends."""
MOST_BENT: Final = float(np.log(2))
"""A logarithm of width over height that is further from the usual one is that of a part, or of another side."""
CONTRADICTED: Final = 3.0
"""Triangulated depth of what moves is a guess too where size contradicts it by so many standard deviations."""
REMEMBERED: Final = 120
"""Observations before those of a window that tell an object's size."""
FEWEST: Final = 3
"""Whole outlines that tell a size."""

DEDUCED: Final = frozenset({DepthOrigin.TRIANGULATED, DepthOrigin.GROUND_PLANE_PRIOR})
"""Origins of depth that presume rest, or a ground to stand on."""
_MEASURED: Final = SIGMA_ALONG[DepthOrigin.TRIANGULATED]
_NEAR: Final = 9
"""Frames around one that tell what it would look like but for an error."""

_Series = Float64[np.ndarray, " n"]


def tied(before: Observations, new: Observations, ego: Ego, grid: GridShape, origin: DepthOrigin) -> Observations:
    """Return the observations that a window adds to a track, moved along the line of sight to where size puts them.

    Only guesses are moved, each with its spread and extent; what is measured stays as it is, to the bit. A standard
    deviation never shrinks: how large an object is rests on the same guesses, which err together.

    Args:
        before: the observations of the windows before, in the same world.
        new: those that are added.
        ego: the camera's path, with the frames of both.
        grid: height and width of the analysis grid.
        origin: of the depth of the added frames.
    """
    if origin not in DEDUCED:
        return new
    seen = before[max(len(before) - REMEMBERED, 0) :].followed_by(new)
    camera = ego.position[np.searchsorted(ego.t, seen.t)].astype(np.float64)
    distance = np.maximum(np.linalg.norm(seen.centroid - camera, axis=1), 1e-30)
    guess = _guess(seen, distance)
    whole, shape = _outline(seen, grid)
    if np.count_nonzero(whole) < FEWEST or not guess.any() or not _moves(seen, origin):
        return new
    # 1. How large it is: ln(distance) + ln(apparent length) is the same in all frames, but for the guesses.
    length = np.log(distance) + np.log(np.maximum(seen.area, 1)) / 2
    off, beyond = np.median(length[whole]) - length, CONTRADICTED * np.hypot(_MEASURED, shape)
    guess = np.where(whole & (np.abs(off) > beyond), np.maximum(guess, SIGMA_OF_GUESS), guess)
    # 2. How far each guess is off; what is cut or half hidden stays a guess, but does not jump.
    pull = guess**2 / (guess**2 + shape**2)
    shift = np.where(whole, pull * off, 0.0)
    placed = np.log(distance) + shift
    jump = median_filter(placed, _NEAR, mode="nearest") - placed
    jumps = ~whole & (np.abs(jump) > beyond)
    guess, shift = np.where(jumps, SIGMA_OF_GUESS, guess), np.where(jumps, shift + jump, shift)
    along = np.hypot(np.hypot(_MEASURED, np.maximum(guess, np.abs(shift))), pull * shape)
    added = slice(len(seen) - len(new), None)
    moved = shift[added] != 0
    return _moved(new, moved, camera[added], np.exp(shift)[added], (distance * along)[added])


def _guess(seen: Observations, distance: _Series) -> _Series:
    """Return which part of the relative standard deviations is that of a guess; 0 where depth is measured."""
    share = np.nan_to_num(seen.centroid_sigma[:, 1].astype(np.float64)) / distance
    guess = np.sqrt(np.maximum(share**2 - _MEASURED**2, 0.0))
    return np.where(guess > _MEASURED, guess, 0.0)


def _outline(seen: Observations, grid: GridShape) -> tuple[Bool[np.ndarray, " n"], _Series]:
    """Tell which outlines show the whole object, and by which share the apparent length may be off by its shape.

    If width and height change by different shares the truth lies anywhere between.
    """
    uu, _, vv = seen.moments.astype(np.float64).T
    whole = (seen.area > 0) & np.isfinite(uu) & np.isfinite(vv)
    whole &= (seen.box[:, :2] > 0).all(axis=1) & (seen.box[:, 2] < grid[1]) & (seen.box[:, 3] < grid[0])
    size = np.log(np.maximum(seen.area, 1))
    whole &= np.abs(size - median_filter(size, _NEAR, mode="nearest")) < MOST_BENT
    aspect = np.log(np.nan_to_num(uu, nan=1.0) + 1 / 12) / 2 - np.log(np.nan_to_num(vv, nan=1.0) + 1 / 12) / 2
    bent = np.abs(aspect - np.median(aspect[whole])) if whole.any() else np.zeros(len(seen))
    return whole & (bent < MOST_BENT), np.maximum(SHAPE, bent / np.sqrt(12))


def _moves(seen: Observations, origin: DepthOrigin) -> bool:
    """Tell whether an object moves: triangulated depth is a guess only of what does, a ground plane's always."""
    if origin is DepthOrigin.TRIANGULATED:
        return True
    return any(moves(seen[i : i + RECENT]) for i in range(0, max(len(seen) - RECENT // 2, 1), RECENT // 2))


def _moved(
    new: Observations,
    moved: Bool[np.ndarray, " m"],
    camera: Float64[np.ndarray, "m 3"],
    factor: _Series,
    along: _Series,
) -> Observations:
    """Return observations, those of `moved` at `factor` times their distance from the camera."""
    columns = {name: getattr(new, name).copy() for name in ("centroid", "low", "high", "sigma", "centroid_sigma")}
    rows, origin = np.flatnonzero(moved), camera[moved]
    scale = factor[moved, None]
    for name in ("centroid", "low", "high"):
        columns[name][rows] = origin + scale * (columns[name][rows] - origin)
    columns["sigma"][rows] *= scale
    columns["centroid_sigma"][rows, 0] *= scale[:, 0]
    columns["centroid_sigma"][rows, 1] = (factor * along)[moved]
    return replace(new, **columns)
