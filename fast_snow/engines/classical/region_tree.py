"""A tree of regions: neighbouring superpixels merged pair by pair, the most alike first.

Every object that stands out from its surroundings is likely to be one node of the tree.

Reference: J. Uijlings et al. Selective Search for Object Recognition. IJCV 104(2), 2013, section 3.1.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float32, Int32

from fast_snow.engines.classical.superpixels import Edges
from fast_snow.types import readonly

_SMALL_FIRST = 0.2  # exponent of the smaller region's share of the image in the order of merging


class RegionTree(NamedTuple):
    """A forest of regions; leaves come first, parents after their children.

    Attributes:
        leaf: the leaf of each pixel.
        parent: of each region; -1 for the last.
        height: how unlike the two parts of a region are; 0 for a leaf.
        area: pixels.
        box: x0, y0, x1, y1, half-open.
        perimeter: length of the border to other regions, in pixels.
        contrast: mean edge strength along that border.
        at_border: how many of its pixels' sides lie on the image border.
    """

    leaf: Int32[np.ndarray, "h w"]
    parent: Int32[np.ndarray, " k"]
    height: Float32[np.ndarray, " k"]
    area: Float32[np.ndarray, " k"]
    box: Int32[np.ndarray, "k 4"]
    perimeter: Float32[np.ndarray, " k"]
    contrast: Float32[np.ndarray, " k"]
    at_border: Float32[np.ndarray, " k"]

    def members(self) -> Bool[np.ndarray, "k leaves"]:
        """Tell which leaves lie in which region."""
        count = len(self.parent)
        inside = np.eye(count, int(self.leaf.max()) + 1, dtype=np.bool_)
        for child, parent in enumerate(self.parent):
            if parent >= 0:
                inside[parent] |= inside[child]
        return inside


def region_tree(
    leaf: Int32[np.ndarray, "h w"],
    features: Float32[np.ndarray, "h w c"],
    edges: Edges,
    *,
    small_first: float = _SMALL_FIRST,
) -> RegionTree:
    """Merge superpixels into a tree.

    Args:
        leaf: superpixels, numbered from 0.
        features: what alike regions share, such as colour and motion.
        edges: strength of the edges between pixels.
        small_first: exponent of the smaller region's share of the image in the order of merging.

    Returns:
        All superpixels and all regions merged from them.
    """
    arrays = (readonly(each) for each in (leaf, features, *edges))
    count = int(leaf.max()) + 1
    measured = _measure(*arrays, count)  # by itself: what a kernel calls is compiled with it again
    area, _, mean, _, *borders = measured
    mean[:count] /= area[:count, None]
    for border in borders:
        border[:count, :count] += border[:count, :count].T
    parent, height, area, box, perimeter, strength, at_border = _merge(*measured, leaf.size, np.float32(small_first))
    contrast = strength / np.maximum(perimeter, 1)
    return RegionTree(leaf, parent, height, area, box, perimeter, contrast, at_border)


# Expressions of whole arrays compile many times longer than loops: the kernels have none.


@numba.njit(cache=True, nogil=True)
@no_type_check
def _measure(leaf, features, right, below, count):
    """Return area, box, summed features, sides on the image border, and length and strength of shared borders.

    Borders are above the diagonal; the rows of regions that are merged later are empty.
    """
    height, width, channels = features.shape
    nodes = 2 * count - 1
    area = np.zeros(nodes, np.float32)
    at_border = np.zeros(nodes, np.float32)
    mean = np.zeros((nodes, channels), np.float64)
    box = np.zeros((nodes, 4), np.int32)
    length = np.zeros((nodes, nodes), np.float32)
    strength = np.zeros((nodes, nodes), np.float32)
    for a in range(nodes):
        box[a, 0] = box[a, 1] = max(height, width)
    for y in range(height):
        for x in range(width):
            a = leaf[y, x]
            _contain(a, x, y, features, area, mean, box)
            at_border[a] += (x == 0) + (x == width - 1) + (y == 0) + (y == height - 1)
            if x + 1 < width:
                _meet(a, leaf[y, x + 1], right[y, x], length, strength)
            if y + 1 < height:
                _meet(a, leaf[y + 1, x], below[y, x], length, strength)
    return area, box, mean, at_border, length, strength


@numba.njit(cache=True, nogil=True)
@no_type_check
def _contain(a, x, y, features, area, mean, box):
    """Add a pixel to a region."""
    area[a] += 1
    for c in range(features.shape[2]):
        mean[a, c] += features[y, x, c]
    box[a, 0], box[a, 1] = min(box[a, 0], x), min(box[a, 1], y)
    box[a, 2], box[a, 3] = max(box[a, 2], x + 1), max(box[a, 3], y + 1)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _meet(a, b, edge, length, strength):
    """Add a pixel's side to the border between two regions, above the diagonal."""
    if a != b:
        length[min(a, b), max(a, b)] += 1
        strength[min(a, b), max(a, b)] += edge


@numba.njit(cache=True, nogil=True)
@no_type_check
def _unlikeness(a, b, area, mean, length, strength, total, small_first):
    square = 0.0
    for c in range(mean.shape[1]):
        square += (mean[a, c] - mean[b, c]) ** 2
    distance = np.sqrt(square) + strength[a, b] / length[a, b]
    return distance * (min(area[a], area[b]) / total) ** small_first


@numba.njit(cache=True, nogil=True)
@no_type_check
def _nearest(cost, node, stop):
    best = -1
    for other in range(stop):
        if cost[node, other] < np.inf and (best < 0 or cost[node, other] < cost[node, best]):
            best = other
    return best


@numba.njit(cache=True, nogil=True)
@no_type_check
def _cheapest(cost, nearest, stop):
    best = -1
    for node in range(stop):
        if nearest[node] >= 0 and (best < 0 or cost[node, nearest[node]] < cost[best, nearest[best]]):
            best = node
    return best


@numba.njit(cache=True, nogil=True)
@no_type_check
def _inherit(new, a, b, cost, parent, area, mean, length, strength, total, small_first):
    """Give the region merged from `a` and `b` their borders to the regions that are left."""
    for other in range(new):
        touches = length[a, other] + length[b, other]
        cost[a, other], cost[other, a], cost[b, other], cost[other, b] = np.inf, np.inf, np.inf, np.inf
        if parent[other] < 0 and touches > 0:
            length[new, other], length[other, new] = touches, touches
            strength[new, other] = strength[a, other] + strength[b, other]
            strength[other, new] = strength[new, other]
            cost[new, other] = _unlikeness(new, other, area, mean, length, strength, total, small_first)
            cost[other, new] = cost[new, other]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _look_again(new, a, b, cost, nearest):
    """Find the nearest region anew where it was `a` or `b`, or may be the one merged from them."""
    nearest[a], nearest[b] = -1, -1
    for other in range(new):
        if cost[other, new] < np.inf:
            if nearest[other] == a or nearest[other] == b:
                nearest[other] = _nearest(cost, other, new + 1)
            elif cost[other, new] < cost[other, nearest[other]]:
                nearest[other] = new
    nearest[new] = _nearest(cost, new, new)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _merge(area, box, mean, at_border, length, strength, pixels, small_first):
    nodes = len(area)
    count = (nodes + 1) // 2
    perimeter = np.zeros(nodes, np.float32)
    border = np.zeros(nodes, np.float32)
    parent = np.full(nodes, -1, np.int32)
    height = np.zeros(nodes, np.float32)
    cost = np.full((nodes, nodes), np.inf, np.float32)
    nearest = np.full(nodes, -1, np.int32)
    for a in range(count):
        for b in range(count):
            perimeter[a] += length[a, b]
            border[a] += strength[a, b]
            if length[a, b] > 0:
                cost[a, b] = _unlikeness(a, b, area, mean, length, strength, pixels, small_first)
        nearest[a] = _nearest(cost, a, count)
    for new in range(count, nodes):
        a = _cheapest(cost, nearest, new)
        b = nearest[a]
        height[new] = max(cost[a, b], height[a], height[b])
        parent[a], parent[b] = new, new
        area[new] = area[a] + area[b]
        at_border[new] = at_border[a] + at_border[b]
        for c in range(mean.shape[1]):
            mean[new, c] = (mean[a, c] * area[a] + mean[b, c] * area[b]) / area[new]
        for side in range(2):
            box[new, side] = min(box[a, side], box[b, side])
            box[new, side + 2] = max(box[a, side + 2], box[b, side + 2])
        perimeter[new] = perimeter[a] + perimeter[b] - 2 * length[a, b]
        border[new] = border[a] + border[b] - 2 * strength[a, b]
        _inherit(new, a, b, cost, parent, area, mean, length, strength, pixels, small_first)
        _look_again(new, a, b, cost, nearest)
    return parent, height, area, box, perimeter, border, at_border
