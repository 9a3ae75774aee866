"""Trajectory metrics: absolute error without, or after rigid or similarity, alignment.

Both paths are on one clock. Each pose of the shorter one is compared with the nearest in time of the other, none
further off than `max_gap_s`.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float64

from fast_snow.alignment import Similarity, identity
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import Trajectory
from fast_snow.evaluation.metrics import load_metric_package

Alignment = Literal["none", "rigid", "similarity"]

MAX_GAP_S: Final = 0.02
"""Poses further apart in time than this are not of one moment."""
_STILL: Final = 1e-9
"""A path whose spread is below this share of its distance from the origin does not move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryError:
    """Distances between true and predicted camera centres, in the unit of the truth, of the poses matched.

    The predicted path was multiplied by `scale`, which is 1 unless aligned by a similarity.

    Reference:
        Sturm et al., A benchmark for the evaluation of RGB-D SLAM systems, IROS 2012 (absolute trajectory error); equal
        to evo 1.38.0, `evo_ape`.
    """

    rmse: float
    mean: float
    median: float
    max: float
    scale: float
    matched: int


def compare_trajectories(
    truth: Trajectory, predicted: Trajectory, alignment: Alignment = "none", max_gap_s: float = MAX_GAP_S
) -> TrajectoryError:
    """Measure the absolute trajectory error, after the predicted path was moved so that the sum of squares is least.

    Raises:
        InputError: no poses at the same time, fewer than 3 to align, or poses that are not finite.
        EngineError: the packages of the extra `eval` are not installed.
    """
    true_path, path = _associated(truth, predicted, max_gap_s)
    T_truth_predicted = _least_squares(path.positions_xyz, true_path.positions_xyz, alignment)
    _apply(T_truth_predicted, path)
    metrics = load_metric_package("evo.core.metrics")
    error = metrics.APE(metrics.PoseRelation.translation_part)
    error.process_data((true_path, path))
    figures = error.get_all_statistics()
    return TrajectoryError(
        **{name: float(figures[name]) for name in ("rmse", "mean", "median", "max")},
        scale=T_truth_predicted.scale,
        matched=path.num_poses,
    )


def align_trajectories(
    truth: Trajectory, predicted: Trajectory, alignment: Alignment, max_gap_s: float = MAX_GAP_S
) -> Similarity:
    """Find what moves the predicted path onto the true one, with the least sum of squared distances.

    Where the path is straight or still, its turn about itself is any. It raises as `compare_trajectories`.
    """
    true_path, path = _associated(truth, predicted, max_gap_s)
    return _least_squares(path.positions_xyz, true_path.positions_xyz, alignment)


def _associated(truth: Trajectory, predicted: Trajectory, max_gap_s: float) -> tuple[Any, Any]:
    """Return the poses that belong together as paths of evo."""
    for whose, path in (("true", truth), ("predicted", predicted)):
        if not (np.isfinite(path.T_world_camera).all() and np.isfinite(path.time_s).all()):
            raise InputError(f"the {whose} path has poses or times that are not finite; leave them out")
    if len(truth) == 0 or len(predicted) == 0:
        raise InputError(
            f"the true path has {len(truth)} poses, the predicted one {len(predicted)}: nothing to compare"
        )
    sync, evo = load_metric_package("evo.core.sync"), load_metric_package("evo.core.trajectory")
    paths = [
        evo.PoseTrajectory3D(poses_se3=list(path.T_world_camera.copy()), timestamps=path.time_s.copy())
        for path in (truth, predicted)
    ]
    try:
        true_path, path = sync.associate_trajectories(*paths, max_diff=max_gap_s)
    except sync.SyncException as error:
        true_span, span = (f"{path.time_s[0]:.3f} to {path.time_s[-1]:.3f} s" for path in (truth, predicted))
        raise InputError(
            f"no poses within {max_gap_s:g} s of each other: the true path is of {true_span}, the predicted one of "
            f"{span}; bring both to one clock"
        ) from error
    return true_path, path


def _least_squares(
    predicted: Float64[np.ndarray, "n 3"], truth: Float64[np.ndarray, "n 3"], alignment: Alignment
) -> Similarity:
    """Return the similarity with the least sum of squares.

    evo and `alignment.estimate` refuse paths that are straight or still, because their rotation is not determined. The
    error is, whichever rotation of the best ones is taken, and a car's path or a camera's on a stand has a right to it.

    Reference:
        Umeyama, TPAMI 1991, equations 40 to 43; equal to evo's `umeyama_alignment` where that answers.
    """
    if alignment == "none":
        return identity()
    if len(predicted) < 3:
        raise InputError(f"the paths share {len(predicted)} poses, expected at least 3 to align them")
    centre, true_centre = predicted.mean(axis=0), truth.mean(axis=0)
    spread = predicted - centre
    U, strength, Vt = np.linalg.svd((truth - true_centre).T @ spread)
    sign = np.array([1.0, 1.0, 1.0 if np.linalg.det(U) * np.linalg.det(Vt) > 0 else -1.0])
    R = (U * sign) @ Vt
    scale = 1.0
    if alignment == "similarity" and np.linalg.norm(spread) > _STILL * (1 + np.linalg.norm(predicted)):
        scale = float(strength @ sign / (spread**2).sum())
    return Similarity(scale=scale, R=R, t=true_centre - scale * (R @ centre))


def _apply(T_truth_predicted: Similarity, path: Any) -> None:  # noqa: ANN401 (evo's)
    """Move a path of evo's, which is our own copy."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = T_truth_predicted.R, T_truth_predicted.t
    path.scale(T_truth_predicted.scale)
    path.transform(T)
