"""Windows that are too long for one forward pass: overlapping chunks, each brought into the world of the first.

Every chunk is estimated in a world and, unless metric, in a scale of its own; the frames that it shares with the chunk
before say how the two lie to each other.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from fast_snow.alignment import align_geometry, align_windows
from fast_snow.types import Geometry

TRUSTED: Final = 0.1
"""Pixels align two chunks where the network's `confidence - 1` exceeds this share of its median, as upstream has it."""


def spans(count: int, size: int, overlap: int) -> tuple[range, ...]:
    """Return the frames of each chunk of a window of at least 1 frame; `overlap` is less than `size`.

    Returns:
        Chunks of `size` frames that together hold every frame. The last one shares more frames with the one before
        rather than be shorter: the network sees more views at once, and no compiled size is needed for the rest.
    """
    if count <= size:
        return (range(count),)
    starts = [*range(0, count - size, size - overlap), count - size]
    return tuple(range(start, start + size) for start in starts)


def join_chunks(chunks: Iterable[tuple[range, Geometry]], *, one_world: bool = False) -> Geometry:
    """Bring chunks into the world of the first and leave out what is repeated.

    Where two chunks hold a frame, it is as the earlier one has it.

    Args:
        chunks: the frames of each and their geometry, on one analysis grid, in the order of `spans`.
        one_world: all chunks are in one world and scale already.

    Warns:
        FastSnowWarning: two chunks share too little trusted depth and are aligned by their cameras alone.
    """
    aligned: list[Geometry] = []
    parts: list[Geometry] = []
    end = 0
    for span, geometry in chunks:
        shared = end - span.start
        if aligned and not one_world:
            threshold = _threshold(aligned[-1], geometry, shared)
            T_first_chunk = align_windows(aligned[-1], geometry, shared, conf_thresh=threshold)
            geometry = align_geometry(T_first_chunk, geometry)
        aligned = [geometry]
        parts.append(geometry[shared:])
        end = span.stop
    return parts[0].followed_by(*parts[1:])


def _threshold(previous: Geometry, current: Geometry, shared: int) -> float:
    """Return the normalised confidence that stands for `TRUSTED`: `c / (1 - c)` is the network's `confidence - 1`."""
    both = np.concatenate([previous.confidence[len(previous) - shared :], current.confidence[:shared]])
    median = float(np.median(both))
    least = TRUSTED * median / max(1 - median, 1e-9)
    return least / (1 + least)
