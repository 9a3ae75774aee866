"""How well depth images lie on one another: the error of predicted inverse depth, and its derivatives by the cameras.

Inverse depth is linear in the pixels of a plane, so predicting it along its gradient is the point-to-plane distance of
iterated closest points, in a unit in which the noise of a depth sensor is the same near and far.

Reference: Chen and Medioni, Object modeling by registration of multiple range images, ICRA 1991.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.types import GridShape

Map = Float64[np.ndarray, "h w"]
_BLOCKS = 80
"""Along the longer side; one measurement each."""
_FLAT = 0.08
"""A square whose depth varies by more than this share holds an edge; noise of far depth alone makes half of it."""
_LEAST_MEASURED = 0.5
_NEAREST = 0.05
"""Metres in front of a camera."""


def smooth_inverse_depth(depth: Float32[np.ndarray, "h w"], size: int) -> Map:
    """Return the mean inverse depth in a square of `size` pixels; NaN where it holds an edge, or holes for the most."""
    square, measured = np.ones((size, size), np.uint8), depth > 0
    least = cv2.erode(np.where(measured, depth, np.float32(np.inf)), square)
    most = cv2.dilate(depth, square)
    share = cv2.blur(measured.astype(np.float64), (size, size))
    total = cv2.blur(np.where(measured, 1.0 / np.where(measured, depth, 1.0), 0.0).astype(np.float64), (size, size))
    smooth = (share > _LEAST_MEASURED) & (most / (1 + _FLAT) < least)
    return np.where(smooth, total / np.where(smooth, share, 1.0), np.nan)


def coarse_inverse_depth(depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "rows columns"]:
    """Return the smooth inverse depth of square blocks."""
    size = _block((depth.shape[0], depth.shape[1]))
    rows, columns = depth.shape[0] // size, depth.shape[1] // size
    return smooth_inverse_depth(depth, size)[size // 2 :: size, size // 2 :: size][:rows, :columns]


def coarse_intrinsics(K: Float64[np.ndarray, "3 3"], shape: GridShape) -> Float64[np.ndarray, "3 3"]:
    """Return the pinhole matrix of the blocks of an image of `shape`."""
    size = _block(shape)
    scaled = K.copy()
    scaled[:2] /= size
    scaled[:2, 2] = (K[:2, 2] + 0.5) / size - 0.5
    return scaled


def neighbours(count: int, gaps: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs of images that are compared, both ways."""
    return [(i, j) for i in range(count) for gap in gaps for j in (i - gap, i + gap) if 0 <= j < count]


def errors(
    inverse_depth: tuple[Map, Map], K: Float64[np.ndarray, "3 3"], T_b_a: Float64[np.ndarray, "4 4"]
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "k 12"]]:
    """Compare what image `a` predicts of the inverse depth in image `b` with what was measured there.

    Args:
        inverse_depth: of both images; NaN where there is none.
        K: pinhole matrix of both.
        T_b_a: from camera `a` to camera `b`.

    Returns:
        Predicted less measured inverse depth of each measurement of `a` that is seen in `b`; derivatives by a small
        turn and shift of camera `a`, then of camera `b`, each applied after its world-to-camera pose.
    """
    v, u = np.nonzero(np.isfinite(inverse_depth[0]))
    z = 1.0 / inverse_depth[0][v, u]
    point_a = np.column_stack([(u - K[0, 2]) / K[0, 0] * z, (v - K[1, 2]) / K[1, 1] * z, z])
    point_b = point_a @ T_b_a[:3, :3].T + T_b_a[:3, 3]
    in_front = point_b[:, 2] > _NEAREST
    point_a, point_b = point_a[in_front], point_b[in_front]
    uv = point_b[:, :2] / point_b[:, 2:] * [K[0, 0], K[1, 1]] + K[:2, 2]
    measured, slope = _along_gradient(inverse_depth[1], uv)
    error = 1.0 / point_b[:, 2] - measured
    known = np.isfinite(error)
    point_a, point_b, slope = point_a[known], point_b[known], slope[known]
    lateral = -slope * [K[0, 0], K[1, 1]] / point_b[:, 2:]
    along = -1.0 / point_b[:, 2] ** 2 - (lateral * point_b[:, :2]).sum(axis=1) / point_b[:, 2]
    by_b = np.column_stack([lateral, along])
    by_a = -by_b @ T_b_a[:3, :3]
    return error[known], np.column_stack([np.cross(point_a, by_a), by_a, np.cross(point_b, by_b), by_b])


def _along_gradient(
    values: Map, uv: Float64[np.ndarray, "k 2"]
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "k 2"]]:
    """Return values between pixels, from the nearest one along its gradient, and the gradient; NaN outside."""
    padded = np.pad(values, 2, constant_values=np.nan)
    nearest = np.clip(np.rint(uv).astype(np.int64), -1, np.array(values.shape[::-1]))
    u, v = nearest.T + 2
    slope = np.column_stack([padded[v, u + 1] - padded[v, u - 1], padded[v + 1, u] - padded[v - 1, u]]) / 2
    return padded[v, u] + (slope * (uv - nearest)).sum(axis=1), slope


def _block(shape: GridShape) -> int:
    return max(1, max(shape) // _BLOCKS)
