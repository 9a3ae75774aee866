"""Where objects are in the world: statistics of the back-projected pixels of masks, without a point cloud."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.errors import InputError
from fast_snow.types import Masks, ObjectStatistics, readonly


def object_statistics(
    masks: Masks,
    depth: Float32[np.ndarray, "h w"],
    confidence: Float32[np.ndarray, "h w"],
    intrinsics: Float64[np.ndarray, "3 3"],
    T_camera_world: Float64[np.ndarray, "4 4"],
    *,
    conf_thresh: float,
) -> ObjectStatistics:
    """Measure count, mean, population sigma, minimum and maximum of each object's world points.

    A pixel `(u, v)` of depth `d` is the point `T_world_camera · (d · K⁻¹ · [u, v, 1]ᵀ)`. Pixels whose confidence is
    below `conf_thresh` or NaN, or whose depth is not finite or not positive, are dropped.

    Args:
        masks: `m` masks on the grid of `depth`.
        depth: along the optical axis.
        confidence: in [0, 1].
        intrinsics: K, refers to the grid of `depth`; skew is allowed.
        T_camera_world: world-to-camera pose.
        conf_thresh: least confidence of a pixel that counts.

    Returns:
        Statistics per world axis, in the unit of `depth`.

    Raises:
        InputError: if the masks are on another grid than the depth.

    Reference:
        SNOW, arXiv 2512.16461, section 3: c and s of a STEP token.
    """
    if masks.shape != depth.shape:
        raise InputError(f"masks: got a grid of {masks.shape}, expected that of the depth, {depth.shape}; resize them")
    rotation = T_camera_world[:3, :3].T
    translation = -rotation @ T_camera_world[:3, 3]
    rays = readonly(rotation @ np.linalg.inv(intrinsics))
    count, mean, sigma, low, high = _statistics(
        masks.start,
        masks.stop,
        masks.offset,
        readonly(depth).reshape(-1),
        readonly(confidence).reshape(-1),
        depth.shape[1],
        rays,
        np.float32(conf_thresh),
    )
    return ObjectStatistics(
        count=count, mean=mean + translation, sigma=sigma, low=low + translation, high=high + translation
    )


@numba.njit(cache=True, nogil=True)
@no_type_check
def _statistics(start, stop, offset, depth, confidence, width, rays, conf_thresh):
    m = len(offset) - 1
    count = np.zeros(m, np.int32)
    mean = np.full((m, 3), np.nan)
    sigma = np.full((m, 3), np.nan)
    low = np.full((m, 3), np.nan)
    high = np.full((m, 3), np.nan)
    for mask in range(m):
        total, squares = np.zeros(3), np.zeros(3)
        least, most = np.full(3, np.inf), np.full(3, -np.inf)
        n = 0
        for run in range(offset[mask], offset[mask + 1]):
            v = start[run] // width
            for pixel in range(start[run], stop[run]):
                d = depth[pixel]
                if confidence[pixel] >= conf_thresh and d > 0 and d < np.inf:
                    n += 1
                    for axis in range(3):
                        p = d * (rays[axis, 0] * (pixel - v * width) + rays[axis, 1] * v + rays[axis, 2])
                        total[axis] += p
                        squares[axis] += p * p
                        least[axis] = min(least[axis], p)
                        most[axis] = max(most[axis], p)
        count[mask] = n
        if n > 0:
            mean[mask] = total / n
            sigma[mask] = np.sqrt(np.maximum(squares / n - mean[mask] ** 2, 0.0))
            low[mask] = least
            high[mask] = most
    return count, mean, sigma, low, high
