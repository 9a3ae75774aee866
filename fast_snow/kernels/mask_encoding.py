"""The loops behind `fast_snow.kernels.masks`: from pixels to runs and back."""

from typing import no_type_check

import numba
import numpy as np

from fast_snow.kernels.growth import grown

ROOM = 4096
WORD = 8
BLOCK = 16
ALL_OUTSIDE = np.uint64(0)
ALL_INSIDE = np.uint64(0x0101010101010101)


@numba.njit(cache=True, nogil=True)
@no_type_check
def encode(
    pixels: np.ndarray, words: np.ndarray, size: int, width: int, first: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode masks `first:last` of a stack.

    Args:
        pixels: the stack as bytes, flat.
        words: the same bytes in whole words of eight.
        size: pixels per mask.
        width: pixels per row.
        first: first mask.
        last: one past the last mask.

    Returns:
        Starts, stops and how many runs each mask has.
    """
    start = np.empty(ROOM, np.int32)
    stop = np.empty(ROOM, np.int32)
    lengths = np.zeros(last - first, np.int32)
    runs = 0
    for mask in range(first, last):
        edge = edges(pixels, words, mask * size, (mask + 1) * size)
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
def edges(pixels: np.ndarray, words: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Find where `pixels[begin:end]` change between outside and inside, relative to `begin`; always in pairs."""
    edge = np.empty(ROOM, np.int32)
    count = 0
    inside = False
    pixel = begin
    while pixel < end:
        if pixel % WORD == 0:
            pixel = WORD * unlike(words, pixel // WORD, end // WORD, ALL_INSIDE if inside else ALL_OUTSIDE)
        stop = min((pixel // WORD + 1) * WORD, end)
        if count + WORD >= len(edge):
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
def unlike(words: np.ndarray, first: int, last: int, word: np.uint64) -> int:
    """Find the first of `words[first:last]` that is not `word`; `last` where all are."""
    while first + BLOCK <= last:
        block = words[first : first + BLOCK]
        difference = ALL_OUTSIDE
        for i in range(BLOCK):
            difference |= block[i] ^ word
        if difference != ALL_OUTSIDE:
            break
        first += BLOCK
    while first < last and words[first] == word:
        first += 1
    return first


@numba.njit(cache=True, nogil=True)
@no_type_check
def label_runs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the rows of an id map into runs of one id: starts, stops and ids."""
    height, width = labels.shape
    start = np.empty(ROOM, np.int32)
    stop = np.empty(ROOM, np.int32)
    label = np.empty(ROOM, np.int32)
    runs = 0
    for v in range(height):
        row = labels[v]
        begin = 0
        while begin < width:
            end = begin + 1
            while end < width and row[end] == row[begin]:
                end += 1
            if runs == len(start):
                start, stop, label = grown(start), grown(stop), grown(label)
            start[runs] = v * width + begin
            stop[runs] = v * width + end
            label[runs] = row[begin]
            runs += 1
            begin = end
    return start[:runs], stop[:runs], label[:runs]


@numba.njit(cache=True, nogil=True)
@no_type_check
def paint(start: np.ndarray, stop: np.ndarray, offset: np.ndarray, dense: np.ndarray) -> None:
    """Set the pixels of each run."""
    for mask in range(len(offset) - 1):
        for run in range(offset[mask], offset[mask + 1]):
            dense[mask, start[run] : stop[run]] = True
