"""Objects drawn into an image: a tint, an outline and a number each."""

from typing import Final

import cv2
import numpy as np
from jaxtyping import Float64, Int32, UInt8

from fast_snow.types import LabelledMasks
from fast_snow.viewing.outlines import outlines
from fast_snow.viewing.palette import ink_on, rgb_of

Image = UInt8[np.ndarray, "height width 3"]

TINT: Final = 0.2
FRACTION_BITS: Final = 4
_FONT: Final = cv2.FONT_HERSHEY_DUPLEX


def draw_objects(image: Image, labelled: LabelledMasks) -> Image:
    """Draw the numbered outlines of a frame's objects.

    Args:
        image: RGB, of any size; masks are scaled to it.
        labelled: the objects.

    Returns:
        A new image of the same size.
    """
    height, width = image.shape[:2]
    scale = np.array([width, height]) / labelled.masks.shape[::-1]
    thickness = max(1, round(min(height, width) / 300))
    tinted, shapes = image.copy(), outlines(labelled)
    for shape in shapes:
        corners = [_fixed_point(polygon, scale) for polygon in shape.polygons]
        cv2.fillPoly(tinted, corners, rgb_of(shape.object_id), cv2.LINE_AA, FRACTION_BITS)
    drawn: np.ndarray = cv2.addWeighted(tinted, TINT, image, 1 - TINT, 0)
    for shape in shapes:
        corners = [_fixed_point(polygon, scale) for polygon in shape.polygons]
        cv2.polylines(drawn, corners, True, rgb_of(shape.object_id), thickness, cv2.LINE_AA, FRACTION_BITS)
    for shape in shapes:
        u, v = (np.array(shape.anchor) + 0.5) * scale - 0.5
        _draw_number(drawn, shape.object_id, (float(u), float(v)))
    return drawn


def _fixed_point(polygon: Float64[np.ndarray, "n 2"], scale: Float64[np.ndarray, "2"]) -> Int32[np.ndarray, "n 2"]:
    """Return corners as OpenCV takes them: integers with `FRACTION_BITS` bits after the point."""
    return np.round(((polygon + 0.5) * scale - 0.5) * 2**FRACTION_BITS).astype(np.int32)


def _draw_number(image: Image, object_id: int, center: tuple[float, float]) -> None:
    """Draw an object's number on a plate of its colour, wholly inside the image where the image is large enough."""
    height, width = image.shape[:2]
    size = max(0.4, min(height, width) / 900)
    (text_width, text_height), _ = cv2.getTextSize(str(object_id), _FONT, size, 1)
    pad = round(text_height * 0.4)
    half = np.array([text_width / 2 + pad, text_height / 2 + pad])
    x, y = np.maximum(np.minimum(center, np.array([width, height]) - 1 - half), half)
    low, high = (round(x - half[0]), round(y - half[1])), (round(x + half[0]), round(y + half[1]))
    cv2.rectangle(image, low, high, rgb_of(object_id), cv2.FILLED)
    ink = (0, 0, 0) if ink_on(object_id) == "#000000" else (255, 255, 255)
    cv2.putText(image, str(object_id), (low[0] + pad, high[1] - pad), _FONT, size, ink, 1, cv2.LINE_AA)
