"""Camera poses and focal length from tracked points: keyframes are adjusted together, other images resected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from fast_snow.cameras import pinhole
from fast_snow.engines.classical.geometry.global_adjustment import (
    MIN_POINTS,
    Camera,
    Model,
    adjust,
    pinhole_camera,
    resect,
)
from fast_snow.point_matches import common
from fast_snow.types import GridShape, ReadOnlyArrays, TrackedPoints

Intrinsics = Float64[np.ndarray, "3 3"]

_KEYFRAME_MOTION = 0.03
"""In units of the longer side; the median motion of points from one keyframe to the next."""
_MIN_IMAGES = 30
"""Shorter clips are adjusted as a whole, in a second or two."""
_MAX_KEYFRAMES = 0.7
"""Of the images; where more would be keyframes, all are: the others would lose points and save little."""
_MIN_OVERLAP = 0.6
"""Of a keyframe's points are followed to the next one: three keyframes in a row share a third."""
_MIN_KEYFRAMES = 8
_MIN_MOTION = 1.0
"""Pixels; less is hardly more than the error of tracking."""
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
    focal = _GUESSED_FOCAL * max(shape)
    return pinhole(focal, focal, (shape[1] - 1) / 2, (shape[0] - 1) / 2)


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
    xyz = _points_by_id(model, points)
    for i in sorted(set(range(len(points))).difference(keyframes)):
        pose = resect(points[i], xyz, camera, seed=seed)
        if pose is not None:
            registered[i], T_camera_world[i] = True, pose
    K = camera.calibration_matrix()
    K[:2, 2] -= 0.5
    return Reconstruction(
        registered=registered,
        T_camera_world=T_camera_world,
        intrinsics=K if intrinsics is None else intrinsics,
        points=xyz[np.isfinite(xyz[:, 0])],
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
        if image.has_pose and image.num_points3D >= MIN_POINTS:
            registered[int(image.name)] = True
            T_camera_world[int(image.name), :3] = image.cam_from_world().matrix()
    return registered, T_camera_world


def _points_by_id(model: Model, tracked: Sequence[TrackedPoints]) -> Float64[np.ndarray, "ids 3"]:
    """Return where the model's points are, by their ids; NaN for those that it lacks."""
    xyz = np.full((1 + max(int(each.point_id.max(initial=0)) for each in tracked), 3), np.nan)
    for point in model.points3D.values():
        first = point.track.elements[0]
        image = int(model.images[first.image_id].name)
        xyz[tracked[image].point_id[first.point2D_idx]] = point.xyz
    return xyz


def _camera(shape: GridShape, intrinsics: Intrinsics | None) -> Camera:
    camera = pinhole_camera(guessed_intrinsics(shape) if intrinsics is None else intrinsics, shape)
    if intrinsics is None:
        focal, _, *centre = camera.params
        return Camera(model="SIMPLE_PINHOLE", width=shape[1], height=shape[0], params=[focal, *centre])
    camera.has_prior_focal_length = True
    return camera


def choose_keyframes(points: Sequence[TrackedPoints], motion: float) -> list[int]:
    """Choose images far enough apart for their points to be triangulated, and close enough to share them.

    The first and the last image are keyframes, and each one to which points moved by `motion` pixels (median) from the
    last keyframe or which is the first to miss more than 40 % of its points. `motion` is halved while there are fewer
    than eight.
    """
    if len(points) <= _MIN_KEYFRAMES:
        return list(range(len(points)))
    chosen = _apart(points, motion)
    while len(chosen) < _MIN_KEYFRAMES and motion >= 2 * _MIN_MOTION:
        motion /= 2
        chosen = _apart(points, motion)
    return chosen


def _apart(points: Sequence[TrackedPoints], motion: float) -> list[int]:
    chosen = [0]
    for i in range(1, len(points)):
        before, now = common(points[chosen[-1]], points[i])
        lost = len(before) <= _MIN_OVERLAP * len(points[chosen[-1]].point_id)
        if lost or i == len(points) - 1 or np.median(np.linalg.norm(now - before, axis=1)) >= motion:
            chosen.append(i)
    return chosen
