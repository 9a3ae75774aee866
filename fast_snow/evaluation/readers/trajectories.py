"""Camera trajectories: TUM text, one matrix per line, and 7-Scenes (one matrix per file).

All are camera-to-world, with the camera's axes x right, y down, z forward, in metres.

References:
    J. Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012, and its file formats.
    J. Shotton et al., Scene Coordinate Regression Forests, CVPR 2013 (7-Scenes).
"""

import math
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from fast_snow.cameras import poses, rigid
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.evaluation.ground_truth import Trajectory, TruthSource
from fast_snow.evaluation.readers.data_files import numbered_files, read_rows
from fast_snow.inputs.time_stamps import SECONDS, unit_of
from fast_snow.types import Transform
from fast_snow.untrusted_files import shown

_UNIT_TOLERANCE: Final = 1e-2
"""Written with four digits, a unit quaternion is off by less."""


def read_tum(path: Path, source: TruthSource) -> Trajectory:
    """Read lines of `time tx ty tz qx qy qz qw`; of those with one time stamp the first is kept.

    The stamp of the input's first frame, `first_time_s`, becomes time 0. Poses that are left out, and time stamps that
    are not in seconds, are warned of.
    """
    rows = []
    for row in read_rows(path, columns=8):
        time = row.number(0, "the time stamp")
        pose = row.numbers_or_nan(1, 8, "tx ty tz qx qy qz qw")
        if all(map(math.isfinite, pose)) and abs(math.hypot(*pose[3:]) - 1) > _UNIT_TOLERANCE:
            raise InputError(f"{row.where}: not a rigid pose, expected a unit quaternion at the end")
        rows.append((time, *pose))
    table: Float64[np.ndarray, "n 8"] = np.array(rows, dtype=np.float64).reshape(-1, 8)
    table = _left_out(path, table, np.isfinite(table).all(axis=1), "hold NaN or infinity")
    if not len(table):
        raise InputError(f"{shown(path)}: no pose, expected lines of time tx ty tz qx qy qz qw")
    table = table[np.argsort(table[:, 0], kind="stable")]
    later = np.concatenate([[True], np.diff(table[:, 0]) > 0])
    table = _left_out(path, table, later, "repeat the time stamp of another")
    unit = unit_of(table[:, 0])
    if unit is not SECONDS:
        warnings.warn(
            f"{shown(path)}: time stamps taken as {unit.name}, expected seconds", FastSnowWarning, stacklevel=2
        )
    T_world_camera = poses(table[:, 1:4], table[:, 4:])
    return Trajectory(time_s=table[:, 0] / unit.per_second - source.first_time_s, T_world_camera=T_world_camera)


def read_poses_c2w(path: Path, source: TruthSource, fps: float) -> Trajectory:
    """Read one row-major matrix per line, one line per frame; a frame whose matrix is not finite has no pose.

    The first line is number 0; `fps` is that of the frames. Poses that are not finite are warned of.
    """
    poses: dict[int, Transform] = {}
    lost = 0
    for number, row in enumerate(read_rows(path, columns=16)):
        index = source.index(number)
        if index is not None:
            pose = np.array(row.numbers_or_nan(0, 16, "the matrix")).reshape(4, 4)
            if np.isfinite(pose).all():
                poses[index] = rigid(pose, where=row.where)
            else:
                lost += 1
    if lost:
        message = f"{shown(path)}: {lost} of {lost + len(poses)} poses hold NaN or infinity and are left out"
        warnings.warn(message, FastSnowWarning, stacklevel=2)
    return _at_rate(path, poses, fps)


def read_7_scenes(folder: Path, source: TruthSource, fps: float) -> Trajectory:
    """Read `frame-000000.pose.txt` …, a matrix of four lines each.

    A frame whose matrix has NaN or infinity has no pose: tracking was lost there. The first frame is number 0; `fps`
    is that of the frames.
    """
    poses: dict[int, Transform] = {}
    for index, path in numbered_files(folder, ".pose.txt", source).items():
        pose = _matrix(path)
        if np.isfinite(pose).all():
            poses[index] = rigid(pose, where=shown(path))
    return _at_rate(folder, poses, fps)


def _matrix(path: Path) -> Transform:
    lines = list(read_rows(path, columns=4, within=path.parent))
    try:
        values = np.array([[float(word) for word in line.words] for line in lines], dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if values.shape != (4, 4):
        raise InputError(f"{shown(path)}: expected a camera-to-world matrix, four lines of four numbers")
    return values


def _left_out(
    path: Path, table: Float64[np.ndarray, "n 8"], kept: Bool[np.ndarray, " n"], why: str
) -> Float64[np.ndarray, "m 8"]:
    if not kept.all():
        message = f"{shown(path)}: {np.count_nonzero(~kept)} of {len(kept)} poses {why} and are left out"
        warnings.warn(message, FastSnowWarning, stacklevel=3)
    return table[kept]


def _at_rate(path: Path, poses: dict[int, Transform], fps: float) -> Trajectory:
    if not poses:
        raise InputError(f"{shown(path)}: no pose of the clip's frames, expected some; correct first_frame")
    time_s: Float64[np.ndarray, " n"] = np.array(list(poses), dtype=np.float64) / fps
    return Trajectory(time_s=time_s, T_world_camera=np.stack(list(poses.values())))
