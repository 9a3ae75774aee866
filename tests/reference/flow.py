"""What optical flow's kernels compute, in plain NumPy."""

import numpy as np

from fast_snow.cameras import project, rays
from fast_snow.types import DepthOrigin, Geometry


def sampled(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Interpolate an image bilinearly at places inside it."""
    height, width = image.shape[:2]
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    p, q = (u - left)[..., None], (v - top)[..., None]
    upper = (1 - p) * image[top, left] + p * image[top, right]
    lower = (1 - p) * image[bottom, left] + p * image[bottom, right]
    return (1 - q) * upper + q * lower


def consistency(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return how far each pixel ends from its start after going there and back; infinite where it leaves."""
    height, width = forward.shape[:2]
    v, u = np.indices((height, width)) + forward.transpose(2, 0, 1)[::-1].astype(np.float64)
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    back = sampled(backward.astype(np.float64), np.where(inside, u, 0), np.where(inside, v, 0))
    return np.where(inside, np.linalg.norm(forward + back, axis=-1), np.inf)


def relative_flow(flow: np.ndarray, homography: np.ndarray, geometry: Geometry, a: int, b: int) -> np.ndarray:
    """Return the flow less that of a still scene."""
    height, width = flow.shape[:2]
    v, u = np.indices((height, width)).astype(np.float64)
    grid = np.stack([u, v], axis=-1)
    mapped = np.concatenate([grid, np.ones_like(grid[..., :1])], axis=-1) @ homography.T
    by_homography = grid + flow - mapped[..., :2] / mapped[..., 2:]
    if geometry.origin not in (DepthOrigin.SENSOR, DepthOrigin.TRIANGULATED):
        return by_homography
    depth = geometry.depth[a].astype(np.float64)
    known = np.isfinite(depth) & (depth > 0) & (geometry.confidence[a] >= 0.5)
    T_b_a = geometry.T_camera_world[b] @ np.linalg.inv(geometry.T_camera_world[a])
    points = rays(grid, geometry.intrinsics[a]) * np.where(known, depth, 1.0)[..., None]
    seen_at, ahead = project(points, geometry.intrinsics[b], T_b_a)
    by_depth = grid + flow - seen_at
    explains = known & (ahead > 0)
    if geometry.origin is DepthOrigin.TRIANGULATED:
        explains &= np.linalg.norm(by_depth, axis=-1) < np.linalg.norm(by_homography, axis=-1)
    return np.where(explains[..., None], by_depth, by_homography)
