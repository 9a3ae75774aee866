"""The part of the flow that the camera's own motion does not explain.

Flow is `(du, dv)` in pixels. A homography explains the flow of a turning camera, and that of one plane if it moves;
known depth and poses explain that of everything that is still.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float64

from fast_snow.engines.classical.neighbour_flow import apply_homography
from fast_snow.engines.classical.warping import Flow, pixel_grid
from fast_snow.types import DepthOrigin, Geometry, readonly

_CONFIDENT = 0.5


def relative_flow(flow: Flow, homography: Float64[np.ndarray, "3 3"], geometry: Geometry, a: int, b: int) -> Flow:
    """Return the flow less that which the camera's motion gives a still scene.

    Args:
        flow: from frame `a` to frame `b`, on the analysis grid.
        homography: what most of the image follows from `a` to `b`.
        geometry: depth and poses. Measured depth explains the flow where it is trusted and stays in front of the
            camera. Triangulated depth rests on few frames' flow: what either it or the homography explains is still.
        a: the frame the flow starts from.
        b: the frame it leads to.
    """
    h, w = flow.shape[:2]
    grid = pixel_grid(h, w)
    if geometry.origin not in (DepthOrigin.SENSOR, DepthOrigin.TRIANGULATED):
        return grid + flow - apply_homography(homography, grid)
    K_a, K_b = geometry.intrinsics[a], geometry.intrinsics[b]
    T_b_a = geometry.T_camera_world[b] @ np.linalg.inv(geometry.T_camera_world[a])
    return _relative(
        readonly(flow),
        readonly(geometry.depth[a]),
        readonly(geometry.confidence[a]),
        readonly(homography),
        readonly(K_b @ T_b_a[:3, :3] @ np.linalg.inv(K_a)),
        readonly(K_b @ T_b_a[:3, 3]),
        geometry.origin is DepthOrigin.TRIANGULATED,
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _relative(flow, depth, confidence, homography, turn, shift, nearer):
    height, width, _ = flow.shape
    out = np.empty((height, width, 2), np.float32)
    for v in range(height):
        for u in range(width):
            scale = 1.0 / (homography[2, 0] * u + homography[2, 1] * v + homography[2, 2])
            left_u = flow[v, u, 0] + u - (homography[0, 0] * u + homography[0, 1] * v + homography[0, 2]) * scale
            left_v = flow[v, u, 1] + v - (homography[1, 0] * u + homography[1, 1] * v + homography[1, 2]) * scale
            z = np.float64(depth[v, u])
            if 0.0 < z < np.inf and confidence[v, u] >= _CONFIDENT:
                ahead = z * (turn[2, 0] * u + turn[2, 1] * v + turn[2, 2]) + shift[2]
                if ahead > 0:
                    seen_u = (z * (turn[0, 0] * u + turn[0, 1] * v + turn[0, 2]) + shift[0]) / ahead
                    seen_v = (z * (turn[1, 0] * u + turn[1, 1] * v + turn[1, 2]) + shift[1]) / ahead
                    rigid_u, rigid_v = flow[v, u, 0] + u - seen_u, flow[v, u, 1] + v - seen_v
                    if not nearer or rigid_u**2 + rigid_v**2 < left_u**2 + left_v**2:
                        left_u, left_v = rigid_u, rigid_v
            out[v, u, 0], out[v, u, 1] = left_u, left_v
    return out
