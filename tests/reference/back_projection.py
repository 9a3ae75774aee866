"""Back-projection and object statistics by plain NumPy in float64."""

import numpy as np

from fast_snow.types import ObjectStatistics


def back_project(depth: np.ndarray, intrinsics: np.ndarray, T_camera_world: np.ndarray) -> np.ndarray:
    """Return the world point of every pixel, shape `(h, w, 3)`."""
    v, u = np.indices(depth.shape)
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).astype(np.float64)
    camera = depth[..., None].astype(np.float64) * (pixels @ np.linalg.inv(intrinsics).T)
    T_world_camera = np.linalg.inv(T_camera_world)
    return camera @ T_world_camera[:3, :3].T + T_world_camera[:3, 3]


def object_statistics(
    dense: np.ndarray,
    depth: np.ndarray,
    confidence: np.ndarray,
    intrinsics: np.ndarray,
    T_camera_world: np.ndarray,
    *,
    conf_thresh: float,
) -> ObjectStatistics:
    """Back-project once, then measure the points of each mask."""
    usable = (confidence >= np.float32(conf_thresh)) & np.isfinite(depth) & (depth > 0)
    points = back_project(np.where(usable, depth, 1), intrinsics, T_camera_world)
    count = np.zeros(len(dense), np.int32)
    mean, sigma, low, high = (np.full((len(dense), 3), np.nan) for _ in range(4))
    for index, mask in enumerate(dense):
        inside = points[mask & usable]
        count[index] = len(inside)
        if len(inside):
            mean[index], sigma[index] = inside.mean(axis=0), inside.std(axis=0)
            low[index], high[index] = inside.min(axis=0), inside.max(axis=0)
    return ObjectStatistics(count=count, mean=mean, sigma=sigma, low=low, high=high)
