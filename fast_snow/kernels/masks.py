"""Masks as runs: from dense arrays and id maps and back, and checked."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Int32

from fast_snow.errors import InputError
from fast_snow.kernels.growth import grown
from fast_snow.kernels.threads import over_masks
from fast_snow.types import DenseMasks, Masks, readonly
from fast_snow.types.masks import checked_shape
from fast_snow.types.values import offsets

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

_ROOM = 4096
_WORD = 8
_BLOCK = 16
_ALL_OUTSIDE = np.uint64(0)
_ALL_INSIDE = np.uint64(0x0101010101010101)


def encode(dense: DenseMasks) -> Masks:
    """Encode dense masks as runs.

    Args:
        dense: one mask per object, shape `(m, h, w)`.

    Returns:
        The same masks, in the same order.

    Raises:
        InputError: if a grid has more pixels than 32-bit indices can name.
    """
    count, height, width = dense.shape
    shape = checked_shape((height, width))
    pixels = readonly(dense).reshape(-1).view(np.uint8)
    words = pixels[: len(pixels) // _WORD * _WORD].view(np.uint64)

    def piece(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _encode(pixels, words, height * width, width, first, last)

    start, stop, lengths = zip(*over_masks(piece, np.full(count, height * width // _WORD)), strict=True)
    return Masks(
        start=np.concatenate(start), stop=np.concatenate(stop), offset=offsets(np.concatenate(lengths)), shape=shape
    )


def encode_labels(labels: Int32[np.ndarray, "h w"], ids: Int32[np.ndarray, " m"]) -> Masks:
    """Encode an id map as one mask per id.

    Args:
        labels: the id of each pixel.
        ids: the ids to encode, each at most once; one that is not in `labels` gives an empty mask.

    Returns:
        One mask per entry of `ids`, in that order.

    Raises:
        InputError: if an id repeats, or the grid has more pixels than 32-bit indices can name.
    """
    shape = checked_shape((labels.shape[0], labels.shape[1]))
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    if np.any(ranked[1:] == ranked[:-1]):
        raise InputError(f"ids: got {ids.tolist()}, expected each id at most once; drop the repeats")
    begins = np.ones(shape, np.bool_)
    begins[:, 1:] = labels[:, 1:] != labels[:, :-1]
    start = np.flatnonzero(begins).astype(np.int32)
    stop = np.append(start, np.int32(labels.size))[1:]
    label = labels.reshape(-1)[start]
    rank = np.searchsorted(ranked, label)
    known = rank < len(ids)
    known[known] = ranked[rank[known]] == label[known]
    owner = order[rank[known]]
    by_owner = np.argsort(owner, kind="stable")
    offset = offsets(np.bincount(owner, minlength=len(ids)))
    return Masks(start=start[known][by_owner], stop=stop[known][by_owner], offset=offset, shape=shape)


def decode(masks: Masks) -> DenseMasks:
    """Decode masks to a dense stack.

    Args:
        masks: `m` masks on an `h × w` grid.

    Returns:
        Shape `(m, h, w)`.
    """
    height, width = masks.shape
    dense = np.zeros((len(masks), height * width), np.bool_)
    _paint(masks.start, masks.stop, masks.offset, dense)
    return dense.reshape(len(masks), height, width)


def validate(masks: Masks) -> None:
    """Check masks that come from outside; what passes is safe to hand to every kernel.

    Args:
        masks: masks that no function of this module made.

    Raises:
        InputError: if an index leaves the grid or a run breaks an invariant of `Masks`.
    """
    height, width = checked_shape(masks.shape)
    start, stop, offset = masks.start, masks.stop, masks.offset
    if not len(start) == len(stop):
        raise InputError(f"masks: got {len(start)} starts and {len(stop)} stops, expected as many of both")
    if len(offset) < 1 or offset[0] != 0 or offset[-1] != len(start) or np.any(offset[1:] < offset[:-1]):
        raise InputError(f"masks: got offsets that do not rise from 0 to {len(start)} runs; write the file again")
    inside = (start >= 0) & (start < stop) & (stop <= height * width)
    if not inside.all():
        raise InputError(f"masks: got a run that is empty or leaves the {height} x {width} grid; write the file again")
    if np.any(start // width != (stop - 1) // width):
        raise InputError("masks: got a run that crosses a row, expected one run per row; encode the masks again")
    first = np.zeros(len(start) + 1, np.bool_)
    first[offset] = True
    apart = (start[1:] > stop[:-1]) | ((start[1:] == stop[:-1]) & (start[1:] % width == 0)) | first[1:-1]
    if not apart.all():
        raise InputError("masks: got runs that overlap, touch or are out of order; encode the masks again")


def shift(masks: Masks, du: int, dv: int) -> Masks:
    """Move masks right by `du` and down by `dv` pixels; what leaves the grid is cut off.

    Args:
        masks: on any grid.
        du: columns.
        dv: rows.

    Returns:
        The moved masks on the same grid; masks that leave it stay as empty entries.
    """
    height, width = masks.shape
    row = masks.start // max(width, 1) + dv
    first = np.maximum(masks.start % max(width, 1) + du, 0)
    last = np.minimum((masks.stop - 1) % max(width, 1) + du, width - 1)
    kept = (row >= 0) & (row < height) & (first <= last)
    counts = np.concatenate([[0], np.cumsum(kept)])
    return Masks(
        start=(row * width + first)[kept].astype(np.int32),
        stop=(row * width + last + 1)[kept].astype(np.int32),
        offset=counts[masks.offset].astype(np.int32),
        shape=masks.shape,
    )


@numba.njit(cache=True, nogil=True)
@no_type_check
def _encode(pixels, words, size, width, first, last):
    """Encode masks `first:last` of a stack of bytes and words: starts, stops and how many runs each mask has."""
    start = np.empty(_ROOM, np.int32)
    stop = np.empty(_ROOM, np.int32)
    lengths = np.zeros(last - first, np.int32)
    runs = 0
    for mask in range(first, last):
        edge = _edges(pixels, words, mask * size, (mask + 1) * size)
        before = runs
        for pair in range(0, len(edge), 2):
            begin, end = edge[pair], edge[pair + 1]
            while begin < end:
                if runs == len(start):
                    start, stop = grown(start), grown(stop)
                start[runs] = begin
                begin = min((begin // width + 1) * width, end)
                stop[runs] = begin
                runs += 1
        lengths[mask - first] = runs - before
    return start[:runs], stop[:runs], lengths


@numba.njit(cache=True, nogil=True)
@no_type_check
def _edges(pixels, words, begin, end):
    """Find where `pixels[begin:end]` change between outside and inside, relative to `begin`; always in pairs."""
    edge = np.empty(_ROOM, np.int32)
    count = 0
    inside = False
    pixel = begin
    while pixel < end:
        if pixel % _WORD == 0:
            pixel = _WORD * _unlike(words, pixel // _WORD, end // _WORD, _ALL_INSIDE if inside else _ALL_OUTSIDE)
        stop = min((pixel // _WORD + 1) * _WORD, end)
        if count + _WORD >= len(edge):
            edge = grown(edge)
        for each in range(pixel, stop):
            if (pixels[each] != 0) != inside:
                edge[count] = each - begin
                count += 1
                inside = not inside
        pixel = stop
    if inside:
        edge[count] = end - begin
        count += 1
    return edge[:count]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _unlike(words, first, last, word):
    """Find the first of `words[first:last]` that is not `word`; `last` where all are."""
    while first + _BLOCK <= last:
        block = words[first : first + _BLOCK]
        difference = _ALL_OUTSIDE
        for i in range(_BLOCK):
            difference |= block[i] ^ word
        if difference != _ALL_OUTSIDE:
            break
        first += _BLOCK
    while first < last and words[first] == word:
        first += 1
    return first


@numba.njit(cache=True, nogil=True)
@no_type_check
def _paint(start, stop, offset, dense):
    """Set the pixels of each run."""
    for mask in range(len(offset) - 1):
        for run in range(offset[mask], offset[mask + 1]):
            dense[mask, start[run] : stop[run]] = True
