"""Where rays meet the room, boxes and balls.

A ray is an origin and a direction whose component along the optical axis is 1, so that the distance along it is depth.
"""

import numpy as np
from jaxtyping import Float64, Int64

Vector = Float64[np.ndarray, "3"]
Rays = Float64[np.ndarray, "n 3"]
Depths = Float64[np.ndarray, " n"]

MISSED = np.inf
"""The depth at which a ray meets what it does not meet."""


def leave_box(origin: Vector, direction: Rays, low: Vector, high: Vector) -> tuple[Depths, Int64[np.ndarray, " n"]]:
    """Return where rays from inside a box leave it, and through which face.

    Returns:
        Depths, and faces: `2·axis` for the low one, `2·axis + 1` for the high one.
    """
    with np.errstate(divide="ignore"):
        to_side = (np.where(direction > 0, high, low) - origin) / direction
    to_side[direction == 0] = MISSED
    x, y, z = to_side.T
    axis = np.where(x <= y, np.where(x <= z, 0, 2), np.where(y <= z, 1, 2))
    along = np.arange(len(direction))
    return to_side[along, axis], 2 * axis + (direction[along, axis] > 0)


def enter_box(origin: Vector, direction: Rays, half_size: Vector) -> tuple[Depths, Int64[np.ndarray, " n"]]:
    """Return where rays from outside enter a box around zero, and through which face; `MISSED` where they do not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-half_size - origin) / direction, (half_size - origin) / direction
    near, far = np.fmin(one, other), np.fmax(one, other)
    axis = np.argmax(near, axis=1)
    along = np.arange(len(direction))
    depth = near[along, axis]
    hit = (depth > 0) & (depth <= far.min(axis=1))
    return np.where(hit, depth, MISSED), 2 * axis + (direction[along, axis] < 0)


def enter_ball(origin: Vector, direction: Rays, radius: float) -> Depths:
    """Return where rays from outside enter a ball around zero; `MISSED` where they do not."""
    a = np.einsum("ni,ni->n", direction, direction)
    b = direction @ origin
    discriminant = b * b - a * (origin @ origin - radius * radius)
    depth = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
    return np.where((discriminant >= 0) & (depth > 0), depth, MISSED)
