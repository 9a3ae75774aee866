"""The camera's path: given, reconstructed, or turning in place."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.spatial.transform import Rotation, Slerp

from fast_snow.background import contradicts
from fast_snow.config import ClassicalGeometryConfig
from fast_snow.engines.classical.geometry.depth_path import reconstruct_with_depth
from fast_snow.engines.classical.geometry.ground_plane import rotations
from fast_snow.engines.classical.geometry.structure_from_motion import (
    Reconstruction,
    guessed_intrinsics,
    reconstruct,
)
from fast_snow.errors import FastSnowWarning
from fast_snow.point_matches import Pair, common
from fast_snow.types import GridShape, ReadOnlyArrays, TrackedPoints

Poses = Float64[np.ndarray, "n 4 4"]

_STILL = 1.0
"""Pixels; where points move less over the span the camera is at rest."""
_LEAST_SHARED = 30
"""Points that neighbouring images share; fewer do not show that the camera is at rest."""
_MAX_CONTRADICTED = 0.1
"""Of the steps may be contradicted by the points; a path that is by more is that of something else."""
_SPAN = 8
"""Frames over which the motion of points is measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraPath(ReadOnlyArrays):
    """Cameras of consecutive images.

    Attributes:
        T_camera_world: world-to-camera poses.
        intrinsics: one pinhole matrix for all images.
        typical_depth: of each image's static points, in the unit of the poses; NaN where it is not known.
    """

    T_camera_world: Poses
    intrinsics: Float64[np.ndarray, "3 3"]
    typical_depth: Float64[np.ndarray, " n"]

    def moves(self, min_baseline: float) -> bool:
        """Tell whether two cameras are at least `min_baseline` typical depths apart."""
        centre = -np.einsum("nji,nj->ni", self.T_camera_world[:, :3, :3], self.T_camera_world[:, :3, 3])
        reach = np.linalg.norm(centre - centre[0], axis=1).max()
        known = self.typical_depth[np.isfinite(self.typical_depth)]
        return len(known) > 0 and bool(reach >= min_baseline * np.median(known))

    def fits(self, points: Sequence[TrackedPoints], most: float = _MAX_CONTRADICTED) -> bool:
        """Tell whether most of the points that neighbouring images share confirm the path, but for a few steps."""
        T = self.T_camera_world
        wrong = [
            contradicts(self.intrinsics, T[i + 1] @ np.linalg.inv(T[i]), *pair)
            for i, pair in enumerate(neighbours(points))
        ]
        return sum(wrong) <= most * len(wrong)


def reconstructed_path(
    points: Sequence[TrackedPoints],
    shape: GridShape,
    config: ClassicalGeometryConfig,
    *,
    intrinsics: Float64[np.ndarray, "3 3"] | None,
    seed: int,
) -> CameraPath | None:
    """Reconstruct the path from tracked points.

    Args:
        points: of each image.
        shape: height and width of the images the points are in.
        config: how much of the clip has to be placed, and how far the camera has to move.
        intrinsics: of those images, where they are known.
        seed: of random samples.

    Returns:
        The path, in any unit; None where the camera does not move enough for one.

    Warns:
        FastSnowWarning: some frames could not be placed and were interpolated.
    """
    if _at_rest(points):
        return None
    model = reconstruct(points, shape, intrinsics=intrinsics, seed=seed)
    path = None if model is None else _complete(model, config)
    return path if path is not None and path.moves(config.min_baseline) else None


def measured_path(
    points: Sequence[TrackedPoints],
    depth: Float32[np.ndarray, "n h w"],
    shape: GridShape,
    config: ClassicalGeometryConfig,
    *,
    intrinsics: Float64[np.ndarray, "3 3"] | None,
    seed: int,
) -> CameraPath:
    """Estimate the path from tracked points whose depth is measured.

    Args:
        points: of each image.
        depth: of each image, in metres; 0 where there is none.
        shape: height and width of the images the points are in.
        config: how much of the clip has to be placed.
        intrinsics: of those images, where they are known.
        seed: of random samples.

    Returns:
        The path in metres; one that only turns where none is found.

    Warns:
        FastSnowWarning: some frames could not be placed and were interpolated, or too few could be.
    """
    matches = neighbours(points)
    if min((len(before) for before, _ in matches), default=0) >= _LEAST_SHARED and _at_rest(points):
        return turning_path(matches, shape, intrinsics)
    model = reconstruct_with_depth(points, depth, shape, intrinsics=intrinsics, seed=seed)
    path = None if model is None else _complete(model, config)
    if path is None:
        warnings.warn("camera tracking failed: assuming a static camera", FastSnowWarning, stacklevel=2)
        return turning_path(matches, shape, intrinsics)
    return path


def _complete(model: Reconstruction, config: ClassicalGeometryConfig) -> CameraPath | None:
    """Return the path of a reconstruction, gaps filled; None where too few frames are placed."""
    missing, count = int(np.count_nonzero(~model.registered)), len(model.registered)
    if count - missing < config.min_registered * count:
        return None
    if missing:
        warnings.warn(
            f"structure from motion registered {count - missing} of {count} frames; the poses of the others are"
            " interpolated",
            FastSnowWarning,
            stacklevel=3,
        )
    return CameraPath(
        T_camera_world=_interpolated(model.T_camera_world, model.registered),
        intrinsics=model.intrinsics,
        typical_depth=model.typical_depth,
    )


def turning_path(
    matches: Sequence[Pair], shape: GridShape, intrinsics: Float64[np.ndarray, "3 3"] | None
) -> CameraPath:
    """Return the path of a camera that only turns, from points that each image shares with the next."""
    K = guessed_intrinsics(shape) if intrinsics is None else intrinsics
    T_camera_world = np.tile(np.eye(4), (len(matches) + 1, 1, 1))
    T_camera_world[:, :3, :3] = rotations(matches, K)
    return CameraPath(T_camera_world=T_camera_world, intrinsics=K, typical_depth=np.full(len(T_camera_world), np.nan))


def neighbours(points: Sequence[TrackedPoints]) -> list[Pair]:
    """Return the points that each image shares with the next, in either."""
    return [common(*pair) for pair in pairwise(points)]


def given_path(
    points: Sequence[TrackedPoints], T_camera_world: Poses, intrinsics: Float64[np.ndarray, "3 3"], max_gap: int
) -> CameraPath:
    """Return a known path with the typical depth that the tracked points have under it."""
    typical = np.array([_typical_depth(points, T_camera_world, intrinsics, i, max_gap) for i in range(len(points))])
    return CameraPath(T_camera_world=T_camera_world, intrinsics=intrinsics, typical_depth=typical)


def _at_rest(points: Sequence[TrackedPoints]) -> bool:
    """Tell whether points hardly move over the clip: most of those seen first and last in a stretch stay put."""
    moved = [0.0]
    for i in range(len(points)):
        a, b = common(points[i], points[min(i + _SPAN, len(points) - 1)])
        if len(a) > 0:
            moved.append(float(np.median(np.linalg.norm(b - a, axis=1))))
    return max(moved) < _STILL


def _interpolated(T_camera_world: Poses, known: Bool[np.ndarray, " n"]) -> Poses:
    """Fill unknown poses between known ones; before the first and after the last the camera stands still."""
    if known.all():
        return T_camera_world
    t, at = np.arange(len(known)), np.flatnonzero(known)
    T_world_camera = np.linalg.inv(T_camera_world)
    filled = np.tile(np.eye(4), (len(known), 1, 1))
    clipped = np.clip(t, at[0], at[-1])
    filled[:, :3, :3] = Slerp(at, Rotation.from_matrix(T_world_camera[at, :3, :3]))(clipped).as_matrix()
    for axis in range(3):
        filled[:, axis, 3] = np.interp(t, at, T_world_camera[at, axis, 3])
    return np.linalg.inv(filled)


def _typical_depth(
    points: Sequence[TrackedPoints], T_camera_world: Poses, K: Float64[np.ndarray, "3 3"], i: int, max_gap: int
) -> float:
    """Triangulate the points that image `i` shares with the furthest image within reach; NaN where there are none."""
    j = min(i + max_gap, len(points) - 1) if i < len(points) // 2 else max(i - max_gap, 0)
    seen, seen_again = common(points[i], points[j])
    T = T_camera_world[j] @ np.linalg.inv(T_camera_world[i])
    a = np.column_stack([seen, np.ones(len(seen))]) @ (K @ T[:3, :3] @ np.linalg.inv(K)).T
    b = K @ T[:3, 3]
    p = b[:2] - seen_again * b[2]
    q = seen_again * a[:, 2:] - a[:, :2]
    rho = (p * q).sum(axis=1) / np.maximum((p * p).sum(axis=1), 1e-12)
    return float(1.0 / np.median(rho[rho > 0])) if (rho > 0).any() else float("nan")
