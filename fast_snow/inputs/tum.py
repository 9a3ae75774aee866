"""TUM RGB-D folders: rgb.txt and any of depth.txt, groundtruth.txt and masks/.

Reference: Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012, and its file formats.
"""

import warnings
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from scipy.spatial.transform import Rotation

from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.calibration import pinhole
from fast_snow.inputs.image_files import RecordingFiles, recording_from_files
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_meta import RecordingMeta, read_meta
from fast_snow.types import Transform

LARGEST_GAP_S = Fraction(20, 1000)
"""A depth image or pose belongs to the colour image it is nearest to, if it is no further away in time than this."""

_DEFAULT_SCALE = 5000.0
_DEFAULT_INTRINSICS = pinhole(525.0, 525.0, 319.5, 239.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line of a TUM list: its time stamp in seconds, what follows it, and where it stands."""

    stamp: Fraction
    words: tuple[str, ...]
    where: str


def read_tum_folder(folder: Path) -> Recording:
    """Open a TUM RGB-D folder; its images are read later, one by one.

    Colour images without a depth image or a pose within 20 ms are left out, and a warning says how many. A `meta.json`
    with `intrinsics` or `depth_scale` replaces the benchmark's defaults. `masks/` may hold id maps named like the
    colour images.

    Raises:
        InputError: a file is missing, damaged, or does not fit the others.
    """
    color = _read_list(folder / "rgb.txt", words=1)
    depth = _read_list(folder / "depth.txt", words=1) if (folder / "depth.txt").exists() else None
    poses = _read_list(folder / "groundtruth.txt", words=7) if (folder / "groundtruth.txt").exists() else None
    meta = read_meta(folder / "meta.json", required=()) if (folder / "meta.json").exists() else RecordingMeta()
    nearest_depth, nearest_pose = _nearest(color, depth), _nearest(color, poses)
    kept = np.flatnonzero((nearest_depth >= 0) & (nearest_pose >= 0))
    if not len(kept):
        raise InputError(
            f"{folder}: no colour image has depth and pose within 20 ms; expected one clock: check the stamps"
        )
    if len(kept) < len(color):
        left_out = f"{len(color) - len(kept)} of {len(color)} colour images have no depth or no pose within 20 ms"
        warnings.warn(f"{folder}: {left_out} and are left out", FastSnowWarning, stacklevel=2)
    images = tuple(_path(folder, color[k]) for k in kept)
    files = RecordingFiles(
        color=images,
        depth=None if depth is None else tuple(_path(folder, depth[nearest_depth[k]]) for k in kept),
        ids=tuple(folder / "masks" / f"{path.stem}.png" for path in images) if (folder / "masks").is_dir() else None,
    )
    return recording_from_files(
        files,
        name=folder.name,
        time=tuple(color[k].stamp - color[kept[0]].stamp for k in kept),
        depth_scale=meta.depth_scale or _DEFAULT_SCALE,
        T_world_camera=None if poses is None else np.stack([_pose(poses[nearest_pose[k]]) for k in kept]),
        intrinsics=_DEFAULT_INTRINSICS if meta.intrinsics is None else meta.intrinsics,
    )


def _read_list(path: Path, *, words: int) -> tuple[_Entry, ...]:
    """Return the lines of a list, in time order: a time stamp and so many words each; `#` starts a comment."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a list of time stamps and {words} words each: restore it")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        stamp, *rest = line.split()
        where = f"{path} line {number}"
        if len(rest) < words:
            raise InputError(f"{where}: {len(rest)} words after the time stamp; expected {words}: complete the line")
        try:
            entries.append(_Entry(stamp=Fraction(stamp), words=tuple(rest[:words]), where=where))
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"{where}: time stamp {stamp[:40]!r}; expected seconds as a number: correct it") from error
    if not entries:
        raise InputError(f"{path}: no lines; expected a time stamp and {words} words on each: check the file")
    return tuple(sorted(entries, key=_stamp))


def _stamp(entry: _Entry) -> Fraction:
    return entry.stamp


def _nearest(color: tuple[_Entry, ...], others: tuple[_Entry, ...] | None) -> Int64[np.ndarray, " n"]:
    """Return for each colour image the entry nearest in time, -1 where none is near; 0 where none is asked for."""
    if others is None:
        return np.zeros(len(color), dtype=np.int64)
    nearest = np.full(len(color), -1, dtype=np.int64)
    for index, entry in enumerate(color):
        after = bisect_left(others, entry.stamp, key=_stamp)
        around = range(max(0, after - 1), min(len(others), after + 1))
        best = min(around, key=lambda k: abs(others[k].stamp - entry.stamp))
        if abs(others[best].stamp - entry.stamp) <= LARGEST_GAP_S:
            nearest[index] = best
    return nearest


def _path(folder: Path, entry: _Entry) -> Path:
    """Return the file an entry names; a list from elsewhere must not reach outside its folder."""
    relative = Path(entry.words[0])
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(f"{entry.where}: {relative} lies outside the folder; expected a path inside it: correct it")
    return folder / relative


def _pose(entry: _Entry) -> Transform:
    """Return the camera-to-world matrix of a line `tx ty tz qx qy qz qw`."""
    try:
        numbers = np.array([float(word) for word in entry.words])
    except ValueError as error:
        raise InputError(f"{entry.where}: {error}; expected tx ty tz qx qy qz qw: correct it") from error
    # Written with four digits, a unit quaternion is off by less than this.
    if not np.isfinite(numbers).all() or abs(np.linalg.norm(numbers[3:]) - 1) > 1e-2:
        raise InputError(f"{entry.where}: not a rigid pose; expected finite numbers and a unit quaternion: correct it")
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(numbers[3:]).as_matrix()
    pose[:3, 3] = numbers[:3]
    return pose
