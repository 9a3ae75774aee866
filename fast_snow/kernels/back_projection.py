"""Where objects are in the world: statistics of the back-projected pixels of masks, without a point cloud.

A point is linear in `h = d · [x, y, 1]`, so its mean and covariance follow from the first and second moments of `h`,
which are summed in float64 along each run and need no pose. Only the extremes look at points, in float32.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Float64, Int32

from fast_snow.errors import InputError
from fast_snow.kernels.llvm import greatest, least
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.threads import over_masks
from fast_snow.types import GridShape, Masks, ObjectStatistics, readonly

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

FARTHEST = np.float32(np.finfo(np.float32).max)


def object_statistics(
    masks: Masks,
    depth: Float32[np.ndarray, "h w"],
    confidence: Float32[np.ndarray, "h w"],
    intrinsics: Float64[np.ndarray, "3 3"],
    T_camera_world: Float64[np.ndarray, "4 4"],
    *,
    conf_thresh: float,
    bounds: Float32[np.ndarray, "m 2"] | None = None,
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
        bounds: of each object, between which depths count, both excluded (`depth_range.depth_ranges`); all if omitted.

    Returns:
        Statistics per world axis, in the unit of `depth`.

    Raises:
        InputError: if the masks are on another grid than the depth.

    Reference:
        SNOW, arXiv 2512.16461, section 3: c and s of a STEP token.
    """
    if masks.shape != depth.shape:
        raise InputError(f"masks: got a grid of {masks.shape}, expected that of the depth, {depth.shape}; resize them")
    T_world_camera = np.linalg.inv(T_camera_world)  # not the transpose: ego is the inverse too
    rotation, translation = T_world_camera[:3, :3], T_world_camera[:3, 3]
    rays = _centred_rays(rotation, intrinsics, masks.shape)
    if bounds is None:
        bounds = np.tile(np.array([0, np.inf], np.float32), (len(masks), 1))
    count, moments, extremes = _sums(masks, depth, confidence, rays, np.float32(conf_thresh), bounds)
    mean, sigma = _mean_and_sigma(count, moments, rays)
    mean, low, high = (each + translation for each in (mean, extremes[:, :3], extremes[:, 3:]))
    return ObjectStatistics(count=count, mean=mean, sigma=sigma, low=low, high=high)


def _centred_rays(
    rotation: Float64[np.ndarray, "3 3"], intrinsics: Float64[np.ndarray, "3 3"], grid: GridShape
) -> Float64[np.ndarray, "3 3"]:
    """Return what turns pixels into rays, with columns and rows counted from the middle of the grid.

    Smaller numbers lose less in the moments.
    """
    height, width = grid
    to_middle = np.array([[1.0, 0.0, width // 2], [0.0, 1.0, height // 2], [0.0, 0.0, 1.0]])
    return readonly(rotation @ np.linalg.inv(intrinsics) @ to_middle)


def _sums(
    masks: Masks,
    depth: Float32[np.ndarray, "h w"],
    confidence: Float32[np.ndarray, "h w"],
    rays: Float64[np.ndarray, "3 3"],
    threshold: np.float32,
    bounds: Float32[np.ndarray, "m 2"],
) -> tuple[Int32[np.ndarray, " m"], Float64[np.ndarray, "m 9"], Float32[np.ndarray, "m 6"]]:
    """Return, per mask, how many pixels count, the moments of `h`, and the least and greatest points."""
    height, width = masks.shape
    count = np.zeros(len(masks), np.int32)
    moments = np.zeros((len(masks), 9))
    extremes = np.full((len(masks), 6), np.nan, np.float32)
    runs = masks.start, masks.stop, masks.offset
    pixels = readonly(depth).reshape(-1), readonly(confidence).reshape(-1)

    def measure(first: int, last: int) -> None:
        _measure(*runs, first, last, *pixels, height, width, rays, threshold, bounds, count, moments, extremes)

    over_masks(measure, area(masks).astype(np.int64))
    return count, moments, extremes


def _mean_and_sigma(
    count: Int32[np.ndarray, " m"], moments: Float64[np.ndarray, "m 9"], rays: Float64[np.ndarray, "3 3"]
) -> tuple[Float64[np.ndarray, "m 3"], Float64[np.ndarray, "m 3"]]:
    """Turn moments of `h = d · [x, y, 1]` into mean and sigma of the points `rays · h`, NaN where there are none."""
    mean_moments = moments / np.where(count > 0, count, np.nan)[:, None]
    dx, dy, d, xx, xy, x, yy, y, one = mean_moments.T
    first = np.stack([dx, dy, d], axis=1)
    second = np.stack([xx, xy, x, xy, yy, y, x, y, one], axis=1).reshape(-1, 3, 3)
    covariance = second - first[:, :, None] * first[:, None, :]
    variance = np.einsum("ai,mij,aj->ma", rays, covariance, rays)
    return first @ rays.T, np.sqrt(np.maximum(variance, 0.0))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _measure(
    start,
    stop,
    offset,
    first,
    last,
    depth,
    confidence,
    height,
    width,
    rays,
    threshold,
    bounds,
    count,
    moments,
    extremes,
):
    """Add up the runs of masks `first:last`."""
    step = np.float32(rays[0, 0]), np.float32(rays[1, 0]), np.float32(rays[2, 0])
    low, high = np.empty(3, np.float32), np.empty(3, np.float32)
    for mask in range(first, last):
        total = moments[mask]
        for axis in range(3):
            low[axis], high[axis] = FARTHEST, -FARTHEST
        for run in range(offset[mask], offset[mask + 1]):
            v = start[run] // width
            x = np.float32(start[run] - v * width - width // 2)
            y = v - height // 2
            ray = (
                np.float32(rays[0, 1] * y + rays[0, 2]),
                np.float32(rays[1, 1] * y + rays[1, 2]),
                np.float32(rays[2, 1] * y + rays[2, 2]),
            )
            pixels = slice(start[run], stop[run])
            limits = threshold, bounds[mask, 0], bounds[mask, 1]
            n, sums, near, far = _measure_run(depth[pixels], confidence[pixels], limits, x, ray, step)
            count[mask] += n
            _add_row(total, sums, y)
            for axis in range(3):
                low[axis] = min(low[axis], near[axis])
                high[axis] = max(high[axis], far[axis])
        for axis in range(3 if count[mask] > 0 else 0):  # to assign slices takes Numba three seconds to compile
            extremes[mask, axis], extremes[mask, 3 + axis] = low[axis], high[axis]


@numba.njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _add_row(total, sums, y):
    """Add the sums of one run of row `y` to the moments of `h = d · [x, y, 1]`."""
    d, dx, dd, ddx, ddxx = sums
    total[0] += dx
    total[1] += d * y
    total[2] += d
    total[3] += ddxx
    total[4] += ddx * y
    total[5] += ddx
    total[6] += dd * y * y
    total[7] += dd * y
    total[8] += dd


@numba.njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _usable(depth, confidence, limits):
    return (confidence >= limits[0]) & (depth > limits[1]) & (depth < limits[2])


# Sums may be reassociated into SIMD lanes: in float64 that moves them by parts in 1e16. Never promise that there is no
# NaN here (`nnan`, `fast`): Numba hands the promise on to `_usable`, which then lets NaN through (tried).
@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
@no_type_check
def _measure_run(depth, confidence, limits, x, ray, step):
    """Measure the pixels of one run: how many count, sums of d, dx, d², d²x and d²x², least and greatest points."""
    n = np.int32(0)
    d_sum = dx_sum = dd_sum = ddx_sum = ddxx_sum = 0.0
    x_low = y_low = z_low = FARTHEST
    x_high = y_high = z_high = -FARTHEST
    for i in range(len(depth)):
        usable = _usable(depth[i], confidence[i], limits)
        d = depth[i] if usable else np.float32(0)
        column = np.float32(np.int32(i)) + x
        n += np.int32(usable)
        wide_d = np.float64(d)
        dx = wide_d * np.float64(column)
        d_sum += wide_d
        dx_sum += dx
        dd_sum += wide_d * wide_d
        ddx_sum += wide_d * dx
        ddxx_sum += dx * dx
        p = d * (ray[0] + step[0] * column)
        x_low = least(x_low, p if usable else FARTHEST)
        x_high = greatest(x_high, p if usable else -FARTHEST)
        p = d * (ray[1] + step[1] * column)
        y_low = least(y_low, p if usable else FARTHEST)
        y_high = greatest(y_high, p if usable else -FARTHEST)
        p = d * (ray[2] + step[2] * column)
        z_low = least(z_low, p if usable else FARTHEST)
        z_high = greatest(z_high, p if usable else -FARTHEST)
    sums = d_sum, dx_sum, dd_sum, ddx_sum, ddxx_sum
    return n, sums, (x_low, y_low, z_low), (x_high, y_high, z_high)
