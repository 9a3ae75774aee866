"""How far a camera's path is from the true one, after it was aligned as far as its kind allows; by evo."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fast_snow.errors import InputError
from fast_snow.evaluation.truth import Trajectory

Alignment = Literal["none", "rigid", "similarity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryError:
    """Distance between camera centres at the same times, in the truth's unit.

    Attributes:
        rmse: root of the mean square.
        mean: of the distances.
        median: of the distances.
        largest: of the distances.
        scale: what the found path was multiplied by.
        matched: how many poses have a partner.
    """

    rmse: float
    mean: float
    median: float
    largest: float
    scale: float
    matched: int


def compare(
    truth: Trajectory, found: Trajectory, alignment: Alignment = "rigid", max_gap_s: float = 0.01
) -> TrajectoryError:
    """Compare camera centres (absolute trajectory error).

    Args:
        truth: the true path.
        found: the path in question.
        alignment: what may be taken out first: nothing, a rigid motion, or a similarity where lengths have no unit.
        max_gap_s: poses further apart in time are no partners.

    Raises:
        InputError: no common times, or too few to align.

    Reference:
        Sturm et al., A benchmark for the evaluation of RGB-D SLAM systems, IROS 2012; Umeyama, TPAMI 1991.
    """
    from evo.core import metrics, sync
    from evo.core.geometry import GeometryException

    try:
        reference, estimate = sync.associate_trajectories(_as_evo(truth), _as_evo(found), max_diff=max_gap_s)
    except sync.SyncException:
        raise InputError(
            f"no time in common within {max_gap_s} s: the truth spans {_span(truth)}, the result {_span(found)}"
        ) from None
    scale = 1.0
    if alignment != "none":
        try:
            _, _, scale = estimate.align(reference, correct_scale=alignment == "similarity")
        except GeometryException as error:
            raise InputError(f"{estimate.num_poses} common poses cannot be aligned: {error}") from None
    measure = metrics.APE(metrics.PoseRelation.translation_part)
    measure.process_data((reference, estimate))
    distance = np.asarray(measure.error)
    return TrajectoryError(
        rmse=float(np.sqrt(np.mean(distance**2))),
        mean=float(distance.mean()),
        median=float(np.median(distance)),
        largest=float(distance.max()),
        scale=float(scale),
        matched=len(distance),
    )


def _as_evo(path: Trajectory) -> Any:  # noqa: ANN401 (evo has no types)
    from evo.core.trajectory import PoseTrajectory3D

    return PoseTrajectory3D(poses_se3=list(path.T_world_camera), timestamps=path.time_s)


def _span(path: Trajectory) -> str:
    return f"{path.time_s[0]:.3f} to {path.time_s[-1]:.3f} s" if len(path) else "no time"
