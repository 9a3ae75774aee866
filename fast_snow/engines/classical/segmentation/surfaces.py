"""Which neighbouring superpixels are one thing: those between which the surface neither steps nor bends inwards.

Inverse depth is linear over the image of a plane. Across a ridge it lies above the chord of its neighbours, across a
concave crease below, and beside a depth step far below on the farther side: one second difference tells all of them.

Reference: S. Stein et al. Object Partitioning Using Local Convexity. CVPR 2014.
"""

import cv2
import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.engines.classical.region_tree import region_tree
from fast_snow.engines.classical.superpixels import Edges

_REACH = 3  # working pixels
_BLUR = 1.0
_SLACK = 2  # working pixels between an edge of colour and one of depth
_STEEPEST = 0.2
_OUT = 8  # working pixels beyond an outline, where depth is clear of the blur along it
_STEP = 0.03  # of the depth; slanted surfaces reach it too
_STEP_STRENGTH = 100.0  # L*a*b* units for a step that doubles depth by e; one of 10 % is as strong as a visible edge
_STRONGEST_STEP = 30.0


def creases(depth: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Return how far inverse depth lies below the chord of its neighbours, relative to itself; 0 where unknown."""
    weight = cv2.GaussianBlur((depth > 0).astype(np.float32), (0, 0), _BLUR)
    sharp = np.where(depth > 0, 1.0 / np.maximum(depth, 1e-9), 0.0).astype(np.float32)
    inverse = (cv2.GaussianBlur(sharp, (0, 0), _BLUR) / np.maximum(weight, 1e-6)).astype(np.float32)
    known = (weight > 0.5).astype(np.float32)
    crease = np.zeros_like(depth)
    for du, dv in ((1, 0), (0, 1), (1, 1), (1, -1)):
        reach = _REACH if not (du and dv) else round(_REACH / np.sqrt(2))
        low, high = (_shifted(inverse, s * du * reach, s * dv * reach) for s in (-1, 1))
        seen = known * _shifted(known, -du * reach, -dv * reach) * _shifted(known, du * reach, dv * reach)
        bend = (low + high) / np.maximum(inverse, 1e-9) - 2.0
        crease = np.maximum(crease, np.where(seen > 0.5, bend, 0.0))
    return np.minimum(cv2.dilate(crease, np.ones((2 * _SLACK + 1,) * 2)), _STEEPEST).astype(np.float32)


def with_steps(edges: Edges, depth: Float32[np.ndarray, "h w"]) -> Edges:
    """Add the steps of sharp depth to the edges of an image."""
    log_depth = np.log(np.where(depth > 0, depth, np.float32(np.nan)))
    right, below = (each.copy() for each in edges)
    right[:, :-1] += _step(np.diff(log_depth, axis=1))
    below[:-1] += _step(np.diff(log_depth, axis=0))
    return Edges(right, below)


def _step(difference: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    steep = np.maximum(np.abs(np.nan_to_num(difference)) - _STEP, 0)
    return np.minimum(_STEP_STRENGTH * steep, _STRONGEST_STEP).astype(np.float32)


def _shifted(image: Float32[np.ndarray, "h w"], du: int, dv: int) -> Float32[np.ndarray, "h w"]:
    height, width = image.shape
    where = np.array([[1, 0, -du], [0, 1, -dv]], np.float32)
    return cv2.warpAffine(image, where, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def surfaces(
    leaf: Int32[np.ndarray, "h w"],
    crease: Float32[np.ndarray, "h w"],
    stands: Float32[np.ndarray, "h w"],
    *,
    limit: float,
) -> Int32[np.ndarray, "h w"]:
    """Join superpixels that stand out from the planes into surfaces.

    Args:
        leaf: superpixels.
        crease: of the depth.
        stands: evidence that a pixel stands out from the planes, positive where it does.
        limit: mean crease along a border up to which it does not part two things.

    Returns:
        0 on the planes, then a number for each pixel's surface.
    """
    count = int(leaf.max()) + 1
    off = np.bincount(leaf.ravel(), stands.ravel(), count) > 0
    right, below = crease.copy(), crease.copy()
    right[:, :-1] = np.maximum(crease[:, :-1], crease[:, 1:])
    below[:-1] = np.maximum(crease[:-1], crease[1:])
    tree = region_tree(leaf, off.astype(np.float32)[leaf][..., None], Edges(right, below), small_first=0.0)
    top = np.arange(len(tree.parent))
    for region in range(len(top) - 1, -1, -1):
        parent = tree.parent[region]
        if parent >= 0 and tree.height[parent] <= limit:
            top[region] = top[parent]
    _, number = np.unique(np.where(off, top[:count], -1), return_inverse=True)
    return (number + off.all()).astype(np.int32)[leaf]


def outlined(
    label: Int32[np.ndarray, "h w"],
    crease: Float32[np.ndarray, "h w"],
    depth: Float32[np.ndarray, "h w"],
    *,
    limit: float,
) -> Float32[np.ndarray, " m"]:
    """Return the share of each surface's outline along which it stands on or before what is beside it.

    There the surface steps back or bends inwards. Where the image cuts it, or it lies behind, the outline is not its
    own.
    """
    count = int(label.max()) + 1
    total, own = np.zeros((2, count))
    known = np.where(depth > 0, depth, np.float32(np.inf))
    beside, bent = np.pad(label, 1, constant_values=-1), np.pad(crease > limit, 1)
    far = np.pad(known, _OUT, constant_values=np.inf)
    height, width = label.shape
    for dv, du in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        window = slice(1 + dv, 1 + dv + height), slice(1 + du, 1 + du + width)
        edge = (label > 0) & (beside[window] != label)
        z_out = far[_OUT + _OUT * dv : _OUT + _OUT * dv + height, _OUT + _OUT * du : _OUT + _OUT * du + width]
        mine = edge & bent[window] & ~(z_out < (1 - _STEP) * known)
        total += np.bincount(label[edge], minlength=count)
        own += np.bincount(label[mine], minlength=count)
    return (own / np.maximum(total, 1))[1:].astype(np.float32)
