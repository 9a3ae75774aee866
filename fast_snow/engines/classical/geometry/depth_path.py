"""The camera's path where depth is measured: images placed by points of known depth, then adjusted together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from fast_snow.cameras import rescale, unproject
from fast_snow.engines.classical.geometry.depth_adjustment import CoarseDepth, Model, Sightings, adjust_to_depth
from fast_snow.engines.classical.geometry.depth_alignment import (
    coarse_intrinsics,
    coarse_inverse_depth,
    neighbours,
    smooth_inverse_depth,
)
from fast_snow.engines.classical.geometry.global_adjustment import MIN_POINTS, PLAUSIBLE_FOCAL, pinhole_camera, resect
from fast_snow.engines.classical.geometry.structure_from_motion import (
    Intrinsics,
    Reconstruction,
    guessed_intrinsics,
)
from fast_snow.types import GridShape, TrackedPoints

_MAX_KEYFRAMES = 40
"""Adjusted together; of longer windows every second, third … image."""
_GAPS = (1, 3)
"""Keyframes whose depth images are compared, by how many keyframes they are apart."""
_SMOOTH = 5
"""Pixels; a point whose surroundings of this size hold an edge of depth may be seen at either side of it."""


def reconstruct_with_depth(
    points: Sequence[TrackedPoints],
    depth: Float32[np.ndarray, "n h w"],
    shape: GridShape,
    *,
    intrinsics: Intrinsics | None,
    seed: int,
) -> Reconstruction | None:
    """Estimate the cameras of consecutive images whose depth is measured.

    Args:
        points: of each image.
        depth: of each image, registered to it, in metres; 0 where there is none.
        shape: height and width of the images the points are in.
        intrinsics: of those images, kept as they are; None lets the focal length be estimated, from a usual one.
        seed: of random samples.

    Returns:
        The reconstruction in metres; None where no two images can be placed.
    """
    K = guessed_intrinsics(shape) if intrinsics is None else intrinsics
    inverse_depth = [_at_points(each, measured, shape) for each, measured in zip(points, depth, strict=True)]
    start = _one_after_another(points, inverse_depth, K, shape, seed)
    placed = np.flatnonzero(start.registered)
    if len(placed) < 2:
        return None
    keyframes = placed[:: 1 + (len(placed) - 1) // _MAX_KEYFRAMES]
    seen, point_id = _sightings([points[i] for i in keyframes], [inverse_depth[i] for i in keyframes])
    if len(point_id) < MIN_POINTS:
        return None
    poses, xyz = start.T_camera_world[keyframes], start.points[point_id]
    model = Model(T_camera_world=poses, xyz=xyz, intrinsics=K)
    if intrinsics is None:
        model = _with_focal(model, seen, max(shape))
    model = adjust_to_depth(model, seen, _images(depth[keyframes], model.intrinsics, shape), with_focal=False)
    return _resected(points, start, model, keyframes, point_id, shape, seed)


def _at_points(points: TrackedPoints, depth: Float32[np.ndarray, "h w"], shape: GridShape) -> Float64[np.ndarray, " p"]:
    """Return the inverse depth that is measured at the points of one image; NaN where there is none."""
    scale = np.array(depth.shape[::-1]) / np.array(shape[::-1])
    pixel = np.rint((points.uv + 0.5) * scale - 0.5).astype(np.int64)
    u, v = np.clip(pixel, 0, np.array(depth.shape[::-1]) - 1).T
    return smooth_inverse_depth(depth, _SMOOTH)[v, u]


def _one_after_another(
    points: Sequence[TrackedPoints],
    inverse_depth: Sequence[Float64[np.ndarray, " _"]],
    K: Intrinsics,
    shape: GridShape,
    seed: int,
) -> Reconstruction:
    """Place each image by the points that earlier ones saw with their depth; `points` are by id, NaN where unknown."""
    camera = pinhole_camera(K, shape)
    xyz = np.full((1 + max((int(each.point_id.max(initial=0)) for each in points), default=0), 3), np.nan)
    registered, T_camera_world = np.zeros(len(points), dtype=bool), np.tile(np.eye(4), (len(points), 1, 1))
    for i, (each, rho) in enumerate(zip(points, inverse_depth, strict=True)):
        if registered.any():
            pose = resect(each, xyz, camera, seed=seed)
            if pose is None:
                continue
            T_camera_world[i] = pose
        new = np.isnan(xyz[each.point_id, 0]) & np.isfinite(rho)
        registered[i] = registered.any() or np.count_nonzero(new) >= MIN_POINTS
        T_world_camera = np.linalg.inv(T_camera_world[i])
        if registered[i]:
            uv = each.uv[new].astype(np.float64)
            xyz[each.point_id[new]] = unproject(uv, 1.0 / rho[new], K, T_world_camera)
    return Reconstruction(registered=registered, T_camera_world=T_camera_world, intrinsics=K, points=xyz)


def _sightings(
    points: Sequence[TrackedPoints], inverse_depth: Sequence[Float64[np.ndarray, " _"]]
) -> tuple[Sightings, Int64[np.ndarray, " p"]]:
    """Return where points are seen with their depth, of those that are so in two images or more, and their ids."""
    image = np.repeat(np.arange(len(points)), [len(each.point_id) for each in points])
    point_id, uv = np.concatenate([each.point_id for each in points]), np.concatenate([each.uv for each in points])
    rho = np.concatenate(inverse_depth)
    _, back, count = np.unique(point_id[np.isfinite(rho)], return_inverse=True, return_counts=True)
    kept = np.flatnonzero(np.isfinite(rho))[count[back] >= 2]
    known, point = np.unique(point_id[kept], return_inverse=True)
    return Sightings(image=image[kept], point=point, uv=uv[kept].astype(np.float64), inverse_depth=rho[kept]), known


def _with_focal(model: Model, seen: Sightings, side: int) -> Model:
    """Adjust the focal length too; where it leaves what cameras have, the guess was the better one."""
    adjusted = adjust_to_depth(model, seen, None, with_focal=True)
    low, high = PLAUSIBLE_FOCAL
    return adjusted if low <= adjusted.intrinsics[0, 0] / side <= high else model


def _images(depth: Float32[np.ndarray, "k h w"], K: Intrinsics, shape: GridShape) -> CoarseDepth:
    grid = (depth.shape[1], depth.shape[2])
    return CoarseDepth(
        inverse_depth=np.stack([coarse_inverse_depth(each) for each in depth]),
        intrinsics=coarse_intrinsics(rescale(K, shape, grid), grid),
        pairs=neighbours(len(depth), _GAPS),
    )


def _resected(
    points: Sequence[TrackedPoints],
    start: Reconstruction,
    model: Model,
    keyframes: Int64[np.ndarray, " k"],
    point_id: Int64[np.ndarray, " p"],
    shape: GridShape,
    seed: int,
) -> Reconstruction:
    """Place all other images by the adjusted points."""
    xyz = np.full_like(start.points, np.nan)
    xyz[point_id] = model.xyz
    registered, T_camera_world = np.zeros(len(points), dtype=bool), np.tile(np.eye(4), (len(points), 1, 1))
    registered[keyframes], T_camera_world[keyframes] = True, model.T_camera_world
    for i in np.setdiff1d(np.flatnonzero(start.registered), keyframes).tolist():
        pose = resect(points[i], xyz, pinhole_camera(model.intrinsics, shape), seed=seed)
        if pose is not None:
            registered[i], T_camera_world[i] = True, pose
    return Reconstruction(
        registered=registered, T_camera_world=T_camera_world, intrinsics=model.intrinsics, points=model.xyz
    )
