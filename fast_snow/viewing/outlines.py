"""The outlines of a frame's objects, as few-cornered polygons, and their drawing into an image."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float64, Int32, UInt8

from fast_snow.types import LabelledMasks, Masks
from fast_snow.viewing.palette import ink_on, rgb_of

TOLERANCE_PX: Final = 0.75
"""How far a polygon may stray from the mask's border, in pixels of the analysis grid."""
LEAST_SHARE: Final = 0.01
"""Parts and holes below this share of the largest part are left out."""

TINT: Final = 0.2
FRACTION_BITS: Final = 4
_FONT: Final = cv2.FONT_HERSHEY_DUPLEX

_Image = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """The border of one object in one frame.

    Attributes:
        object_id: global id.
        polygons: corners `(u, v)` in pixels of the analysis grid; holes are polygons too (even-odd rule).
        anchor: the pixel `(u, v)` of the object that is farthest from its border: where a label belongs.
    """

    object_id: int
    polygons: tuple[Float64[np.ndarray, "_ 2"], ...]
    anchor: tuple[float, float]


def outlines(labelled: LabelledMasks) -> tuple[Outline, ...]:
    """Return the outline of each object of a frame; empty masks have none.

    Args:
        labelled: the objects.

    Returns:
        One outline per mask with pixels, large objects first, so that small ones are drawn over them.
    """
    sized = []
    for i, object_id in enumerate(labelled.object_id.tolist()):
        mask = labelled.masks[np.array([i])]
        if len(mask.start):
            sized.append((int((mask.stop - mask.start).sum()), _outline(object_id, mask)))
    return tuple(outline for _, outline in sorted(sized, key=lambda each: -each[0]))


def _outline(object_id: int, mask: Masks) -> Outline:
    crop, v0, u0 = _cropped(mask)
    distance = cv2.distanceTransform(crop, cv2.DIST_L2, 3)
    v, u = np.unravel_index(int(np.argmax(distance)), distance.shape)
    shift = np.array([u0 - 1.0, v0 - 1.0])
    return Outline(
        object_id=object_id,
        polygons=tuple(polygon + shift for polygon in _polygons(crop)),
        anchor=(float(u + shift[0]), float(v + shift[1])),
    )


def _cropped(mask: Masks) -> tuple[UInt8[np.ndarray, "h w"], int, int]:
    """Return one mask in the box that it fills, with a border of one pixel, and the box's first row and column."""
    row = mask.start // mask.shape[1]
    first, last = mask.start - row * mask.shape[1], mask.stop - row * mask.shape[1]
    v0, u0 = int(row[0]), int(first.min())
    steps = np.zeros((int(row[-1]) - v0 + 3, int(last.max()) - u0 + 2), np.int8)
    steps[row - v0 + 1, first - u0 + 1] = 1
    steps[row - v0 + 1, last - u0 + 1] = -1
    return np.cumsum(steps, axis=1, out=steps).view(np.uint8), v0, u0


def _polygons(mask: UInt8[np.ndarray, "h w"]) -> list[Float64[np.ndarray, "_ 2"]]:
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    least = LEAST_SHARE * max(areas)
    return [
        cv2.approxPolyDP(contour, TOLERANCE_PX, closed=True)[:, 0].astype(np.float64)
        for contour, area in zip(contours, areas, strict=True)
        if area >= least
    ]


def draw_objects(image: _Image, labelled: LabelledMasks) -> _Image:
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


def _draw_number(image: _Image, object_id: int, center: tuple[float, float]) -> None:
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
