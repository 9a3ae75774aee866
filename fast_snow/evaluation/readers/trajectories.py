"""Paths of cameras: TUM text, one matrix per line, and 7-Scenes' files of one matrix each.

All are camera-to-world, with the camera's axes x right, y down, z forward, in metres.

References:
    J. Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012, and its file formats.
    J. Shotton et al., Scene Coordinate Regression Forests, CVPR 2013 (7-Scenes).
"""

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from fast_snow.errors import InputError
from fast_snow.evaluation.readers.numbered_files import numbered_files
from fast_snow.evaluation.readers.source import TruthSource
from fast_snow.evaluation.readers.text_rows import rows
from fast_snow.evaluation.truth import Trajectory
from fast_snow.inputs.calibration import check_rigid
from fast_snow.types import Transform

_UNIT_TOLERANCE: Final = 1e-2
"""Written with four digits, a unit quaternion is off by less."""


def read_tum(path: Path, source: TruthSource) -> Trajectory:
    """Read lines of `time tx ty tz qx qy qz qw`.

    Args:
        path: of the text.
        source: what is known of it: the stamp of the input's first frame becomes time 0.

    Raises:
        InputError: a line is damaged, or two have one stamp.
    """
    found = []
    for row in rows(path, columns=8):
        values = row.numbers(0, 8, "a number of time tx ty tz qx qy qz qw")
        if abs(np.linalg.norm(values[4:]) - 1) > _UNIT_TOLERANCE:
            raise InputError(f"{row.where}: not a rigid pose, expected a unit quaternion at the end")
        found.append(values)
    if not found:
        raise InputError(f"{path}: no pose, expected lines of time tx ty tz qx qy qz qw")
    table = np.array(sorted(found), dtype=np.float64)
    repeated = np.flatnonzero(np.diff(table[:, 0]) <= 0)
    if len(repeated):
        raise InputError(f"{path}: two poses at {table[repeated[0], 0]:.6f} s, expected one each")
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3, :3] = Rotation.from_quat(table[:, 4:]).as_matrix()
    poses[:, :3, 3] = table[:, 1:4]
    return Trajectory(time_s=table[:, 0] - source.first_time_s, T_world_camera=poses)


def read_poses_c2w(path: Path, source: TruthSource, fps: float) -> Trajectory:
    """Read one row-major matrix per line, one line per frame.

    Args:
        path: of the text; the first line is number 0.
        source: what is known of it.
        fps: frames per second.

    Raises:
        InputError: a line is damaged, or there is none of the clip's frames.
    """
    found: dict[int, Transform] = {}
    for number, row in enumerate(rows(path, columns=16)):
        index = source.index(number, custom=0)
        if index is not None:
            pose = np.array(row.numbers(0, 16, "a number of the matrix")).reshape(4, 4)
            check_rigid(pose, where=row.where)
            found[index] = pose
    return _at_rate(path, found, fps)


def read_7_scenes(folder: Path, source: TruthSource, fps: float) -> Trajectory:
    """Read `frame-000000.pose.txt` …, a matrix of four lines each.

    A frame whose matrix has NaN or infinity has no pose: tracking was lost there.

    Args:
        folder: that holds the files; the first frame is number 0.
        source: what is known of it.
        fps: frames per second.

    Raises:
        InputError: a file is damaged, or there is none of the clip's frames.
    """
    found: dict[int, Transform] = {}
    for index, path in numbered_files(folder, ".pose.txt", source).items():
        pose = _matrix(path)
        if np.isfinite(pose).all():
            check_rigid(pose, where=str(path))
            found[index] = pose
    return _at_rate(folder, found, fps)


def _matrix(path: Path) -> Transform:
    lines = list(rows(path, columns=4))
    try:
        values = np.array([[float(word) for word in line.words] for line in lines], dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if values.shape != (4, 4):
        raise InputError(f"{path}: expected a camera-to-world matrix, four lines of four numbers")
    return values


def _at_rate(path: Path, poses: dict[int, Transform], fps: float) -> Trajectory:
    if not poses:
        raise InputError(f"{path}: no pose of the clip's frames, expected some; correct first_frame")
    time_s: Float64[np.ndarray, " n"] = np.array(list(poses), dtype=np.float64) / fps
    return Trajectory(time_s=time_s, T_world_camera=np.stack(list(poses.values())))
