"""The recording folder: color/, meta.json and any of depth/, masks/ and poses_c2w.txt."""

import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.calibration import check_rigid
from fast_snow.inputs.image_files import RecordingFiles, recording_from_files
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_meta import read_meta
from fast_snow.inputs.sampling import exact
from fast_snow.types import Transform

_COLOR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_DATA_SUFFIXES = frozenset({".png"})


def read_recording_folder(folder: Path) -> Recording:
    """Open a recording folder; its images are read later, one by one.

    `color/000000.jpg` … (or PNG) and `meta.json` must be there; `depth/000000.png` … (16 bit), `masks/000000.png` … (id
    maps, 8 bit with 255 = ignore, or 16 bit) and `poses_c2w.txt` (one row-major camera-to-world matrix per line) may.
    The intrinsics refer to the depth images, or to the colour images where there is no depth.

    Raises:
        InputError: a file is missing, damaged, or does not fit the others.
    """
    color = image_files(folder / "color", _COLOR_SUFFIXES)
    files = RecordingFiles(
        color=color, depth=_companions(folder / "depth", color), ids=_companions(folder / "masks", color)
    )
    required = ("fps", "depth_scale", "intrinsics") if files.depth else ("fps",)
    meta = read_meta(folder / "meta.json", required=required)
    if files.depth and (meta.depth_scale is None or meta.intrinsics is None):
        raise InputError(f"{folder / 'meta.json'}: depth_scale or intrinsics is null; depth needs both: fill them in")
    poses = folder / "poses_c2w.txt"
    return recording_from_files(
        files,
        name=folder.name,
        time=_times(folder, meta.fps, len(color)),
        depth_scale=meta.depth_scale or 1.0,
        T_world_camera=_read_poses(poses, len(color)) if poses.exists() else None,
        intrinsics=meta.intrinsics,
    )


def image_files(folder: Path, suffixes: frozenset[str]) -> tuple[Path, ...]:
    """Return the images in a folder by name.

    Raises:
        InputError: there are none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not found:
        raise InputError(f"{folder}: no images; expected 000000{' or 000000'.join(sorted(suffixes))} …: add them")
    return tuple(found)


def _companions(folder: Path, color: tuple[Path, ...]) -> tuple[Path, ...] | None:
    """Return the file in `folder` that goes with each colour image, or None where there is no such folder."""
    if not folder.is_dir():
        return None
    found = image_files(folder, _DATA_SUFFIXES)
    if len(found) != len(color):
        raise InputError(
            f"{folder}: {len(found)} images for {len(color)} colour images; expected one each: add or remove some"
        )
    for one, other in zip(found, color, strict=True):
        if one.stem != other.stem:
            raise InputError(
                f"{one}: no colour image of that name ({other.name} comes next); expected equal names: rename"
            )
    return found


def _times(folder: Path, fps: float | None, count: int) -> tuple[Fraction, ...]:
    if fps is None:
        warnings.warn(f"{folder}: fps is null in meta.json; the frames are taken as one per second", FastSnowWarning, 2)
    rate = exact(fps or 1.0)
    return tuple(index / rate for index in range(count))


def _read_poses(path: Path, count: int) -> Float64[np.ndarray, "n 4 4"]:
    lines = [(number, line) for number, line in enumerate(path.read_text().splitlines(), start=1) if line.strip()]
    if len(lines) != count:
        raise InputError(
            f"{path}: {len(lines)} poses for {count} colour images; expected one line each: add or remove some"
        )
    return np.stack([_parse_pose(line, f"{path} line {number}") for number, line in lines])


def _parse_pose(line: str, where: str) -> Transform:
    try:
        numbers = np.array([float(word) for word in line.split()])
    except ValueError as error:
        raise InputError(f"{where}: {error}; expected 16 numbers, a camera-to-world matrix row by row") from error
    if len(numbers) != 16:
        raise InputError(f"{where}: {len(numbers)} numbers; expected 16, a camera-to-world matrix row by row")
    pose = numbers.reshape(4, 4)
    check_rigid(pose, where=where)
    return pose
