"""Intersection over union of masks.

Each mask is packed, 64 pixels of a row to a word, inside its own bounding box, one column of words after the other. The
overlap of two masks is then the bits that are set in both over the rows and word columns they share: a loop without a
branch over consecutive words, which costs the same however ragged the masks are.
"""

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.errors import InputError
from fast_snow.kernels.llvm import set_bits
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.threads import over_masks
from fast_snow.types import Masks

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

BITS = 64
ALL_BITS = np.uint64(2**64 - 1)


class _Packed(NamedTuple):
    """Masks as bits.

    Attributes:
        area: pixels of each mask, shape `(m,)`.
        box: rows and word columns of each mask, `(y0, y1, x0, x1)` half-open, shape `(m, 4)`.
        origin: the words of mask `i` are `origin[i]:origin[i + 1]`.
        words: columns of the boxes, from top to bottom.
    """

    area: np.ndarray
    box: np.ndarray
    origin: np.ndarray
    words: np.ndarray


def pairwise_iou(a: Masks, b: Masks) -> Float32[np.ndarray, "a b"]:
    """Compute the IoU of every mask of `a` with every mask of `b`.

    Args:
        a: masks.
        b: masks on the same grid.

    Returns:
        Values in [0, 1]; 0 where both masks are empty.

    Raises:
        InputError: if the grids differ.
    """
    if a.shape != b.shape:
        raise InputError(f"masks: got grids of {a.shape} and {b.shape}, expected one grid; resize one of them")
    iou = np.zeros((len(a), len(b)), np.float32)
    packed, others = _packed(a), _packed(b)

    def compare(first: int, last: int) -> None:
        _compare(first, last, packed, others, iou)

    over_masks(compare, np.diff(packed.origin) * len(b))
    return iou


def pairwise_overlap(a: Masks, b: Masks) -> tuple[Float64[np.ndarray, "a b"], Float64[np.ndarray, "a b"]]:
    """Count the pixels in both, and in either, of every mask of `a` and every mask of `b`.

    Args:
        a: masks.
        b: masks on the same grid.

    Returns:
        Intersections and unions, whole numbers; exact below eight million pixels, what float32 of the IoU tells apart.

    Raises:
        InputError: if the grids differ.
    """
    iou = pairwise_iou(a, b).astype(np.float64)
    sizes = (area(a)[:, None] + area(b)[None, :]).astype(np.float64)
    intersection = np.rint(iou * sizes / (1.0 + iou))
    return intersection, sizes - intersection


def _packed(masks: Masks) -> _Packed:
    x0, y0, x1, y1 = bounding_boxes(masks).astype(np.int64).T
    box = np.empty((len(masks), 4), np.int64)
    box[:, 0], box[:, 1], box[:, 2], box[:, 3] = y0, y1, x0 // BITS, (x1 - 1) // BITS + 1
    origin = np.zeros(len(masks) + 1, np.int64)
    np.cumsum((box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]), out=origin[1:])
    words = np.zeros(origin[-1], np.uint64)

    def pack(first: int, last: int) -> None:
        _pack(masks.start, masks.stop, masks.offset, first, last, masks.shape[1], box, origin, words)

    over_masks(pack, np.diff(origin) * BITS)
    return _Packed(area=area(masks).astype(np.int64), box=box, origin=origin, words=words)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _pack(start, stop, offset, first, last, width, box, origin, words):
    for mask in range(first, last):
        rows = box[mask, 1] - box[mask, 0]
        for run in range(offset[mask], offset[mask + 1]):
            row = start[run] // width
            left, right = start[run] - row * width, stop[run] - row * width
            column, tail = left // BITS, (right - 1) // BITS
            word = origin[mask] + (column - box[mask, 2]) * rows + row - box[mask, 0]
            bits = ALL_BITS << np.uint64(left - column * BITS)
            while column < tail:
                words[word] |= bits
                bits = ALL_BITS
                word += rows
                column += 1
            words[word] |= bits & (ALL_BITS >> np.uint64((tail + 1) * BITS - right))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _compare(first, last, a, b, iou):
    """Write rows `first:last` of the matrix."""
    for i in range(first, last):
        for j in range(len(b.area)):
            union = a.area[i] + b.area[j]
            if union > 0:
                both = _common(a, i, b, j)
                iou[i, j] = both / (union - both)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _common(a, i, b, j):
    """Count the pixels in both mask `i` of `a` and mask `j` of `b`."""
    one, other = a.box[i], b.box[j]
    top, bottom = max(one[0], other[0]), min(one[1], other[1])
    both = 0
    if top >= bottom:
        return both
    for column in range(max(one[2], other[2]), min(one[3], other[3])):
        first_word = a.origin[i] + (column - one[2]) * (one[1] - one[0]) + top - one[0]
        second_word = b.origin[j] + (column - other[2]) * (other[1] - other[0]) + top - other[0]
        both += _common_bits(
            a.words[first_word : first_word + bottom - top], b.words[second_word : second_word + bottom - top]
        )
    return both


@numba.njit(cache=True, nogil=True)
@no_type_check
def _common_bits(a, b):
    both = 0
    for i in range(len(a)):
        both += np.int64(set_bits(a[i] & b[i]))
    return both
