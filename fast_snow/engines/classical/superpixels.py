"""Superpixels: small regions that follow the edges of an image.

Reference: P. Felzenszwalb, D. Huttenlocher. Efficient Graph-Based Image Segmentation. IJCV 59(2), 2004.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from fast_snow.engines.classical.edge_aware import affinity, smooth
from fast_snow.types import readonly

_LEVELS = 1024
_LEVELS_PER_UNIT = 16.0  # an edge of 64 L*a*b* units or more is as strong as edges get
_SCALE = 120.0  # L*a*b* units times pixels: larger prefers larger superpixels
_LARGEST_COUNT = 1000
_LIGHTNESS = 0.6  # shadows change lightness, objects mostly change colour too
_EVEN_OUT = 15.0
_EVEN_SIGMA = 8.0


class Edges(NamedTuple):
    """Strength of the edge between each pixel and its right and its lower neighbour; 0 along the far border."""

    right: Float32[np.ndarray, "h w"]
    below: Float32[np.ndarray, "h w"]


def even_colours(lab: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Return the colours of an image without its texture, lightness weighed down."""
    colour = lab.astype(np.float32) * np.array([_LIGHTNESS, 1.0, 1.0], np.float32)
    alike = affinity(colour, _EVEN_SIGMA)
    return np.stack([smooth(colour[..., i], alike, _EVEN_OUT) for i in range(3)], axis=-1)


def edges_of(features: Float32[np.ndarray, "h w c"]) -> Edges:
    """Return the Euclidean distance between neighbouring pixels' features."""
    edges = Edges(*np.zeros((2, *features.shape[:2]), np.float32))
    for target, axis in ((edges.right[:, :-1], 1), (edges.below[:-1], 0)):
        channels = np.moveaxis(np.diff(features, axis=axis) ** 2, -1, 0)
        np.sqrt(sum(channels[1:], channels[0]), out=target)
    return edges


def superpixels(edges: Edges) -> Int32[np.ndarray, "h w"]:
    """Part an image where its edges are strong against those inside the parts.

    Args:
        edges: of the image.

    Returns:
        A number for each pixel's superpixel, from 0, in raster order of their first pixels; a few hundred at most.
    """
    levels = [np.minimum(each * _LEVELS_PER_UNIT, _LEVELS - 1).astype(np.int32) for each in edges]
    least = -(-edges.right.size // _LARGEST_COUNT)
    # One after the other: what a kernel calls is compiled with it again.
    listed = _sorted_edges(*(readonly(each) for each in levels))
    parent = _joined(*listed, edges.right.size, np.float32(_SCALE * _LEVELS_PER_UNIT), least)
    return _numbered(parent, *edges.right.shape)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
@no_type_check
def _sorted_edges(right, below):
    """List the edges of the grid from weak to strong, by counting."""
    height, width = right.shape
    position = np.zeros(_LEVELS + 1, np.int64)
    for y in range(height):
        for x in range(width):
            position[right[y, x] + 1] += x + 1 < width
            position[below[y, x] + 1] += y + 1 < height
    for strength in range(_LEVELS):
        position[strength + 1] += position[strength]
    first = np.empty(position[_LEVELS], np.int32)
    second = np.empty(position[_LEVELS], np.int32)
    level = np.empty(position[_LEVELS], np.int32)
    for y in range(height):
        for x in range(width):
            pixel = y * width + x
            for across in range(2):
                strength = below[y, x] if across else right[y, x]
                if (y + 1 < height) if across else (x + 1 < width):
                    at = position[strength]
                    position[strength] += 1
                    first[at], second[at], level[at] = pixel, pixel + (width if across else 1), strength
    return first, second, level


@numba.njit(cache=True, nogil=True)
@no_type_check
def _joined(first, second, level, pixels, scale, least):
    """Join pixels along edges, weak ones first, then what is smaller than `least`; returns the parent of each pixel."""
    parent = np.empty(pixels, np.int32)
    size = np.empty(pixels, np.int32)
    limit = np.empty(pixels, np.float32)
    for i in range(pixels):
        parent[i], size[i], limit[i] = i, 1, scale
    for absorbs in range(2):
        for e in range(len(first)):
            a, b = _root(parent, first[e]), _root(parent, second[e])
            small = min(size[a], size[b]) < least
            if a != b and (small if absorbs else level[e] <= min(limit[a], limit[b])):
                if size[a] < size[b]:
                    a, b = b, a
                parent[b] = a
                size[a] += size[b]
                limit[a] = level[e] + scale / size[a]
    return parent


@numba.njit(cache=True, nogil=True)
@no_type_check
def _numbered(parent, height, width):
    number = np.full(len(parent), -1, np.int32)
    labels = np.empty((height, width), np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            root = _root(parent, y * width + x)
            if number[root] < 0:
                number[root] = count
                count += 1
            labels[y, x] = number[root]
    return labels
