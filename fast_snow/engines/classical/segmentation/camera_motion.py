"""The camera's own motion in the image, and flow that is found after it has been taken out.

Flow is `(du, dv)` in pixels. A homography explains the flow of a turning camera, and that of one plane if it moves.
"""

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from fast_snow.cameras import project, rays
from fast_snow.engines.classical.flow import flow_between
from fast_snow.engines.classical.warping import Flow, fetch, pixel_grid
from fast_snow.types import Geometry

Gray = UInt8[np.ndarray, "h w"]
Homography = Float64[np.ndarray, "3 3"]

_STEP = 4  # every so many-th pixel of the coarse flow is a correspondence
_INLIER = 1.0  # pixels of the coarse flow
_LARGEST_GAIN = 2.0
_LEAST_SIDE = 16
_CONFIDENT = 0.5


def camera_homography(gray_a: Gray, gray_b: Gray, seed: int) -> Homography:
    """Estimate the homography that most of the image follows from one frame to the next.

    Args:
        gray_a: the first frame.
        gray_b: the second frame.
        seed: of the random sampling.

    Returns:
        Maps pixels of the first frame to the second; the identity where no homography explains the flow.

    Reference:
        D. Barath et al. MAGSAC++, a Fast, Reliable and Accurate Robust Estimator. CVPR 2020.
    """
    h, w = gray_a.shape
    small = (max(1, w // 2), max(1, h // 2))
    flow = _coarse_flow(*(cv2.resize(each, small, interpolation=cv2.INTER_AREA) for each in (gray_a, gray_b)))
    start = pixel_grid(small[1], small[0])[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2)
    end = start + flow[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2)
    stays = ((end >= 0) & (end <= np.array(small) - 1)).all(axis=1)
    if stays.sum() < 4 * _STEP:
        return np.eye(3)
    how = cv2.UsacParams()
    how.score = cv2.SCORE_METHOD_MAGSAC
    how.threshold = _INLIER
    how.maxIterations = 2000
    how.randomGeneratorState = seed
    found, _ = cv2.findHomography(start[stays], end[stays], how)
    return _at_full_size(found, w / small[0], h / small[1])


def _coarse_flow(gray_a: Gray, gray_b: Gray) -> Flow:
    """Return the flow, searched from no shift or from the one at which the images correlate best: pans can be fast."""
    shape = gray_a.shape[::-1]
    if min(shape) < _LEAST_SIDE:
        return flow_between(gray_a, gray_b)
    window = cv2.createHanningWindow(shape, cv2.CV_32F)
    shift, _ = cv2.phaseCorrelate(gray_a.astype(np.float32), gray_b.astype(np.float32), window)
    starts = [np.array([[1, 0, u], [0, 1, v], [0, 0, 1.0]]) for u, v in ((0.0, 0.0), shift)]
    return stabilised_flow(gray_a, gray_b, min(starts, key=lambda start: _mismatch(gray_a, gray_b, start)))


def _mismatch(gray_a: Gray, gray_b: Gray, homography: Homography) -> float:
    moved = fetch(gray_b, apply_homography(homography, pixel_grid(*gray_a.shape)))
    return float(cv2.absdiff(gray_a, moved).mean())


def _at_full_size(found: Homography | None, scale_u: float, scale_v: float) -> Homography:
    if found is None or not np.isfinite(found).all():
        return np.eye(3)
    # Centres of coarse and full pixels differ by half a pixel of their difference in size.
    to_full = np.array([[scale_u, 0, (scale_u - 1) / 2], [0, scale_v, (scale_v - 1) / 2], [0, 0, 1.0]])
    full = to_full @ found @ np.linalg.inv(to_full)
    gain = np.linalg.det(full / full[2, 2]) if full[2, 2] else 0.0
    return full / full[2, 2] if 1 / _LARGEST_GAIN < gain < _LARGEST_GAIN else np.eye(3)


def homography_flow(homography: Homography, height: int, width: int) -> Flow:
    """Return the flow that a homography gives every pixel."""
    grid = pixel_grid(height, width)
    return apply_homography(homography, grid) - grid


def apply_homography(homography: Homography, points: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 2"]:
    """Return where a homography takes pixels."""
    return cv2.perspectiveTransform(points.reshape(1, -1, 2), homography).reshape(points.shape).astype(np.float32)


def stabilised_flow(gray_a: Gray, gray_b: Gray, homography: Homography) -> Flow:
    """Return the flow from `gray_a` to `gray_b`, searched after `gray_b` has been warped by the camera's homography.

    Dense search from coarse to fine loses small things that move far; most of that distance is the camera's.
    """
    h, w = gray_a.shape
    grid = pixel_grid(h, w)
    where = apply_homography(homography, grid)
    return apply_homography(homography, grid + flow_between(gray_a, fetch(gray_b, where))) - grid


def rigid_flow(geometry: Geometry, a: int, b: int, otherwise: Flow) -> Flow:
    """Return the flow that the camera's motion gives a still scene of known depth.

    Args:
        geometry: depth and poses.
        a: the frame the flow starts from.
        b: the frame it leads to.
        otherwise: the flow of pixels without trusted depth, or whose point is behind the second camera.

    Returns:
        Flow on the analysis grid.
    """
    h, w = geometry.grid
    depth = geometry.depth[a]
    known = np.isfinite(depth) & (depth > 0) & (geometry.confidence[a] >= _CONFIDENT)
    T_b_a = geometry.T_camera_world[b] @ np.linalg.inv(geometry.T_camera_world[a])
    grid = pixel_grid(h, w)
    point = rays(grid.astype(np.float64), geometry.intrinsics[a]) * np.where(known, depth, 1.0)[..., None]
    seen_at, ahead = project(point, geometry.intrinsics[b], T_b_a)
    known &= ahead > 0
    flow = seen_at - grid
    return np.where(known[..., None], flow, otherwise).astype(np.float32)
