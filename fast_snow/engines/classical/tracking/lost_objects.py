"""Looks for objects that are no longer seen: where they should be by now, and in growing circles around.

An object comes back as its sprite, or as a piece of its colours and its size where few other pixels have these colours:
a ball has turned when it comes out behind a box. Of colours only what has come into sight since it was lost counts. A
wrong return is worse than a loss.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fast_snow.engines.classical.appearance import histogram, log_odds, sigmoid
from fast_snow.engines.classical.edge_aware import Crop, smooth
from fast_snow.engines.classical.tracking.mask_propagation import (
    Carried,
    Place,
    Step,
    accepted,
    motion_around,
    placed,
    segmented,
    window_around,
)
from fast_snow.engines.classical.tracking.object_model import resemblance, square_around
from fast_snow.engines.classical.tracking.object_motion import Similarity
from fast_snow.engines.classical.tracking.sprite import Sprite, best_shift
from fast_snow.types import GridShape

PATIENCE = 30
"""Frames for which a lost object is looked for."""
_RADIUS, _GROWTH, _LARGEST = 32, 8, 96  # pixels; growth per frame
_SLOWS = 0.95  # of the speed against the surroundings, per frame
_ALIKE = 0.75  # least resemblance of its colours
_SHARES = 0.15, 1.6  # of the area it had
_DIFFERENCE = 0.3  # greatest mean difference to the sprite's colours
_RARE = 1.5  # pixels of its colours around it, against its own
_CLEARLY = 3.0  # times likelier in a lost object than in the one that holds a pixel
_STRENGTH = 30.0
_SURELY = 0.5


class Lost(NamedTuple):
    """An object that is not seen.

    Attributes:
        state: the object where it is expected by now.
        missed: frames for which it has not been seen.
    """

    state: Carried
    missed: int


class Others(NamedTuple):
    """What a frame shows that is something else than what is looked for.

    Attributes:
        claims: share of a pixel's colour in the object that holds it; 0 where none does.
        in_sight: for how many frames each pixel has been seen.
    """

    claims: Float32[np.ndarray, "h w"]
    in_sight: UInt8[np.ndarray, "h w"]


class _Search(NamedTuple):
    """Where and how an object is looked for.

    Attributes:
        own: the motion that takes it to where it is expected.
        around: the motion of its surroundings.
        step: motion between the two frames.
        taken: pixels that are another object's.
        new: pixels that have come into sight since it was lost.
        radius: pixels around where it is expected.
        alike: least resemblance.
    """

    own: Similarity
    around: Similarity
    step: Step
    taken: Bool[np.ndarray, "h w"]
    new: Bool[np.ndarray, "h w"]
    radius: int
    alike: float


def look_for(
    lost: Lost,
    step: Step,
    others: Others,
    *,
    patience: int,
    min_resemblance: float,
    rng: np.random.Generator,
) -> Carried | Lost | None:
    """Look for a lost object in the next frame.

    Args:
        lost: the object where it was expected in this frame.
        step: motion between the two.
        others: what else the next frame shows.
        patience: frames for which it is looked for.
        min_resemblance: to the prompt's colours, below which it is another object.
        rng: draws samples of flow.

    Returns:
        The object if it is clearly seen; else where it is expected; `None` if it is given up.
    """
    if lost.missed >= patience:
        return None
    state, shape = lost.state, step.view.fine.shape
    around = motion_around(state, step, rng) or Similarity(1.0 + 0.0j, 0j)
    centre = complex(state.square.u, state.square.v)
    own = Similarity(1.0 + 0.0j, (around.gain - 1.0) * centre + around.shift + state.drift)
    radius = min(_RADIUS + _GROWTH * lost.missed, _LARGEST)
    alike = max(_ALIKE, min_resemblance)
    taken = (others.claims > 0) & (_CLEARLY * others.claims > state.model.own[step.view.fine])
    search = _Search(own, around, step, taken, others.in_sight <= lost.missed, radius, alike)
    found = _as_sprite(state, search) or _by_colour(state, search)
    if found is not None:
        return found
    expected = placed(state, own, around, shape)
    if expected is None:  # it waits beyond the border
        return Lost(state, lost.missed + 1)
    return Lost(
        state._replace(
            square=expected.square,
            window=expected.window,
            sprite=expected.sprite,
            soft=np.zeros_like(expected.sprite.shape),
            drift=_SLOWS * state.drift,
        ),
        lost.missed + 1,
    )


def _as_sprite(state: Carried, search: _Search) -> Carried | None:
    """Find the object where its sprite fits the frame."""
    own, around, step, taken, _, radius, alike = search
    shift, difference = best_shift(state.sprite, state.window, own, step.view.even, radius)
    place = placed(state, Similarity(own.gain, own.shift + shift), around, step.view.fine.shape)
    if difference > _DIFFERENCE or place is None:
        return None
    soft = np.where(taken[place.window], np.float32(0.0), segmented(state, place, step, by_flow=False))
    least = max(state.least, _SHARES[0] * state.area)
    return accepted(state, place, soft, step.view, least=least, min_resemblance=alike)


def _by_colour(state: Carried, search: _Search) -> Carried | None:
    """Find the object as a new piece of its colours, if there is only one."""
    own, around, step, taken, new, radius, alike = search
    square = state.square.moved(*own)
    region = _region(complex(square.u, square.v), radius + round(square.half), taken.shape)
    if region is None:
        return None
    crop = step.view.crop(region)
    free = np.where(taken[region], np.float32(0.0), np.float32(1.0))
    odds = log_odds(state.model.own, histogram(crop.fine, free))
    likely = smooth(sigmoid(odds[crop.fine]) * free * new[region], crop.alike, _STRENGTH)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((likely > _SURELY).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    sizes = stats[1:, cv2.CC_STAT_AREA]
    largest = int(sizes.argmax())
    area = float(sizes[largest])
    least, most = (share * state.area for share in _SHARES)
    if not max(state.least, least) <= area <= most or sizes.sum() > _RARE * area:
        return None
    piece = np.zeros(taken.shape, np.float32)
    piece[region] = labels == largest + 1
    if resemblance(state.model, crop, piece[region]) < alike:
        return None
    rows, columns = np.nonzero(piece)
    window = window_around(columns, rows, taken.shape)
    soft, seen = piece[window], square_around(piece[window], window)
    place = Place(
        own, around, seen._replace(half=max(seen.half, state.square.half)), window, Sprite(soft, step.view.even[window])
    )
    found = accepted(state, place, soft, step.view, least=least, min_resemblance=alike)
    return None if found is None else found._replace(drift=0j)


def _region(centre: complex, half: int, shape: GridShape) -> Crop | None:
    """Return the part of the frame within `half` pixels of a place; `None` where there is none."""
    rows, columns = (
        slice(max(0, round(at) - half), min(size, round(at) + half + 1))
        for at, size in zip((centre.imag, centre.real), shape, strict=True)
    )
    return None if rows.start >= rows.stop or columns.start >= columns.stop else (rows, columns)
