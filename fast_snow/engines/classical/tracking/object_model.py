"""What one tracked object looks like: its colours as prompted, and which colour it has where.

Places are counted in coarse cells of a square that moves and grows with the object, together with coarse colours: a
dark neck and dark water are told apart by where they lie.

Reference: N. Märki et al. Bilateral Space Video Segmentation. CVPR 2016 (colour and place in one grid).
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from fast_snow.engines.classical.appearance import COARSE, FINE, blurred, histogram, log_odds
from fast_snow.engines.classical.edge_aware import Affinity, Crop, affinity
from fast_snow.kernels.colours import colour_bins
from fast_snow.types import readonly

Soft = Float32[np.ndarray, "h w"]
"""How likely each pixel of a window belongs to an object."""

_CELLS = 8
_SPAN = 1.4  # side of the square against the object's larger side
_LEARN = 0.1
_SMOOTHING = 3.0  # pixels added to each cell before taking odds
_LIMIT = 4.0
_EDGE_SIGMA = 12.0
_EVEN = 5  # pixels
_SHAPE = (COARSE, COARSE, COARSE, _CELLS, _CELLS)


class View(NamedTuple):
    """What one frame looks like: colour bins, likeness of neighbours, and evened colours."""

    fine: Int32[np.ndarray, "h w"]
    coarse: Int32[np.ndarray, "h w"]
    alike: Affinity
    even: UInt8[np.ndarray, "h w 3"]

    def crop(self, window: Crop) -> "View":
        """Return the view of a part of the frame."""
        return View(self.fine[window], self.coarse[window], self.alike.crop(window), self.even[window])


def view_of(lab: UInt8[np.ndarray, "h w 3"]) -> View:
    """Return what a frame looks like."""
    even: UInt8[np.ndarray, "h w 3"] = cv2.blur(lab, (_EVEN, _EVEN))
    return View(colour_bins(lab, FINE), colour_bins(lab, COARSE), affinity(lab, _EDGE_SIGMA), even)


class Square(NamedTuple):
    """Where an object is: the centre and half the side of its square, in pixels."""

    u: float
    v: float
    half: float

    def moved(self, gain: complex, shift: complex) -> "Square":
        """Return the square after the similarity `z → gain · z + shift` of the image."""
        centre = gain * complex(self.u, self.v) + shift
        return Square(centre.real, centre.imag, self.half * abs(gain))


class ObjectModel(NamedTuple):
    """Colour and place models of one object.

    Attributes:
        own: histogram of its colours as prompted; sums to 1.
        colour_odds: how much likelier each fine colour is inside than around, as a logarithm.
        inside: pixels per coarse colour and cell inside the object, of the recent past.
        outside: the same around it.
        place_odds: how much likelier each coarse colour in each cell is inside than around, as a logarithm.
    """

    own: Float32[np.ndarray, " bins"]
    colour_odds: Float32[np.ndarray, " bins"]
    inside: Float32[np.ndarray, "c c c k k"]
    outside: Float32[np.ndarray, "c c c k k"]
    place_odds: Float32[np.ndarray, " cells"]


def square_around(soft: Soft, window: Crop) -> Square:
    """Return the square of an object from its mask in a window."""
    rows, columns = np.nonzero(soft > 0.5)
    side = max(int(np.ptp(rows)), int(np.ptp(columns)), 8)
    v, u = rows.mean() + window[0].start, columns.mean() + window[1].start
    return Square(float(u), float(v), float(side) * _SPAN / 2)


def first_model(view: View, soft: Soft, window: Crop, square: Square) -> ObjectModel:
    """Learn an object from its prompt.

    Args:
        view: of the window.
        soft: the object's mask in the window.
        window: where the window lies in the frame.
        square: where the object lies.

    Returns:
        Its model.
    """
    certain = soft > 0.5
    own = histogram(view.fine, np.where(certain, soft, 0.0))
    around = histogram(view.fine, np.where(certain, 0.0, 1.0 - soft))
    inside, outside = _counted(view, soft, window, square)
    return ObjectModel(
        own / max(float(own.sum()), 1.0), log_odds(own, around), inside, outside, _place_odds(inside, outside)
    )


def learned(model: ObjectModel, view: View, soft: Soft, window: Crop, square: Square) -> ObjectModel:
    """Return a model that also knows where the object's colours lie in this frame; its colours stay as prompted."""
    now_inside, now_outside = _counted(view, soft, window, square)
    inside = (1 - _LEARN) * model.inside + _LEARN * now_inside
    outside = (1 - _LEARN) * model.outside + _LEARN * now_outside
    return model._replace(inside=inside, outside=outside, place_odds=_place_odds(inside, outside))


def resemblance(model: ObjectModel, view: View, soft: Soft) -> float:
    """Compare the colours inside a mask with those prompted: Bhattacharyya coefficient, in [0, 1]."""
    inside = soft > 0.5
    now = histogram(view.fine[inside], soft[inside])
    return float(np.sqrt(model.own * now / max(float(now.sum()), 1e-6)).sum())


def _place_odds(
    inside: Float32[np.ndarray, "c c c k k"], outside: Float32[np.ndarray, "c c c k k"]
) -> Float32[np.ndarray, " cells"]:
    odds = np.log((inside + _SMOOTHING) / (outside + _SMOOTHING))
    return np.clip(odds, -_LIMIT, _LIMIT).ravel()


def _counted(
    view: View, soft: Soft, window: Crop, square: Square
) -> tuple[Float32[np.ndarray, "c c c k k"], Float32[np.ndarray, "c c c k k"]]:
    cell = cell_of(view.coarse, window, square)
    count = _count(readonly(cell), readonly(soft), COARSE**3 * _CELLS**2)
    inside, outside = blurred(count.reshape(2, *_SHAPE), skip=1)
    return inside, outside


def cell_of(coarse: Int32[np.ndarray, "h w"], window: Crop, square: Square) -> Int32[np.ndarray, "h w"]:
    """Return the index of each pixel's coarse colour and cell."""
    rows, columns = (
        np.clip((np.arange(part.start, part.stop) - centre) / (2 * square.half) + 0.5, 0, 1 - 1e-6)
        for part, centre in zip(window, (square.v, square.u), strict=True)
    )
    row, column = ((each * _CELLS).astype(np.int32) for each in (rows, columns))
    return coarse * np.int32(_CELLS**2) + (row * np.int32(_CELLS))[:, None] + column


@numba.njit(cache=True, nogil=True)
@no_type_check
def _count(cell, soft, cells):
    count = np.zeros((2, cells), np.float32)
    for y in range(cell.shape[0]):
        for x in range(cell.shape[1]):
            count[0, cell[y, x]] += soft[y, x]
            count[1, cell[y, x]] += np.float32(1.0) - soft[y, x]
    return count
