"""STEP tokens that tests of SNOW are made of."""

import numpy as np

from fast_snow.types import StepToken

Triple = tuple[float, float, float]


def token(
    t: int, at: Triple, size: Triple = (1.0, 1.0, 1.0), cells: tuple[tuple[int, int], ...] = ((4, 4),)
) -> StepToken:
    """Return an object of full cells with its middle at a place."""
    centre, extent = np.array(at, np.float32), np.array(size, np.float32)
    return StepToken(
        t=t,
        row=np.array([row for row, _ in cells], np.uint8),
        col=np.array([col for _, col in cells], np.uint8),
        coverage=np.ones(len(cells), np.float32),
        centroid=centre,
        sigma=extent / 4,
        low=centre - extent / 2,
        high=centre + extent / 2,
        num_points=100,
        score=1.0,
    )
