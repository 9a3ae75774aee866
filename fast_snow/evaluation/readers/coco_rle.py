"""COCO's run lengths of masks: columns from left to right, each from top to bottom, background first.

Reference:
    github.com/cocodataset/cocoapi, common/maskApi.c, rleToString and rleFrString: each length but the first three is
    written less the one two before it, as groups of five bits, low ones first, each plus 48 as a character; bit 5 says
    that more follow, and bit 4 of the last group is the sign.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64

from fast_snow.errors import InputError
from fast_snow.kernels.masks import decode
from fast_snow.limits import IMAGE_PIXELS
from fast_snow.types import GridShape, Masks

_ZERO: Final = 48
_BITS: Final = 5
_MORE: Final = 32
_SIGN: Final = 16
_MOST_GROUPS: Final = 7
"""Thirty-five bits: more than any length and its sign need."""
_LONGEST: Final = 2**24


def from_coco(counts: str | Sequence[int], shape: GridShape) -> Masks:
    """Return a mask of COCO's as a set of one.

    Args:
        counts: run lengths, compressed to a string or as numbers.
        shape: height and width.

    Raises:
        InputError: they are no run lengths, or not of a mask of this size.
    """
    height, width = shape
    if height < 1 or width < 1 or height * width > IMAGE_PIXELS.largest:
        raise InputError(
            f"run lengths of a mask of {width}x{height} pixels, expected 1 to {IMAGE_PIXELS.largest} pixels"
        )
    if len(counts) > _LONGEST:
        raise InputError(f"{len(counts)} run lengths, expected at most {_LONGEST}")
    lengths = _decompressed(counts) if isinstance(counts, str) else _checked(counts)
    if (lengths < 0).any() or (lengths > height * width).any() or lengths.sum() != height * width:
        raise InputError(
            f"run lengths of {lengths.sum()} pixels in all, expected {height * width} of {width}x{height} pixels"
        )
    edges = np.concatenate([[0], np.cumsum(lengths)])
    start, stop = edges[1:-1:2], edges[2::2]
    return _by_rows(start[start < stop], stop[start < stop], shape)


def _checked(counts: Sequence[int]) -> Int64[np.ndarray, " n"]:
    if not all(type(each) is int and 0 <= each <= IMAGE_PIXELS.largest for each in counts):
        raise InputError("run lengths with other values than integers from 0 on, expected pixel counts")
    return np.array(counts, dtype=np.int64)


def _decompressed(text: str) -> Int64[np.ndarray, " n"]:
    if not text.isascii():
        raise InputError("run lengths with characters beyond ASCII, expected COCO's compressed ones")
    group = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - _ZERO
    last = np.flatnonzero(group & _MORE == 0)
    first = np.concatenate([[0], last + 1])[: len(last)]
    place = (
        np.arange(len(group)) - np.repeat(first, last - first + 1) if len(last) and last[-1] + 1 == len(group) else None
    )
    if place is None or (group < 0).any() or (group >= 2 * _MORE).any() or (place >= _MOST_GROUPS).any():
        raise InputError(f"run lengths {text[:40]!r}, expected COCO's compressed ones")
    values = np.add.reduceat((group & (_MORE - 1)) << (_BITS * place), first)
    values -= np.where(group[last] & _SIGN, np.int64(1) << (_BITS * (place[last] + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _by_rows(start: Int64[np.ndarray, " r"], stop: Int64[np.ndarray, " r"], shape: GridShape) -> Masks:
    """Turn runs down the columns into runs along the rows, in the box of columns and rows that they touch."""
    if not len(start):
        none = np.empty(0, np.int32)
        return Masks(start=none, stop=none, offset=np.zeros(2, np.int32), shape=shape)
    height, width = shape
    left, right = int(start[0]) // height, int(stop[-1] - 1) // height + 1
    steps = np.zeros((right - left) * height + 1, dtype=np.int8)
    steps[start - left * height] = 1
    steps[stop - left * height] -= 1  # runs that touch go on
    np.cumsum(steps, out=steps)  # in place: a mask may have 100 megapixels
    inside = steps[:-1].view(np.bool_).reshape(right - left, height).T
    row, column, length = _row_runs(inside)
    first = (row * width + column + left).astype(np.int32)
    return Masks(
        start=first,
        stop=(first + length).astype(np.int32),
        offset=np.array([0, len(first)], dtype=np.int32),
        shape=shape,
    )


def _row_runs(
    inside: Bool[np.ndarray, "h w"],
) -> tuple[Int64[np.ndarray, " r"], Int64[np.ndarray, " r"], Int64[np.ndarray, " r"]]:
    """Return row, first column and length of every run along a row, in raster order."""
    height, width = inside.shape
    padded = np.zeros((height, width + 1), dtype=np.bool_)
    padded[:, :width] = inside
    flat = padded.reshape(-1)
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    change = np.concatenate([[0], change]) if flat[0] else change
    first, last = change[::2], change[1::2]
    return first // (width + 1), first % (width + 1), last - first


def to_coco(masks: Masks) -> tuple[str, ...]:
    """Return the compressed run lengths of each mask; its size is `masks.shape`."""
    return tuple(_compressed(_lengths(mask)) for mask in decode(masks))


def _lengths(mask: Bool[np.ndarray, "h w"]) -> Int64[np.ndarray, " n"]:
    flat = np.ascontiguousarray(mask.T).reshape(-1)
    return np.diff(np.flatnonzero(np.diff(flat, prepend=False)), prepend=0, append=len(flat))


def _compressed(lengths: Int64[np.ndarray, " n"]) -> str:
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    return "".join(map(_characters, values.tolist()))


def _characters(value: int) -> str:
    text = ""
    while True:
        group, value = value & (_MORE - 1), value >> _BITS
        done = value == (-1 if group & _SIGN else 0)
        text += chr(group + (0 if done else _MORE) + _ZERO)
        if done:
            return text
