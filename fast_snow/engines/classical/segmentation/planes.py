"""The large planes of a scene that things rest on or stand before: floor, walls, table tops.

Planes are found over all frames of a window together, so that every frame has the same ones.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from fast_snow.cameras import rays
from fast_snow.types import FrameGeometry, GridShape

Planes = Float64[np.ndarray, "p 4"]
"""Unit normal `n` and offset `d` of each plane in the world: `n · X + d = 0`."""

_CONFIDENT = 0.5
_ROWS, _COLUMNS = 24, 32  # points of a frame that planes are fitted to
_FRAMES = 20
_REACH = 6  # points between the corners of a hypothesis
_TRIALS = 300
_ROUNDS = 5
_MOST = 8
_NEAR = 2.0  # tolerances from a plane within which no other one is sought


def depth_map(geometry: FrameGeometry, shape: GridShape) -> Float32[np.ndarray, "h w"]:
    """Return the depth that can be trusted, on a coarser grid; 0 where there is none."""
    at = np.ix_(*_sampled(geometry, shape))
    depth, confidence = geometry.depth[at], geometry.confidence[at]
    return np.where(np.isfinite(depth) & (depth > 0) & (confidence >= _CONFIDENT), depth, np.float32(0.0))


def points_of(geometry: FrameGeometry, depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w 3"]:
    """Return the world point of each pixel of a coarser depth map."""
    v, u = _sampled(geometry, depth.shape)
    uv = np.stack(np.meshgrid(u, v), axis=-1).astype(np.float64)
    T_world_camera = np.linalg.inv(geometry.T_camera_world)
    return (rays(uv, geometry.intrinsics) * depth[..., None]) @ T_world_camera[:3, :3].T + T_world_camera[:3, 3]


def _sampled(geometry: FrameGeometry, shape: GridShape) -> tuple[Int64[np.ndarray, " h"], Int64[np.ndarray, " w"]]:
    """Return the rows and the columns of the analysis grid that a coarser grid takes."""
    rows, columns = (
        (2 * np.arange(n) + 1) * size // (2 * n) for n, size in zip(shape, geometry.depth.shape, strict=True)
    )
    return rows, columns


def fit_planes(frames: Sequence[FrameGeometry], *, tolerance: float, least_share: float, seed: int) -> Planes:
    """Find the planes that many points lie on, the largest first.

    Args:
        frames: of one window.
        tolerance: distance from a plane, relative to a point's depth, up to which a point of median depth lies on it; of
            others in proportion to their depth, as the errors of depth grow with its square.
        least_share: of all points on the smallest plane.
        seed: of the random sampling.

    Returns:
        The planes; none where the depth shows none.

    Reference:
        M. Fischler, R. Bolles. Random Sample Consensus. CACM 24(6), 1981.
    """
    picked = frames[:: -(-len(frames) // _FRAMES)]
    depth = np.stack([depth_map(each, (_ROWS, _COLUMNS)) for each in picked])
    points = np.stack([points_of(each, d) for each, d in zip(picked, depth, strict=True)])
    if not depth.any():
        return np.zeros((0, 4))
    error = (tolerance * depth / np.median(depth[depth > 0])).astype(np.float32)
    left, rng, planes = depth > 0, np.random.default_rng(seed), []
    least = least_share * left.size
    while len(planes) < _MOST and np.count_nonzero(left) >= least:
        plane = _largest(points, depth, left, error, rng)
        distance = np.abs(points @ plane[:3] + plane[3])
        if np.count_nonzero(left & (distance < error * depth)) < least:
            break
        planes.append(plane)
        left &= distance > _NEAR * error * depth
    return np.array(planes).reshape(-1, 4)


def _largest(
    points: Float64[np.ndarray, "n h w 3"],
    depth: Float32[np.ndarray, "n h w"],
    left: Bool[np.ndarray, "n h w"],
    tolerance: Float32[np.ndarray, "n h w"],
    rng: np.random.Generator,
) -> Float64[np.ndarray, "4"]:
    """Return the plane that most points lie on, of many through three points of one frame near each other."""
    corner = _corners(left, rng)
    a, b, c = (points[tuple(each)] for each in corner)
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal /= np.where(length > 0, length, 1.0)
    candidates = np.concatenate(
        [normal, np.where(length > 0, -(normal * a).sum(axis=1, keepdims=True), np.inf)], axis=1
    )
    X, z, tolerance = points[left], depth[left], tolerance[left]
    near = np.abs(X @ candidates[:, :3].T + candidates[:, 3]) < (tolerance * z)[:, None]
    plane = candidates[near.sum(axis=0).argmax()]
    for _ in range(_ROUNDS):
        on = np.abs(X @ plane[:3] + plane[3]) < tolerance * z
        if np.count_nonzero(on) < 3:
            break
        weight = 1.0 / z[on] ** 2
        centre = (X[on] * weight[:, None]).sum(axis=0) / weight.sum()
        spread = (X[on] - centre) * np.sqrt(weight)[:, None]
        n = np.linalg.eigh(spread.T @ spread)[1][:, 0]
        plane = np.append(n, -n @ centre)
    return plane


def _corners(left: Bool[np.ndarray, "n h w"], rng: np.random.Generator) -> Int64[np.ndarray, "3 3 t"]:
    """Draw three points of one frame for each trial; trials with a point that cannot be used are left out."""
    first = np.array(np.nonzero(left))[:, rng.integers(0, np.count_nonzero(left), _TRIALS)]
    corner = np.stack([first] * 3)
    corner[1:, 1:] += rng.integers(-_REACH, _REACH + 1, (2, 2, _TRIALS))
    size = np.array(left.shape)[None, :, None]
    usable = ((corner >= 0) & (corner < size)).all(axis=(0, 1))
    corner = np.minimum(np.maximum(corner, 0), size - 1)
    usable &= left[tuple(corner.transpose(1, 0, 2))].all(axis=0)
    return corner[:, :, usable] if usable.any() else corner[:, :, :1]


def clearance(
    points: Float64[np.ndarray, "h w 3"], depth: Float32[np.ndarray, "h w"], planes: Planes
) -> Float32[np.ndarray, "h w"]:
    """Return how far each point is from the nearest plane, relative to its depth; 0 where there is no depth or plane."""
    typical = np.median(depth[depth > 0]) if depth.any() else 1.0
    if not len(planes):
        return np.zeros_like(depth)
    distance = np.abs(points @ planes[:, :3].T + planes[:, 3]).min(axis=-1)
    return np.where(depth > 0, distance * typical / np.maximum(depth, 1e-9) ** 2, 0.0).astype(np.float32)


def standing(
    clearance: Float32[np.ndarray, "h w"], depth: Float32[np.ndarray, "h w"], tolerance: float
) -> Float32[np.ndarray, "h w"]:
    """Return the evidence in [-1, 1] that each pixel stands out from the planes; 0 where there is no depth."""
    return np.where(depth > 0, np.clip((clearance - tolerance) / tolerance, -1.0, 1.0), 0.0).astype(np.float32)
