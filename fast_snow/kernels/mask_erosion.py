"""Masks without their border pixels."""

from typing import no_type_check

import numba
import numpy as np

from fast_snow.errors import InputError
from fast_snow.kernels.growth import grown
from fast_snow.types import Masks
from fast_snow.types.values import offsets

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

ROOM = 4096


def erode(masks: Masks, margin: int) -> Masks:
    """Take the border off masks.

    A pixel stays where every pixel of the grid at most `margin` rows and columns away is in the mask: erosion by a
    square (8 neighbours, `margin` times), so that what stays is further than `margin` pixels from what is outside in
    every direction. The grid's edge is no border: an object that the frame cuts keeps its pixels there.

    Args:
        masks: on any grid.
        margin: pixels, at least 0.

    Returns:
        The eroded masks in the same order; a mask of which nothing stays is an empty entry.

    Raises:
        InputError: if the margin is negative.
    """
    if margin < 0:
        raise InputError(f"margin: got {margin} pixels, expected at least 0")
    if margin == 0 or len(masks.start) == 0:
        return masks
    height, width = masks.shape
    start, stop, lengths = _erode(masks.start, masks.stop, masks.offset, height, width, margin)
    return Masks(start=start, stop=stop, offset=offsets(lengths), shape=masks.shape)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _erode(start, stop, offset, height, width, margin):
    """Erode each mask: starts, stops and how many runs each mask has."""
    eroded_start = np.empty(ROOM, np.int32)
    eroded_stop = np.empty(ROOM, np.int32)
    lengths = np.zeros(len(offset) - 1, np.int32)
    row_begin = np.empty(height + 1, np.int32)
    left, right = np.empty((2, width + 1), np.int32), np.empty((2, width + 1), np.int32)
    runs = 0
    for mask in range(len(offset) - 1):
        if offset[mask] == offset[mask + 1]:
            continue
        before = runs
        top, bottom = _rows(start, offset[mask], offset[mask + 1], width, row_begin)
        for row in range(top, bottom + 1):
            if (row - margin < top and top > 0) or (row + margin > bottom and bottom < height - 1):
                continue
            first, last = max(row - margin, 0), min(row + margin, height - 1)
            count, side = _common(start, stop, row_begin, first, last, width, margin, left, right)
            for i in range(count):
                if runs == len(eroded_start):
                    eroded_start, eroded_stop = grown(eroded_start), grown(eroded_stop)
                eroded_start[runs] = row * width + left[side, i]
                eroded_stop[runs] = row * width + right[side, i]
                runs += 1
        lengths[mask] = runs - before
    return eroded_start[:runs], eroded_stop[:runs], lengths


@numba.njit(cache=True, nogil=True)
@no_type_check
def _rows(start, first, last, width, row_begin):
    """Index runs `first:last` by row, `row_begin[v]:row_begin[v + 1]`, and return the first and the last row."""
    top, bottom = start[first] // width, start[last - 1] // width
    row = top
    row_begin[top] = first
    for run in range(first, last):
        while row < start[run] // width:
            row += 1
            row_begin[row] = run
    row_begin[bottom + 1] = last
    return top, bottom


@numba.njit(cache=True, nogil=True)
@no_type_check
def _common(start, stop, row_begin, first, last, width, margin, left, right):
    """Find the stretches of columns that are in trimmed runs of all rows `first` to `last`.

    Returns how many there are, and whether they stand in the first or the second half of `left` and `right`.
    """
    side = 0
    count = 1
    left[0, 0], right[0, 0] = 0, width
    for row in range(first, last + 1):
        other = 1 - side
        found = i = 0
        run = row_begin[row]
        while i < count and run < row_begin[row + 1]:
            begin, end = start[run] - row * width, stop[run] - row * width
            begin = begin + margin if begin > 0 else 0
            end = end - margin if end < width else width
            low, high = max(begin, left[side, i]), min(end, right[side, i])
            if low < high:
                left[other, found], right[other, found] = low, high
                found += 1
            if end < right[side, i]:
                run += 1
            else:
                i += 1
        side, count = other, found
        if count == 0:
            break
    return count, side
