"""For how many frames each pixel has been in sight, as far as flow can be followed.

What was in sight before an object was lost is not that object: it comes out from behind something, or into the image.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.engines.classical.warping import pixel_grid
from fast_snow.types import GridShape

InSight = UInt8[np.ndarray, "h w"]
"""Frames before this one, at half the size."""

_HALF = 2
_FOLLOWED = 0.5  # least trust
_MOST = np.uint8(255)


def nothing_in_sight(shape: GridShape) -> InSight:
    """Return that all pixels of a frame of full size are new."""
    return np.zeros([-(-side // _HALF) for side in shape], np.uint8)


def kept_in_sight(
    before: InSight, back: Float32[np.ndarray, "height width 2"], trust: Float32[np.ndarray, "height width"]
) -> InSight:
    """Count on to the next frame.

    Args:
        before: of this frame.
        back: flow from the next frame to this one, at full size.
        trust: in that flow.

    Returns:
        The count of the next frame: one more than where flow leads back to, 0 where that cannot be trusted.
    """
    u, v = cv2.split(pixel_grid(*before.shape) + back[::_HALF, ::_HALF] * np.float32(1 / _HALF))
    count = np.minimum(cv2.remap(before, u, v, cv2.INTER_NEAREST), _MOST - 1) + np.uint8(1)
    return np.where(trust[::_HALF, ::_HALF] > _FOLLOWED, count, np.uint8(0))


def in_full(count: InSight, shape: GridShape) -> UInt8[np.ndarray, "height width"]:
    """Return the count at full size."""
    return cv2.resize(count, shape[::-1], interpolation=cv2.INTER_NEAREST)
