"""Camera poses and focal length from tracked points (pycolmap's global mapper).

OpenCV has to be imported before pycolmap: in the other order OpenCV's PNG writer corrupts the heap
(docs/bugs/001-opencv-before-pycolmap.md).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2  # noqa: F401 (before pycolmap, see above)
import numpy as np
import pycolmap
from jaxtyping import Bool, Float64

from fast_snow.engines.classical.geometry.point_tracks import TrackedPoints
from fast_snow.types import GridShape, ReadOnlyArrays

Intrinsics = Float64[np.ndarray, "3 3"]

PAIR_GAPS = (1, 2, 4, 8)
"""Image pairs whose relative pose is estimated, by their distance in frames."""
_MIN_MATCHES = 30
_MIN_POINTS = 30
"""A pose that fewer points carry is chance: images of noise get a dozen."""
_MAX_EPIPOLAR_ERROR = 2.0
"""Pixels."""
_MAX_TRIALS = 300
"""Correspondences from tracking hold few outliers, so RANSAC needs few trials."""
_GUESSED_FOCAL = 1.0
"""In units of the longer side: a field of view of 53 degrees, between that of phones and of surveillance cameras."""
_PLAUSIBLE_FOCAL = (0.5, 1.6)
"""In units of the longer side. Small motions hardly tell the focal length, and a wild one bends the whole scene."""

_REFINING_ITERATIONS = 25

pycolmap.logging.minloglevel = int(pycolmap.logging.FATAL)


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
    points: Sequence[TrackedPoints],
    shape: GridShape,
    *,
    intrinsics: Intrinsics | None,
    seed: int,
) -> Reconstruction | None:
    """Estimate the cameras of consecutive images from points tracked through them.

    Args:
        points: of each image.
        shape: height and width of the images.
        intrinsics: known pinhole matrix, kept as it is; None lets the focal length be estimated, from a usual one.
        seed: of the random samples; one seed, one result, which is why the solver has one thread.

    Returns:
        The largest reconstruction; None where the images do not give one.

    Reference:
        Pan et al., Global structure-from-motion revisited (GLOMAP), ECCV 2024.
    """
    with tempfile.TemporaryDirectory(prefix="fast-snow-sfm-") as folder:
        database = Path(folder) / "database.db"
        if _write_database(database, points, shape, intrinsics, seed) == 0:
            return None
        models = pycolmap.global_mapping(database, folder, folder, _options(seed))
    if not models:
        return None
    largest = max(models.values(), key=lambda model: (model.num_reg_images(), model.num_points3D()))
    if intrinsics is None:
        largest = _with_refined_focal(largest, max(shape))
    found = _reconstruction(largest, len(points), intrinsics)
    return found if found.registered.any() else None


def _with_refined_focal(model: pycolmap.Reconstruction, longer_side: int) -> pycolmap.Reconstruction:
    """Adjust the focal length too; where it leaves what cameras have, the guess was the better one."""
    refined = pycolmap.Reconstruction(model)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = True
    options.print_summary = False
    config = pycolmap.BundleAdjustmentConfig()
    for image in refined.images.values():
        if image.has_pose:
            config.add_image(image.image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options.ceres.solver_options.max_num_iterations = _REFINING_ITERATIONS
    options.ceres.solver_options.num_threads = 1
    pycolmap.create_default_bundle_adjuster(options, config, refined).solve()
    low, high = (limit * longer_side for limit in _PLAUSIBLE_FOCAL)
    return refined if all(low <= each.focal_length <= high for each in refined.cameras.values()) else model


def _options(seed: int) -> pycolmap.GlobalPipelineOptions:
    options = pycolmap.GlobalPipelineOptions()
    mapper = options.mapper
    for part in (options, mapper, mapper.rotation_averaging, mapper.global_positioning, mapper.retriangulation):
        part.random_seed = seed
    options.num_threads = mapper.num_threads = 1
    mapper.bundle_adjustment.ceres.solver_options.num_threads = 1
    mapper.bundle_adjustment.refine_focal_length = False
    # Dense depth is triangulated from flow afterwards: a second pass over the sparse points would be spent on nothing.
    mapper.skip_retriangulation = True
    mapper.ba_num_iterations = 2
    return options


def _write_database(
    path: Path, points: Sequence[TrackedPoints], shape: GridShape, intrinsics: Intrinsics | None, seed: int
) -> int:
    """Store images, points and verified pairs; returns how many pairs there are."""
    database = pycolmap.Database.open(path)
    try:
        camera = _camera(shape, intrinsics)
        camera.camera_id = database.write_camera(camera)
        rig = pycolmap.Rig()
        rig.add_ref_sensor(camera.sensor_id)
        rig_id = database.write_rig(rig)
        image_ids = [_write_image(database, i, each, camera, rig_id) for i, each in enumerate(points)]
        pairs = 0
        for i in range(len(points)):
            for j in (i + gap for gap in PAIR_GAPS if i + gap < len(points)):
                pairs += _write_pair(database, camera, (points[i], points[j]), (image_ids[i], image_ids[j]), seed)
        return pairs
    finally:
        database.close()


def _camera(shape: GridShape, intrinsics: Intrinsics | None) -> pycolmap.Camera:
    height, width = shape
    K = guessed_intrinsics(shape) if intrinsics is None else intrinsics
    # COLMAP puts the origin at the corner of the first pixel, not at its centre.
    centre = [K[0, 2] + 0.5, K[1, 2] + 0.5]
    if intrinsics is None:
        return pycolmap.Camera(model="SIMPLE_PINHOLE", width=width, height=height, params=[K[0, 0], *centre])
    camera = pycolmap.Camera(model="PINHOLE", width=width, height=height, params=[K[0, 0], K[1, 1], *centre])
    camera.has_prior_focal_length = True
    return camera


def _write_image(
    database: pycolmap.Database, i: int, points: TrackedPoints, camera: pycolmap.Camera, rig_id: int
) -> int:
    image = pycolmap.Image(name=str(i), camera_id=camera.camera_id)
    image.image_id = database.write_image(image)
    frame = pycolmap.Frame()
    frame.rig_id = rig_id
    frame.add_data_id(image.data_id)
    database.write_frame(frame)
    database.write_keypoints(image.image_id, points.uv + 0.5)
    return int(image.image_id)


def _write_pair(
    database: pycolmap.Database,
    camera: pycolmap.Camera,
    points: tuple[TrackedPoints, TrackedPoints],
    image_ids: tuple[int, int],
    seed: int,
) -> bool:
    """Store a pair of images that see enough common points, with the relative pose that explains them."""
    a, b = points
    _, i, j = np.intersect1d(a.point_id, b.point_id, assume_unique=True, return_indices=True)
    if len(i) < _MIN_MATCHES:
        return False
    matches = np.stack([i, j], axis=1).astype(np.uint32)
    options = pycolmap.TwoViewGeometryOptions()
    options.detect_watermark = False
    options.ransac.random_seed = seed
    options.ransac.max_error = _MAX_EPIPOLAR_ERROR
    options.ransac.max_num_trials = _MAX_TRIALS
    options.ransac.min_num_trials = _MAX_TRIALS // 6
    geometry = pycolmap.estimate_two_view_geometry(camera, a.uv + 0.5, camera, b.uv + 0.5, matches, options)
    database.write_matches(*image_ids, matches)
    database.write_two_view_geometry(*image_ids, geometry)
    return len(geometry.inlier_matches) >= _MIN_MATCHES


def _reconstruction(model: pycolmap.Reconstruction, num_images: int, known: Intrinsics | None) -> Reconstruction:
    registered = np.zeros(num_images, dtype=bool)
    T_camera_world = np.tile(np.eye(4), (num_images, 1, 1))
    for image in model.images.values():
        if image.has_pose and image.num_points3D >= _MIN_POINTS:
            i = int(image.name)
            registered[i] = True
            T_camera_world[i, :3] = image.cam_from_world().matrix()
    camera = next(iter(model.cameras.values()))
    K = camera.calibration_matrix()
    K[:2, 2] -= 0.5
    points = np.array([point.xyz for point in model.points3D.values()], dtype=np.float64).reshape(-1, 3)
    return Reconstruction(
        registered=registered,
        T_camera_world=T_camera_world,
        intrinsics=K if known is None else known,
        points=points,
    )
