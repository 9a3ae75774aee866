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
    light, green_red, blue_yellow = cv2.split(cv2.absdiff(fetched, colours))
    # The sum ends at 255, which nobody trusts any more.
    change = cv2.add(cv2.add(light, green_red), blue_yellow)
    alike = np.exp(-((np.arange(256, dtype=np.float32) / np.float32(colour_error)) ** 2))
    distance = distance / np.float32(_FLOW_ERROR)
    return np.exp(-distance * distance) * cv2.LUT(change, alike)
