"""What pycolmap solves: images together (its global mapper), and one image by points of known position.

OpenCV has to be imported before pycolmap: in the other order OpenCV's PNG writer corrupts the heap
(docs/bugs/001-opencv-before-pycolmap.md).
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2  # noqa: F401 (before pycolmap, see above)
import numpy as np
import pycolmap
from jaxtyping import Float64

from fast_snow.types import GridShape, TrackedPoints

Camera = pycolmap.Camera
Model = pycolmap.Reconstruction

_PAIR_GAPS = (1, 2, 4, 8)
"""Image pairs whose relative pose is estimated, by how many images they are apart."""
_MAX_ERROR = 2.0
"""Pixels, from an epipolar line or from where a point is seen."""
_MAX_TRIALS = 300
"""Correspondences from tracking hold few outliers, so RANSAC needs few trials."""
PLAUSIBLE_FOCAL = (0.5, 1.6)
"""In units of the longer side. Small motions hardly tell the focal length, and a wild one bends the whole scene."""
_REFINING_ITERATIONS = 25
MIN_POINTS = 30
"""A pose that fewer points carry is chance: images of noise get a dozen."""

pycolmap.logging.minloglevel = int(pycolmap.logging.FATAL)


def adjust(points: Mapping[int, TrackedPoints], camera: Camera, *, seed: int) -> Model | None:
    """Solve for the poses of images and the points that at least three of them share.

    Args:
        points: of each image, by its number, ascending.
        camera: of all images; its focal length is refined unless it is known.
        seed: of the random samples; one seed, one result, which is why the solver has one thread.

    Returns:
        The largest model, its images named by their numbers; None where the images do not give one.

    Reference:
        Pan et al., Global structure-from-motion revisited (GLOMAP), ECCV 2024.
    """
    with tempfile.TemporaryDirectory(prefix="fast-snow-sfm-") as folder:
        database = Path(folder) / "database.db"
        if _write_database(database, points, camera, seed) == 0:
            return None
        models = pycolmap.global_mapping(database, folder, folder, _options(seed))
    if not models:
        return None
    largest = max(models.values(), key=lambda model: (model.num_reg_images(), model.num_points3D()))
    return largest if camera.has_prior_focal_length else _with_refined_focal(largest)


def pinhole_camera(K: Float64[np.ndarray, "3 3"], shape: GridShape) -> Camera:
    """Return the camera of a pinhole matrix; COLMAP's pixels have their origin at a corner, not at their centre."""
    params = [K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5]
    return Camera(model="PINHOLE", width=shape[1], height=shape[0], params=params)


def resect(
    points: TrackedPoints, xyz: Float64[np.ndarray, "ids 3"], camera: Camera, *, seed: int
) -> Float64[np.ndarray, "4 4"] | None:
    """Estimate the pose of one image from points of known position.

    Args:
        points: of the image.
        xyz: where each point is in the world, by its id; NaN where that is not known.
        camera: of the image.
        seed: of the random samples.

    Returns:
        `T_camera_world`; None where fewer than `MIN_POINTS` agree.
    """
    known = np.isfinite(xyz[points.point_id, 0])
    if np.count_nonzero(known) < MIN_POINTS:
        return None
    options = pycolmap.AbsolutePoseEstimationOptions()
    _sample(options.ransac, seed)
    uv, world = points.uv[known] + 0.5, xyz[points.point_id[known]]
    found = pycolmap.estimate_and_refine_absolute_pose(uv, world, camera, options)
    if found is None or found["num_inliers"] < MIN_POINTS:
        return None
    return np.vstack([found["cam_from_world"].matrix(), [0.0, 0.0, 0.0, 1.0]])


def _sample(ransac: pycolmap.RANSACOptions, seed: int) -> None:
    ransac.random_seed, ransac.max_error = seed, _MAX_ERROR
    ransac.min_num_trials, ransac.max_num_trials = _MAX_TRIALS // 6, _MAX_TRIALS


def _with_refined_focal(model: Model) -> Model:
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
    low, high = PLAUSIBLE_FOCAL
    focal = [each.focal_length / max(each.width, each.height) for each in refined.cameras.values()]
    return refined if low <= min(focal) and max(focal) <= high else model


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


def _write_database(path: Path, points: Mapping[int, TrackedPoints], camera: Camera, seed: int) -> int:
    """Store images, points and verified pairs; returns how many pairs there are."""
    database = pycolmap.Database.open(path)
    try:
        camera.camera_id = database.write_camera(camera)
        rig = pycolmap.Rig()
        rig.add_ref_sensor(camera.sensor_id)
        rig_id = database.write_rig(rig)
        image_ids = {i: _write_image(database, i, each, camera, rig_id) for i, each in points.items()}
        numbers = list(points)
        pairs = 0
        for k, i in enumerate(numbers):
            for j in (numbers[k + gap] for gap in _PAIR_GAPS if k + gap < len(numbers)):
                pairs += _write_pair(database, camera, (points[i], points[j]), (image_ids[i], image_ids[j]), seed)
        return pairs
    finally:
        database.close()


def _write_image(database: pycolmap.Database, i: int, points: TrackedPoints, camera: Camera, rig_id: int) -> int:
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
    camera: Camera,
    points: tuple[TrackedPoints, TrackedPoints],
    image_ids: tuple[int, int],
    seed: int,
) -> bool:
    """Store a pair of images that see enough common points, with the relative pose that explains them."""
    a, b = points
    _, i, j = np.intersect1d(a.point_id, b.point_id, assume_unique=True, return_indices=True)
    if len(i) < MIN_POINTS:
        return False
    matches = np.stack([i, j], axis=1).astype(np.uint32)
    options = pycolmap.TwoViewGeometryOptions()
    options.detect_watermark = False
    _sample(options.ransac, seed)
    geometry = pycolmap.estimate_two_view_geometry(camera, a.uv + 0.5, camera, b.uv + 0.5, matches, options)
    database.write_matches(*image_ids, matches)
    database.write_two_view_geometry(*image_ids, geometry)
    return len(geometry.inlier_matches) >= MIN_POINTS
