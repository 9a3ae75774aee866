"""Carries the mask of one object to the next frame: by optical flow where it can be trusted, else by its looks."""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Bool, Float32, Shaped

from fast_snow.engines.classical.edge_aware import Crop, smooth
from fast_snow.engines.classical.tracking.object_model import (
    ObjectModel,
    Soft,
    Square,
    View,
    cell_of,
    first_model,
    learned,
    resemblance,
    square_around,
)
from fast_snow.engines.classical.tracking.object_motion import Similarity, object_motion
from fast_snow.engines.classical.warping import Flow, fetch, pixel_grid
from fast_snow.types import GridShape, readonly

_MARGIN = 24  # pixels around an object in which it may be found, and in which its surroundings are learnt
_UNSURE = 12.0  # pixels by which an object may have moved against untrusted flow
_STRENGTH = 30.0
_SHARPEN = 4.0
_SMALLEST_PIECE = 0.05  # share of the largest piece
_SURELY_OUTSIDE = 0.1
_APART = 4.0  # pixels between the motion of an object and that around it at which they tell pixels apart
_LEFT_BEHIND = 4.0
_LEAST_PIXELS = 10
_LEAST_SHARE = 0.02  # of the prompted area


class Step(NamedTuple):
    """The motion from one frame to the next in the direction of propagation.

    Attributes:
        flow: from this frame to the next.
        back: from the next frame to this one.
        trust: in `flow`, in [0, 1], on this frame's grid.
        back_trust: in `back`, on the next frame's grid.
    """

    flow: Flow
    back: Flow
    trust: Float32[np.ndarray, "h w"]
    back_trust: Float32[np.ndarray, "h w"]


class Carried(NamedTuple):
    """One object in one frame.

    Attributes:
        model: what it looks like.
        square: where it is.
        window: the part of the frame that holds it and its surroundings.
        soft: how likely each pixel of the window belongs to it.
        score: how well it still is the object that was prompted, in [0, 1].
        least: pixels below which it is gone.
    """

    model: ObjectModel
    square: Square
    window: Crop
    soft: Soft
    score: float
    least: float


def begin(mask: Bool[np.ndarray, "h w"], view: View) -> Carried | None:
    """Start an object from its mask in one frame; `None` if the mask is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    window = _window(columns, rows, mask.shape)
    soft = mask[window].astype(np.float32)
    square = square_around(soft, window)
    model = first_model(view.crop(window), soft, window, square)
    return Carried(model, square, window, soft, 1.0, min(len(rows), max(_LEAST_PIXELS, _LEAST_SHARE * len(rows))))


def carry(
    state: Carried, view: View, step: Step, *, min_resemblance: float, rng: np.random.Generator
) -> Carried | None:
    """Carry an object to the next frame.

    Args:
        state: the object in this frame.
        view: of the next frame.
        step: motion between the two.
        min_resemblance: to the prompt's colours, below which it is another object.
        rng: draws samples of the object's flow.

    Returns:
        The object in the next frame; `None` if it is no longer there.
    """
    rows, columns = np.nonzero(state.soft > 0.5)
    inside = rows + state.window[0].start, columns + state.window[1].start
    start = np.stack(inside[::-1], axis=-1).astype(np.float32)
    flow = step.flow[inside].astype(np.float32)
    motion = object_motion(start, flow, step.trust[inside], rng)
    window = _next_window(start, flow, motion, view.fine.shape)
    if window is None:
        return None
    square = state.square.moved(*motion)
    company = _company(step.back[window], window, motion, _motion_around(state, step, rng) or motion)
    soft = _found(state, view.crop(window), step, window, square, company)
    if np.count_nonzero(soft > 0.5) < state.least:
        return None
    crop = view.crop(window)
    alike = resemblance(state.model, crop, soft)
    if alike < min_resemblance:
        return None
    score = alike * float(soft[soft > 0.5].mean())
    soft = np.clip((soft - 0.5) * _SHARPEN + 0.5, 0.0, 1.0)
    model = learned(state.model, crop, soft, window, square)
    return Carried(model, square, window, soft, score, state.least)


def overlap(a: Carried, b: Carried) -> float:
    """Return the IoU of two objects of one frame."""
    shared = [slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a.window, b.window, strict=True)]
    if any(each.start >= each.stop for each in shared):
        return 0.0
    inside = [_part(each, (shared[0], shared[1])) for each in (a, b)]
    both = np.count_nonzero(inside[0] & inside[1])
    either = np.count_nonzero(a.soft > 0.5) + np.count_nonzero(b.soft > 0.5) - both
    return float(both / either)


def _part(state: Carried, window: Crop) -> Bool[np.ndarray, "h w"]:
    rows, columns = (
        slice(part.start - own.start, part.stop - own.start) for part, own in zip(window, state.window, strict=True)
    )
    return state.soft[rows, columns] > 0.5


def _motion_around(state: Carried, step: Step, rng: np.random.Generator) -> Similarity | None:
    """Return how the surroundings of an object move to the next frame; `None` where it has none."""
    rows, columns = np.nonzero(state.soft < _SURELY_OUTSIDE)
    if not len(rows):
        return None
    at = rows + state.window[0].start, columns + state.window[1].start
    return object_motion(
        np.stack(at[::-1], axis=-1).astype(np.float32), step.flow[at].astype(np.float32), step.trust[at], rng
    )


def _company(
    back: Float32[np.ndarray, "h w 2"], window: Crop, own: Similarity, around: Similarity
) -> Float32[np.ndarray, "h w"]:
    """Return for each pixel of a window whether it came with the object (1) or with what lies around it (-1)."""
    v, u = np.mgrid[window]
    z = u + 1j * v
    came = back @ np.array([1, 1j])
    by_own, by_around = ((z - each.shift) / each.gain - z for each in (own, around))
    apart = np.maximum(np.abs(by_own - by_around), _APART)
    return np.clip((np.abs(came - by_around) - np.abs(came - by_own)) / apart, -1.0, 1.0).astype(np.float32)


def _found(
    state: Carried, crop: View, step: Step, window: Crop, square: Square, company: Float32[np.ndarray, "h w"]
) -> Soft:
    """Tell how likely each pixel of a window of the next frame belongs to the object."""
    back = step.back[window].astype(np.float32)
    corner = np.array([each.start for each in window[::-1]], np.float32)
    corner_before = np.array([each.start for each in state.window[::-1]], np.float32)
    origin = pixel_grid(*back.shape[:2]) + back + (corner - corner_before)
    warped = fetch(state.soft, origin, outside=0.0)
    near = cv2.GaussianBlur(warped, (0, 0), 1.0)
    wide = cv2.GaussianBlur(warped, (0, 0), _UNSURE)
    likely = _posterior(
        readonly(near),
        readonly(wide),
        readonly(step.back_trust[window]),
        readonly(company),
        readonly(crop.fine),
        readonly(cell_of(crop.coarse, window, square)),
        readonly(state.model.colour_odds),
        readonly(state.model.place_odds),
    )
    return _without_crumbs(smooth(likely, crop.alike, _STRENGTH))


def _window(u: Shaped[np.ndarray, " p"], v: Shaped[np.ndarray, " q"], shape: GridShape) -> Crop:
    """Return the box that holds all columns `u` and rows `v`, with its margin, cut at the frame."""
    rows, columns = (
        slice(max(0, int(np.floor(each.min())) - _MARGIN), min(size, int(np.ceil(each.max())) + 1 + _MARGIN))
        for each, size in zip((v, u), shape, strict=True)
    )
    return rows, columns


def _next_window(
    start: Float32[np.ndarray, "p 2"], flow: Float32[np.ndarray, "p 2"], motion: Similarity, shape: GridShape
) -> Crop | None:
    """Return where in the next frame to look for an object; `None` if that is outside."""
    left, top, right, bottom = (float(each) for each in (*start.min(axis=0), *start.max(axis=0)))
    corners = np.array([complex(u, v) for u in (left, right) for v in (top, bottom)])
    as_whole = motion.gain * corners + motion.shift
    most = np.percentile(start + flow, (2, 98), axis=0)
    u, v = np.append(as_whole.real, most[:, 0]), np.append(as_whole.imag, most[:, 1])
    outside = u.max() < 0 or v.max() < 0 or u.min() > shape[1] - 1 or v.min() > shape[0] - 1
    return None if outside else _window(u, v, shape)


def _without_crumbs(soft: Soft) -> Soft:
    """Drop pieces that are tiny against the largest one."""
    count, labels = cv2.connectedComponents((soft > 0.5).astype(np.uint8), connectivity=8)
    if count < 3:
        return soft
    size = np.bincount(labels.ravel(), minlength=count)
    size[0] = 0
    crumb = size < _SMALLEST_PIECE * size.max()
    crumb[0] = False
    return np.where(crumb[labels], np.float32(0.3), soft)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _logit(p):
    p = min(max(p, np.float32(0.02)), np.float32(0.98))
    return np.log(p / (np.float32(1.0) - p)) / np.float32(3.9)  # 1 at 0.98


@numba.njit(cache=True, nogil=True)
@no_type_check
def _posterior(near, wide, trust, company, fine, cell, colour_odds, place_odds):
    """Add up the log-odds of flow, of company, of colour and of colour in place.

    Colour counts as far as it tells the object's pixels from the others where flow is trusted (balanced accuracy). To
    come with the surroundings says more than to come with the object: shadows and reflections do so too.
    """
    height, width = near.shape
    hit = reject = np.float32(0.0)
    weight_in = weight_out = np.float32(1e-6)
    for y in range(height):
        for x in range(width):
            likely = np.float32(1.0) / (np.float32(1.0) + np.exp(-colour_odds[fine[y, x]]))
            if near[y, x] > 0.5:
                hit += trust[y, x] * likely
                weight_in += trust[y, x]
            else:
                reject += trust[y, x] * (np.float32(1.0) - likely)
                weight_out += trust[y, x]
    colour_weight = max(np.float32(0.0), hit / weight_in + reject / weight_out - np.float32(1.0))
    out = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if wide[y, x] < 0.01:
                continue
            t = trust[y, x]
            odds = np.float32(5.0) * t * _logit(near[y, x]) + np.float32(2.0) * (1 - t) * _logit(wide[y, x])
            odds += t * (
                max(company[y, x], np.float32(0.0)) + np.float32(_LEFT_BEHIND) * min(company[y, x], np.float32(0.0))
            )
            odds += colour_weight * colour_odds[fine[y, x]] + place_odds[cell[y, x]]
            out[y, x] = np.float32(1.0) / (np.float32(1.0) + np.exp(-odds))
    return out
