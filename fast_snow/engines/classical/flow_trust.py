"""How far flow can be trusted: it leads back to where it started, to the same colour."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.engines.classical.warping import Flow, fetch, pixel_grid

_FLOW_ERROR = 2.0  # pixels, there and back


def trust(
    distance: Float32[np.ndarray, "h w"],
    flow: Flow,
    colours: UInt8[np.ndarray, "h w 3"],
    other_colours: UInt8[np.ndarray, "h w 3"],
    colour_error: float,
) -> Float32[np.ndarray, "h w"]:
    """Rate flow between two frames.

    Args:
        distance: in pixels, between each pixel and where it ends after going there and back; may be infinite.
        flow: from this frame to the other.
        colours: of this frame.
        other_colours: of the other frame.
        colour_error: colour levels, summed over the channels, by which trust falls to 1/e.

    Returns:
        Trust in [0, 1].
    """
    fetched = fetch(other_colours, pixel_grid(*flow.shape[:2]) + flow)
    change = sum(each.astype(np.float32) for each in cv2.split(cv2.absdiff(fetched, colours)))
    return np.exp(-((distance / _FLOW_ERROR) ** 2) - (change / colour_error) ** 2)
