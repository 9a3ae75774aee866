"""The outlines of a frame's objects, as few-cornered polygons."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from fast_snow.types import LabelledMasks, Masks

TOLERANCE_PX: Final = 0.75
"""How far a polygon may stray from the mask's border, in pixels of the analysis grid."""
LEAST_SHARE: Final = 0.01
"""Parts and holes below this share of the largest part are left out."""


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
