"""Carries the mask of one object to the next frame: by optical flow where it can be trusted, else by its looks."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped

from fast_snow.engines.classical.edge_aware import Crop, smooth
from fast_snow.engines.classical.tracking.evidence import CarryRules, Evidence, Origins, likelihood
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
from fast_snow.engines.classical.tracking.sprite import Sprite, best_shift
from fast_snow.engines.classical.warping import fetch, pixel_grid
from fast_snow.types import GridShape

_MARGIN = 24  # pixels around an object in which it may be found, and in which its surroundings are learnt
_UNSURE = 12  # pixels by which an object may have moved against untrusted flow
_SHRINK = 4  # of what is blurred by as much
_EXPECTED = 0.6  # what is expected of the sprite's shape where flow says nothing
_EXPECTED_BLUR = 4.0
_STRENGTH = 30.0
_SHARPEN = 4.0
_SMALLEST_PIECE = 0.05  # share of the largest piece
_SURELY_OUTSIDE = 0.1
_SURELY = 0.5
_CLEARLY = 2.0  # over the mean log-odds of motion from which on an object moves beyond doubt
_LEAST_PIXELS = 10
_HIDDEN = 0.5  # share of its area below which it is mostly hidden
_LEARN_DRIFT = 0.3
_SHRINKS = 0.97  # of an object's area per frame in which less of it is seen
_LEAST_SHARE = 0.02  # of the prompted area
_RADIUS = 32  # pixels by which the motion by flow may err


class Step(NamedTuple):
    """The motion from one frame to the next in the direction of propagation.

    Attributes:
        flow: from this frame to the next.
        back: from the next frame to this one.
        trust: in `flow`, in [0, 1], on this frame's grid.
        back_trust: in `back`, on the next frame's grid.
        before: this frame.
        view: the next frame.
        rules: what common motion counts.
        moves: how clearly each pixel of the next frame moves by itself, as log-odds; `None` where nobody told.
    """

    flow: Float32[np.ndarray, "h w 2"]
    back: Float32[np.ndarray, "h w 2"]
    trust: Float32[np.ndarray, "h w"]
    back_trust: Float32[np.ndarray, "h w"]
    before: View
    view: View
    rules: CarryRules
    moves: Float32[np.ndarray, "h w"] | None = None


class Carried(NamedTuple):
    """One object in one frame.

    Attributes:
        model: what it looks like.
        square: where it is.
        window: the part of the frame that holds it and its surroundings.
        soft: how likely each pixel of the window belongs to it.
        sprite: its memory, in the window.
        score: how well it still is the object that was prompted, in [0, 1].
        least: pixels below which it is not seen.
        area: pixels it had of late when it was not hidden.
        drift: its motion against its surroundings, in pixels per frame.
    """

    model: ObjectModel
    square: Square
    window: Crop
    soft: Soft
    sprite: Sprite
    score: float
    least: float
    area: float
    drift: complex = 0j


def begin(mask: Bool[np.ndarray, "h w"], view: View) -> Carried | None:
    """Start an object from its mask in one frame; `None` if the mask is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    window = window_around(columns, rows, mask.shape)
    soft = mask[window].astype(np.float32)
    square = square_around(soft, window)
    model = first_model(view.crop(window), soft, window, square)
    least = float(min(len(rows), max(_LEAST_PIXELS, _LEAST_SHARE * len(rows))))
    return Carried(model, square, window, soft, Sprite(soft, view.even[window]), 1.0, least, float(len(rows)))


def carry(state: Carried, step: Step, *, min_resemblance: float, rng: np.random.Generator) -> Carried | None:
    """Carry an object to the next frame.

    Args:
        state: the object in this frame.
        step: motion between the two.
        min_resemblance: to the prompt's colours, below which it is another object.
        rng: draws samples of the object's flow.

    Returns:
        The object in the next frame; `None` if it is not seen there.
    """
    own = object_motion(state.soft > _SURELY, state.window, step.flow, step.trust, rng)
    if own is None:
        return None
    around = motion_around(state, step, rng) or own
    shift, _ = best_shift(state.sprite, state.window, own, step.view.even, _RADIUS)
    place = placed(state, Similarity(own.gain, own.shift + shift), around, step.view.fine.shape)
    if place is None:
        return None
    soft = segmented(state, place, step, by_flow=True)
    return accepted(state, place, soft, step.view, least=state.least, min_resemblance=min_resemblance)


def motion_around(state: Carried, step: Step, rng: np.random.Generator) -> Similarity | None:
    """Return how the surroundings of an object move to the next frame; `None` where it has none."""
    return object_motion(state.sprite.shape < _SURELY_OUTSIDE, state.window, step.flow, step.trust, rng)


class Place(NamedTuple):
    """Where an object is expected in the next frame.

    Attributes:
        own: the motion that takes it there.
        around: the motion of its surroundings.
        square: of the object.
        window: that holds it.
        sprite: its memory, in the window.
    """

    own: Similarity
    around: Similarity
    square: Square
    window: Crop
    sprite: Sprite


def placed(state: Carried, own: Similarity, around: Similarity, shape: GridShape) -> Place | None:
    """Move an object with its memory to the next frame; `None` if it leaves the frame."""
    u, v, width, height = cv2.boundingRect((state.sprite.shape > _SURELY).astype(np.uint8))
    left, top = u + state.window[1].start, v + state.window[0].start
    corners = np.array([complex(x, y) for x in (left, left + width - 1) for y in (top, top + height - 1)])
    moved = own.gain * corners + own.shift
    across, down = moved.real, moved.imag
    if across.max() < 0 or down.max() < 0 or across.min() > shape[1] - 1 or down.min() > shape[0] - 1:
        return None
    window = window_around(across, down, shape)
    return Place(own, around, state.square.moved(*own), window, state.sprite.moved(state.window, own, window))


def accepted(
    state: Carried, place: Place, soft: Soft, view: View, *, least: float, min_resemblance: float
) -> Carried | None:
    """Return the object as seen in its place, having learnt from it; `None` if it is too small or another one."""
    surely = soft > _SURELY
    area = float(np.count_nonzero(surely))
    if area < least:
        return None
    crop = view.crop(place.window)
    alike = resemblance(state.model, crop, soft)
    if alike < min_resemblance:
        return None
    score = alike * float(soft[surely].mean())
    soft = np.clip((soft - 0.5) * _SHARPEN + 0.5, 0.0, 1.0)
    model = learned(state.model, crop, soft, place.window, place.square)
    drift = state.drift
    if area > _HIDDEN * state.area:  # where it is hidden, its motion is uncertain
        centre = complex(state.square.u, state.square.v)
        now = (place.own.gain - place.around.gain) * centre + place.own.shift - place.around.shift
        drift += _LEARN_DRIFT * (now - drift)
    sprite, area = place.sprite.renewed(soft, crop.even), max(area, _SHRINKS * state.area)
    return Carried(model, place.square, place.window, soft, sprite, score, state.least, area, drift)


def overlap(a: Carried, b: Carried) -> float:
    """Return the IoU of two objects of one frame."""
    shared = [slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a.window, b.window, strict=True)]
    if any(each.start >= each.stop for each in shared):
        return 0.0
    inside = [_part(each, (shared[0], shared[1])) for each in (a, b)]
    both = np.count_nonzero(inside[0] & inside[1])
    either = np.count_nonzero(a.soft > _SURELY) + np.count_nonzero(b.soft > _SURELY) - both
    return float(both) / max(int(either), 1)


def _part(state: Carried, window: Crop) -> Bool[np.ndarray, "h w"]:
    rows, columns = (
        slice(part.start - own.start, part.stop - own.start) for part, own in zip(window, state.window, strict=True)
    )
    return state.soft[rows, columns] > _SURELY


def segmented(state: Carried, place: Place, step: Step, *, by_flow: bool) -> Soft:
    """Tell how likely each pixel of a window of the next frame belongs to the object.

    Args:
        state: the object in this frame.
        place: where it is expected.
        step: motion between the two frames.
        by_flow: whether flow leads to it; else only its memory does.

    Returns:
        Likelihood in the window of the place.
    """
    window, sprite, crop = place.window, place.sprite, step.view.crop(place.window)
    back, trust = np.ascontiguousarray(step.back[window]), np.ascontiguousarray(step.back_trust[window])
    warped = sprite.shape
    if by_flow:
        offset = np.array([box.start - old.start for box, old in zip(window, state.window, strict=True)][::-1])
        height, width = back.shape[:2]
        origin = pixel_grid(*step.view.fine.shape)[:height, :width] + back + offset.astype(np.float32)
        warped = fetch(state.soft, origin, outside=0.0)
    else:
        trust = np.zeros_like(trust)
    near = cv2.GaussianBlur(warped, (0, 0), 1.0)
    evidence = Evidence(
        near=near,
        wide=np.maximum(_widely(warped), _EXPECTED * cv2.GaussianBlur(sprite.shape, (0, 0), _EXPECTED_BLUR)),
        shape=sprite.shape,
        moves=_by_motion(near, step.moves[window]) if step.moves is not None else np.zeros_like(near),
        trust=trust,
        back=back,
        even=crop.even,
        fine=crop.fine,
        cell=cell_of(crop.coarse, window, place.square),
    )
    origins = Origins((window[1].start, window[0].start), place.own.origin(), place.around.origin(), step.before.even)
    likely = likelihood(evidence, origins, state.model.colour_odds, state.model.place_odds, step.rules)
    return _without_crumbs(smooth(likely, crop.alike, _STRENGTH))


def _by_motion(near: Soft, moves: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Return what motion says for each pixel, as far as the object itself moves: all of it, nothing for one at rest."""
    inside = near > _SURELY
    if not inside.any():
        return np.zeros_like(near)
    certain = np.clip(moves, -1.0, 1.0)
    return np.float32(np.clip(_CLEARLY * certain[inside].mean(), 0.0, 1.0)) * certain


def _widely(soft: Soft) -> Soft:
    height, width = soft.shape
    small = cv2.resize(soft, (1 + width // _SHRINK, 1 + height // _SHRINK), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), _UNSURE / _SHRINK)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)


def window_around(u: Shaped[np.ndarray, " p"], v: Shaped[np.ndarray, " q"], shape: GridShape) -> Crop:
    """Return the box that holds all columns `u` and rows `v`, with its margin, cut at the frame."""
    rows, columns = (
        slice(max(0, int(np.floor(each.min())) - _MARGIN), min(size, int(np.ceil(each.max())) + 1 + _MARGIN))
        for each, size in zip((v, u), shape, strict=True)
    )
    return rows, columns


def _without_crumbs(soft: Soft) -> Soft:
    """Drop pieces that are tiny against the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((soft > _SURELY).astype(np.uint8), connectivity=8)
    if count <= 2:
        return soft
    size = stats[:, cv2.CC_STAT_AREA].copy()
    size[0] = 0
    crumb = size < _SMALLEST_PIECE * size.max()
    crumb[0] = False
    return np.where(crumb[labels], np.float32(0.3), soft)
