"""Adjustment of cameras and points to where points are seen and to what a depth sensor measures.

Bundle adjustment in which points are held to their measured depth and whole depth images to one another. pycolmap's
takes no depth, hence this small solver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation

from fast_snow.engines.classical.geometry.depth_alignment import errors
from fast_snow.types import ReadOnlyArrays

_ROUNDS = 15
_LEAST_STEP = 5e-4
"""Radians and metres; the adjustment ends when no camera is moved by more."""
_DAMPING = 1e-6
_LEAST_PIXEL = 0.1
_LEAST_SHARE = 1e-3
"""Least standard deviation of a place in pixels, and of inverse depth as a share of its median."""
_CUT = 2.0
"""Standard deviations from which an error counts ever less (Cauchy)."""

Errors = Float64[np.ndarray, "k 3"]
Normal = tuple[Float64[np.ndarray, "c c"], Float64[np.ndarray, " c"]]
"""Matrix and right-hand side of normal equations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sightings(ReadOnlyArrays):
    """Where points are seen, one row per image and point.

    Attributes:
        image: number of the image.
        point: number of the point.
        uv: in pixels.
        inverse_depth: measured along the optical axis.
    """

    image: Int64[np.ndarray, " k"]
    point: Int64[np.ndarray, " k"]
    uv: Float64[np.ndarray, "k 2"]
    inverse_depth: Float64[np.ndarray, " k"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoarseDepth(ReadOnlyArrays):
    """Coarse depth images that are to lie on one another.

    Attributes:
        inverse_depth: of each image; NaN where there is none.
        intrinsics: pinhole matrix of their grid.
        pairs: which images are compared.
    """

    inverse_depth: Float64[np.ndarray, "n h w"]
    intrinsics: Float64[np.ndarray, "3 3"]
    pairs: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model(ReadOnlyArrays):
    """Cameras and points.

    Attributes:
        T_camera_world: world-to-camera poses.
        xyz: of the points, in the world.
        intrinsics: one pinhole matrix for all images.
    """

    T_camera_world: Float64[np.ndarray, "n 4 4"]
    xyz: Float64[np.ndarray, "p 3"]
    intrinsics: Float64[np.ndarray, "3 3"]


def adjust_to_depth(start: Model, seen: Sightings, images: CoarseDepth | None, *, with_focal: bool) -> Model:
    """Minimise the errors of places in images, of the points' inverse depth, and of predicted inverse depth together.

    The standard deviation of each kind of error is taken from the errors themselves and large ones count little, so
    that edges of depth, lost points and things that move do not bend the path.

    Args:
        start: near the answer; its first camera stays where it is.
        seen: of the points; every camera sees some.
        images: of the same cameras; None compares none.
        with_focal: whether to adjust the focal length too.

    Returns:
        The adjusted cameras and points.
    """
    model = start
    for _ in range(_ROUNDS):
        cameras, points = _step(model, seen, images, with_focal)
        model = _moved(model, cameras, points, with_focal)
        if np.abs(cameras).max() < _LEAST_STEP:
            break
    return model


def _step(
    model: Model, seen: Sightings, images: CoarseDepth | None, with_focal: bool
) -> tuple[Float64[np.ndarray, " c"], Float64[np.ndarray, "p 3"]]:
    """Solve for the change of all cameras but the first (and of the focal length) and of the points."""
    n, p = len(model.T_camera_world), len(model.xyz)
    error, by_camera, by_point = _linearised(model, seen)
    weight = _weights(error, seen)
    weighted = by_point * weight[..., None]
    # 1. Points: one 3x3 block each; cameras: 6x6 and one for the focal length that all share.
    H_pp, g_p = np.zeros((p, 3, 3)), np.zeros((p, 3))
    np.add.at(H_pp, seen.point, np.einsum("kai,kaj->kij", by_point, weighted))
    np.add.at(g_p, seen.point, np.einsum("kai,ka->ki", weighted, error))
    H_pp += (_DAMPING * np.trace(H_pp, axis1=1, axis2=2) + 1e-12)[:, None, None] * np.eye(3)
    columns = 6 * seen.image[:, None] + np.arange(6)
    columns = np.column_stack([columns, np.full(len(columns), 6 * n)])
    H_cc, g_c = np.zeros((6 * n + 1, 6 * n + 1)), np.zeros(6 * n + 1)
    heavy = by_camera * weight[..., None]
    np.add.at(H_cc, (columns[:, :, None], columns[:, None, :]), np.einsum("kai,kaj->kij", by_camera, heavy))
    np.add.at(g_c, columns, np.einsum("kai,ka->ki", heavy, error))
    H_cp = np.zeros((6 * n + 1, p, 3))
    np.add.at(H_cp, (columns, seen.point[:, None]), np.einsum("kai,kaj->kij", by_camera, weighted))
    # 2. Depth images know cameras only.
    if images is not None:
        H, g = _from_images(model, images)
        H_cc[: 6 * n, : 6 * n] += H
        g_c[: 6 * n] += g
    # 3. The points eliminated (Schur complement), then solved for.
    inverse = np.linalg.inv(H_pp)
    reach = np.einsum("cpi,pij->cpj", H_cp, inverse).reshape(6 * n + 1, 3 * p)
    S = H_cc - reach @ H_cp.reshape(6 * n + 1, 3 * p).T
    free = np.arange(6, 6 * n + int(with_focal))
    S[free, free] += _DAMPING * np.diag(H_cc)[free] + 1e-12
    cameras = np.zeros(6 * n + 1)
    cameras[free] = np.linalg.solve(S[np.ix_(free, free)], (reach @ g_p.ravel() - g_c)[free])
    points = -np.einsum("pij,pj->pi", inverse, g_p + np.einsum("cpi,c->pi", H_cp, cameras))
    return cameras, points


def _linearised(
    model: Model, seen: Sightings
) -> tuple[Errors, Float64[np.ndarray, "k 3 7"], Float64[np.ndarray, "k 3 3"]]:
    """Return the errors in u, v and inverse depth, and their derivatives by camera and focal length, and by point."""
    T, K = model.T_camera_world[seen.image], model.intrinsics
    point = np.einsum("kij,kj->ki", T[:, :3, :3], model.xyz[seen.point]) + T[:, :3, 3]
    x, y, z = point[:, 0], point[:, 1], np.maximum(point[:, 2], 1e-6)
    places = np.column_stack([K[0, 0] * x / z, K[1, 1] * y / z])
    error = np.column_stack([places + K[:2, 2] - seen.uv, 1.0 / z - seen.inverse_depth])
    by_place = np.zeros((len(z), 3, 3))
    by_place[:, 0, 0], by_place[:, 0, 2] = K[0, 0] / z, -places[:, 0] / z
    by_place[:, 1, 1], by_place[:, 1, 2] = K[1, 1] / z, -places[:, 1] / z
    by_place[:, 2, 2] = -1.0 / z**2
    by_focal = np.column_stack([places, np.zeros(len(z))])[..., None]
    by_camera = np.concatenate([np.cross(point[:, None], by_place), by_place, by_focal], axis=2)
    return error, by_camera, by_place @ T[:, :3, :3]


def _weights(error: Errors, seen: Sightings) -> Errors:
    """Return what the square of each error counts."""
    least = _LEAST_SHARE * float(np.median(seen.inverse_depth))
    pixel, depth = np.linalg.norm(error[:, :2], axis=1), np.abs(error[:, 2])
    sigma = max(float(np.median(pixel)) / 1.1774, _LEAST_PIXEL)  # the median of a Rayleigh distribution
    by_place, by_depth = _cauchy(pixel, sigma), _cauchy(depth, max(_deviation(depth), least))
    return np.column_stack([by_place, by_place, by_depth])


def _deviation(error: Float64[np.ndarray, " k"]) -> float:
    """Return a standard deviation that outliers do not change."""
    return 1.4826 * float(np.median(np.abs(error)))


def _cauchy(error: Float64[np.ndarray, " k"], sigma: float) -> Float64[np.ndarray, " k"]:
    return 1.0 / (sigma**2 + (error / _CUT) ** 2)


def _from_images(model: Model, images: CoarseDepth) -> Normal:
    """Return the normal equations of predicted inverse depth."""
    n = len(model.T_camera_world)
    compared = [
        (a, b, *errors((images.inverse_depth[a], images.inverse_depth[b]), images.intrinsics, T_b_a))
        for a, b in images.pairs
        for T_b_a in [model.T_camera_world[b] @ np.linalg.inv(model.T_camera_world[a])]
    ]
    H, g = np.zeros((6 * n, 6 * n)), np.zeros(6 * n)
    together = np.concatenate([each[2] for each in compared]) if compared else np.zeros(0)
    if len(together) == 0:
        return H, g
    sigma = max(_deviation(together), _LEAST_SHARE * float(np.nanmedian(images.inverse_depth)))
    for a, b, error, slope in compared:
        weighted = slope * _cauchy(error, sigma)[:, None]
        columns = np.concatenate([6 * a + np.arange(6), 6 * b + np.arange(6)])
        H[np.ix_(columns, columns)] += slope.T @ weighted
        g[columns] += weighted.T @ error
    return H, g


def _moved(
    model: Model, cameras: Float64[np.ndarray, " c"], points: Float64[np.ndarray, "p 3"], with_focal: bool
) -> Model:
    """Turn and shift the cameras, each after its pose, and move the points."""
    change = cameras[:-1].reshape(-1, 6)
    T = np.tile(np.eye(4), (len(change), 1, 1))
    T[:, :3, :3] = Rotation.from_rotvec(change[:, :3]).as_matrix()
    T[:, :3, 3] = change[:, 3:]
    K = model.intrinsics.copy()
    if with_focal:
        K[[0, 1], [0, 1]] *= np.exp(cameras[-1])
    return replace(model, T_camera_world=T @ model.T_camera_world, xyz=model.xyz + points, intrinsics=K)
