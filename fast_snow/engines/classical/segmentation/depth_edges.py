"""Edges where one surface ends in front of another, from depth that can be believed."""

import cv2
import numpy as np
from jaxtyping import Float32

from fast_snow.engines.classical.superpixels import Edges
from fast_snow.types import DepthOrigin, Geometry, GridShape

BELIEVED = (DepthOrigin.SENSOR, DepthOrigin.TRIANGULATED)
"""Origins of depth that show the outlines of objects; a ground-plane guess shows none."""

_CONFIDENT = 0.5
_STRENGTH = 100.0  # L*a*b* units for a step that doubles depth by e; a step of 10 % counts as much as a visible edge
_SLANT = 0.03  # a step that slanted surfaces reach too
_STRONGEST = 30.0


def with_depth_edges(edges: Edges, geometry: Geometry, frame: int) -> Edges:
    """Add to the edges of an image those of its depth, where depth was measured or triangulated.

    Args:
        edges: of the image on any grid.
        geometry: of the clip.
        frame: which frame of it.

    Returns:
        Edges on the same grid.
    """
    if geometry.origin not in BELIEVED:
        return edges
    log_depth = _log_depth(geometry, frame, edges.right.shape)
    right, below = (each.copy() for each in edges)
    right[:, :-1] += _step(np.diff(log_depth, axis=1))
    below[:-1] += _step(np.diff(log_depth, axis=0))
    return Edges(right, below)


def _log_depth(geometry: Geometry, frame: int, shape: GridShape) -> Float32[np.ndarray, "h w"]:
    depth = cv2.resize(geometry.depth[frame], shape[::-1], interpolation=cv2.INTER_NEAREST)
    confidence = cv2.resize(geometry.confidence[frame], shape[::-1], interpolation=cv2.INTER_NEAREST)
    good = np.isfinite(depth) & (depth > 0) & (confidence >= _CONFIDENT)
    return np.log(np.where(good, depth, np.float32(np.nan)))


def _step(difference: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    steep = np.maximum(np.abs(np.nan_to_num(difference)) - _SLANT, 0)
    return np.minimum(_STRENGTH * steep, _STRONGEST).astype(np.float32)
