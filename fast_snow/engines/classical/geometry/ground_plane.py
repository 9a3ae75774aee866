"""Depth and rotation of a camera that hardly moves: a guess that says so.

Nothing in the images tells depth then. Most cameras stand level on the ground and see it in the lower part of the
image, so depth is that of a level plane one camera height below, up to a distance, with the horizon above the middle.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.background import robust_homography, turned
from fast_snow.cameras import rays
from fast_snow.point_matches import Pair
from fast_snow.types import GridShape

CAMERA_HEIGHT = 1.5
"""About that of a hand-held camera in metres, though nothing here is metric."""
FARTHEST = 15.0
"""In camera heights; what is seen above the horizon is taken to be there."""
HORIZON = 0.4
"""Row of the horizon in the first image, as a share of its height."""
_STILL = 0.3
"""Pixels; points that move less show a camera at rest."""
_MIN_POINTS = 8

Rotations = Float64[np.ndarray, "n 3 3"]


def ground_depth(
    intrinsics: Float64[np.ndarray, "3 3"], R_camera_world: Rotations, shape: GridShape
) -> Float32[np.ndarray, "n h w"]:
    """Return the depth at which each pixel's ray meets the ground.

    Args:
        intrinsics: pinhole matrix of the grid.
        R_camera_world: rotation of each camera; the first one stands level but for the tilt that its horizon tells.
        shape: height and width of the grid.

    Returns:
        Positive depth along the optical axis.
    """
    tilt = np.arctan2(intrinsics[1, 2] - HORIZON * shape[0], intrinsics[1, 1])
    down_world = R_camera_world[0].T @ np.array([0.0, np.cos(tilt), np.sin(tilt)])
    v, u = np.indices(shape, dtype=np.float64)
    through = rays(np.stack([u, v], axis=-1), intrinsics)
    drop = np.stack([through @ (R @ down_world) for R in R_camera_world])
    return (CAMERA_HEIGHT / np.maximum(drop, 1.0 / FARTHEST)).astype(np.float32)


def rotations(matches: Sequence[Pair], intrinsics: Float64[np.ndarray, "3 3"]) -> Rotations:
    """Estimate how a camera that stays in place turns.

    Args:
        matches: points of each image that are found in the next one, in either.
        intrinsics: pinhole matrix of the images.

    Returns:
        `R_camera_world` of each image; the world is the first camera. One step that the matches do not tell is none.
    """
    R_camera_world = [np.eye(3)]
    for before, now in matches:
        still = len(before) < _MIN_POINTS or np.median(np.linalg.norm(now - before, axis=1)) < _STILL
        homography, inlier = (None, None) if still else robust_homography(before, now)
        R_now_before = np.eye(3) if homography is None else turned(before[inlier], now[inlier], intrinsics)
        R_camera_world.append(R_now_before @ R_camera_world[-1])
    return np.stack(R_camera_world)
