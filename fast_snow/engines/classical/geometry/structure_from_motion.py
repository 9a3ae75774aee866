"""Camera poses and focal length from tracked points: keyframes are adjusted together, other images resected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fast_snow.engines.classical.geometry.global_adjustment import Camera, Model, adjust, resect
from fast_snow.engines.classical.geometry.point_tracks import choose_keyframes
from fast_snow.types import GridShape, ReadOnlyArrays, TrackedPoints

Intrinsics = Float64[np.ndarray, "3 3"]

_KEYFRAME_MOTION = 0.03
"""In units of the longer side; the median motion of points from one keyframe to the next."""
_MIN_IMAGES = 30
"""Shorter clips are adjusted as a whole, in a second or two."""
_MAX_KEYFRAMES = 0.7
"""Of the images; where more would be keyframes, all are: the others would lose points and save little."""
_MIN_POINTS = 30
"""A pose that fewer points carry is chance: images of noise get a dozen."""
_GUESSED_FOCAL = 1.0
"""In units of the longer side: a field of view of 53 degrees, between that of phones and of surveillance cameras."""
GUESSED_FOCAL_SIGMA = 0.25
"""Of that, as a share: fields of view of 37 to 90 degrees lie within two of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reconstruction(ReadOnlyArrays):
    """A reconstruction of a static scene, up to a similarity.

    Attributes:
        registered: which images have a pose that rests on enough points.
        T_camera_world: world-to-camera poses; identity where there is none.
        intrinsics: one pinhole matrix for all images.
        points: in world coordinates.
    """

    registered: Bool[np.ndarray, " n"]
    T_camera_world: Float64[np.ndarray, "n 4 4"]
    intrinsics: Intrinsics
    points: Float64[np.ndarray, "p 3"]

    @property
    def typical_depth(self) -> Float64[np.ndarray, " n"]:
        """Median depth of the points in front of each registered camera; NaN where there are none."""
        depth = self.points @ self.T_camera_world[:, 2, :3].T + self.T_camera_world[:, 2, 3]
        in_front = np.where(depth > 0, depth, np.nan)
        seen = self.registered & np.isfinite(in_front).any(axis=0)
        typical = np.full(len(self.registered), np.nan)
        typical[seen] = np.nanmedian(in_front[:, seen], axis=0)
        return typical


def guessed_intrinsics(shape: GridShape) -> Intrinsics:
    """Return the pinhole matrix of a usual camera."""
    height, width = shape
    focal = _GUESSED_FOCAL * max(shape)
    return np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])


def reconstruct(
    points: Sequence[TrackedPoints], shape: GridShape, *, intrinsics: Intrinsics | None, seed: int
) -> Reconstruction | None:
    """Estimate the cameras of consecutive images from points tracked through them.

    Keyframes, chosen by how far points move, carry the global adjustment; every other image is placed by the points
    that it shares with them.

    Args:
        points: of each image.
        shape: height and width of the images.
        intrinsics: known pinhole matrix, kept as it is; None lets the focal length be estimated, from a usual one.
        seed: of the random samples; one seed, one result.

    Returns:
        The largest reconstruction; None where the images do not give one.
    """
    keyframes = _keyframes(points, shape)
    model = adjust({i: points[i] for i in keyframes}, _camera(shape, intrinsics), seed=seed)
    if model is None:
        return None
    registered, T_camera_world = _adjusted_poses(model, len(points))
    if not registered.any():
        return None
    camera = next(iter(model.cameras.values()))
    point_id, xyz = _points(model, points)
    for i in sorted(set(range(len(points))).difference(keyframes)):
        _, seen, known = np.intersect1d(points[i].point_id, point_id, assume_unique=True, return_indices=True)
        pose = resect(points[i].uv[seen], xyz[known], camera, min_points=_MIN_POINTS, seed=seed)
        registered[i] = pose is not None
        T_camera_world[i] = np.eye(4) if pose is None else pose
    K = camera.calibration_matrix()
    K[:2, 2] -= 0.5
    return Reconstruction(
        registered=registered,
        T_camera_world=T_camera_world,
        intrinsics=K if intrinsics is None else intrinsics,
        points=xyz,
    )


def _keyframes(points: Sequence[TrackedPoints], shape: GridShape) -> Sequence[int]:
    if len(points) < _MIN_IMAGES:
        return range(len(points))
    chosen = choose_keyframes(points, _KEYFRAME_MOTION * max(shape))
    return chosen if len(chosen) <= _MAX_KEYFRAMES * len(points) else range(len(points))


def _adjusted_poses(model: Model, num_images: int) -> tuple[Bool[np.ndarray, " n"], Float64[np.ndarray, "n 4 4"]]:
    """Return which images the adjustment placed on enough points, and their poses."""
    registered = np.zeros(num_images, dtype=bool)
    T_camera_world = np.tile(np.eye(4), (num_images, 1, 1))
    for image in model.images.values():
        if image.has_pose and image.num_points3D >= _MIN_POINTS:
            registered[int(image.name)] = True
            T_camera_world[int(image.name), :3] = image.cam_from_world().matrix()
    return registered, T_camera_world


def _points(
    model: Model, tracked: Sequence[TrackedPoints]
) -> tuple[Int64[np.ndarray, " p"], Float64[np.ndarray, "p 3"]]:
    """Return the ids of the model's points, ascending, and where they are."""
    xyz = {}
    for point in model.points3D.values():
        first = point.track.elements[0]
        image = int(model.images[first.image_id].name)
        xyz[int(tracked[image].point_id[first.point2D_idx])] = point.xyz
    point_id = np.array(sorted(xyz), dtype=np.int64)
    return point_id, np.array([xyz[k] for k in point_id.tolist()], dtype=np.float64).reshape(-1, 3)


def _camera(shape: GridShape, intrinsics: Intrinsics | None) -> Camera:
    height, width = shape
    K = guessed_intrinsics(shape) if intrinsics is None else intrinsics
    # COLMAP puts the origin at the corner of the first pixel, not at its centre.
    centre = [K[0, 2] + 0.5, K[1, 2] + 0.5]
    if intrinsics is None:
        return Camera(model="SIMPLE_PINHOLE", width=width, height=height, params=[K[0, 0], *centre])
    camera = Camera(model="PINHOLE", width=width, height=height, params=[K[0, 0], K[1, 1], *centre])
    camera.has_prior_focal_length = True
    return camera
