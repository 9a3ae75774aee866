"""Looks for objects that are no longer seen: where they should be by now, and growing circles around.

A wrong return is worse than a loss. What comes back must look like the sprite where it is found, have the colours of the
prompt, and be of its size.
"""

from typing import NamedTuple

import numpy as np

from fast_snow.engines.classical.tracking.mask_propagation import (
    Carried,
    Step,
    accepted,
    motion_around,
    placed,
    segmented,
)
from fast_snow.engines.classical.tracking.object_motion import Similarity
from fast_snow.engines.classical.tracking.sprite import best_shift

_PATIENCE = 30  # frames
_RADIUS, _GROWTH, _LARGEST = 32, 16, 96  # pixels; growth per frame
_SLOWS = 0.9  # of the speed against the surroundings, per frame
_ALIKE = 0.7  # least resemblance of its colours
_SHARE = 0.3  # least share of the sprite's area
_DIFFERENCE = 0.3  # greatest mean difference to the sprite's colours


class Lost(NamedTuple):
    """An object that is not seen.

    Attributes:
        state: the object where it is expected by now.
        missed: frames for which it has not been seen.
    """

    state: Carried
    missed: int


def look_for(lost: Lost, step: Step, *, min_resemblance: float, rng: np.random.Generator) -> Carried | Lost | None:
    """Look for a lost object in the next frame.

    Args:
        lost: the object where it was expected in this frame.
        step: motion between the two.
        min_resemblance: to the prompt's colours, below which it is another object.
        rng: draws samples of flow.

    Returns:
        The object if it is clearly seen; else where it is expected; `None` if it has left the image or is given up.
    """
    if lost.missed >= _PATIENCE:
        return None
    state, shape = lost.state, step.view.fine.shape
    around = motion_around(state, step, rng) or Similarity(1.0 + 0.0j, 0j)
    centre = complex(state.square.u, state.square.v)
    own = Similarity(1.0 + 0.0j, (around.gain - 1.0) * centre + around.shift + state.drift)
    expected = placed(state, own, around, shape)
    if expected is None:
        return None
    radius = min(_RADIUS + _GROWTH * lost.missed, _LARGEST)
    shift, difference = best_shift(state.sprite, state.window, own, step.view.even, radius)
    place = placed(state, Similarity(own.gain, own.shift + shift), around, shape)
    if difference < _DIFFERENCE and place is not None:
        soft = segmented(state, place, step, by_flow=False)
        least = max(state.least, _SHARE * float(np.count_nonzero(place.sprite.shape > 0.5)))  # noqa: PLR2004
        alike = max(_ALIKE, min_resemblance)
        found = accepted(state, place, soft, step.view, least=least, min_resemblance=alike)
        if found is not None:
            return found
    return Lost(
        state._replace(
            square=expected.square, window=expected.window, sprite=expected.sprite, drift=_SLOWS * state.drift
        ),
        lost.missed + 1,
    )
