"""By how much the logarithm of a quantity changes from first to last, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, LIKELY_CRITICAL, Measurements, total_change
from fast_snow.reasoning.tools.tool_answers import Grade

_Series = Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """By how much the logarithm of a distance changes from first to last."""

    value: float
    sigma: float

    @property
    def grade(self) -> Grade:
        """How sure it is that the distance changes."""
        return graded(self.value, self.sigma)


def graded(value: float, sigma: float) -> Grade:
    """Return how sure it is that a number differs from zero; `UNKNOWN` where it may as well be zero."""
    if abs(value) > CRITICAL * sigma:
        return Grade.STATED
    return Grade.LIKELY if abs(value) > LIKELY_CRITICAL * sigma else Grade.UNKNOWN


def growth(x: _Series, values: _Series, jitter: _Series, wander: _Series, *, drift: float = 0.0) -> Growth:
    """Return how much a quantity grows from first to last; noise is given by standard deviations, drift per `x`."""

    def variance(sigma: _Series) -> Float64[np.ndarray, "n 1 1"]:
        return (sigma**2)[:, None, None]

    change = total_change(
        Measurements(
            x=x,
            values=values[:, None],
            jitter=variance(jitter),
            wander=variance(wander),
            drift=variance(np.full_like(x, drift)),
            freedom=len(x),
        )
    )
    return Growth(value=float(change.value[0]), sigma=float(change.sigma[0]))
