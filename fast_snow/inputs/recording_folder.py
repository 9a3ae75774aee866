"""Folders of images: recordings (color/, meta.json and any of depth/, masks/ and poses_c2w.txt), and images alone."""

import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from fast_snow.cameras import rigid_if_finite
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.frame_files import FrameFiles, rate, recording_of
from fast_snow.inputs.image_files import (
    COLOR_SUFFIXES,
    DEPTH_SUFFIXES,
    ID_SUFFIXES,
    by_name,
    image_files,
    images_by_name,
)
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_meta import RecordingMeta, read_meta
from fast_snow.inputs.sampling import exact
from fast_snow.inputs.text_tables import numbered_lines, numbers
from fast_snow.untrusted_files import shown

POSES = "poses_c2w.txt"


def read_recording_folder(folder: Path, *, fps: float | None = None) -> Recording:
    """Open a recording folder; its images are read later, one by one.

    `color/000000.jpg` … (or PNG, WebP) and `meta.json` must be there; `depth/000000.png` … (16 bit; or metres as TIFF,
    NumPy or OpenEXR files), `masks/000000.png` … (id maps, 8 bit with 255 = ignore, or 16 bit) and `poses_c2w.txt` (one
    row-major camera-to-world matrix per line) may. The intrinsics refer to the depth images, or to the colour images
    where there is no depth. Frames without a depth image, a mask or a finite pose, where others have one, are left out.

    Raises:
        InputError: a file is missing, damaged, or does not fit the others.

    Warns:
        FastSnowWarning: frames are left out.

    Examples:
        >>> recording = fast_snow.read_recording_folder(Path("recording"))
        >>> len(recording), recording.color_size, recording.has_poses
        (4, (96, 128), True)
    """
    color = image_files(folder / "color", COLOR_SUFFIXES)
    depth, ids = _companions(folder / "depth", color, DEPTH_SUFFIXES), _companions(folder / "masks", color, ID_SUFFIXES)
    in_units = depth is not None and any(path.suffix.lower() == ".png" for path in depth.values())
    required = ("fps", *(("depth_scale",) if in_units else ()), *(("intrinsics",) if depth else ()))
    meta = read_meta(folder / "meta.json", required=required)
    if (in_units and meta.depth_scale is None) or (depth and meta.intrinsics is None):
        raise InputError(f"{folder / 'meta.json'}: depth_scale or intrinsics is null; depth needs both: fill them in")
    names = by_name(color)
    poses = None
    if (folder / POSES).exists():
        poses = dict(zip(names, _read_poses(folder, len(color)), strict=True))
    return recording_of(
        FrameFiles(folder=folder, color=names, depth=depth, ids=ids, poses=poses),
        times=_rate(folder, fps or meta.fps),
        depth_scale=meta.depth_scale or 1.0,
        intrinsics=meta.intrinsics,
        metric=meta.metric,
    )


def read_image_folder(folder: Path, *, fps: float | None = None) -> Recording:
    """Open a folder of images alone, numbered like SAM2's inputs; a `meta.json` may tell their rate and intrinsics.

    Raises:
        InputError: a file is damaged or does not fit the others.

    Warns:
        FastSnowWarning: nothing tells the rate.
    """
    color = image_files(folder, COLOR_SUFFIXES)
    meta = read_meta(folder / "meta.json", required=()) if (folder / "meta.json").exists() else RecordingMeta()
    return recording_of(
        FrameFiles(folder=folder, color=by_name(color)),
        times=rate(fps or meta.fps, folder),
        intrinsics=meta.intrinsics,
    )


def _companions(folder: Path, color: tuple[Path, ...], suffixes: frozenset[str]) -> dict[str, Path] | None:
    """Return the files that go with the colour images by name; None where there is no such folder."""
    found = images_by_name(folder, suffixes)
    surplus = next(iter((found or {}).keys() - {path.stem for path in color}), None)
    if found is not None and surplus is not None:
        raise InputError(
            f"{shown(found[surplus])}: no colour image of that name ({color[0].name} is the first); expected equal"
            " names: rename or remove it"
        )
    return found


def _rate(folder: Path, fps: float | None) -> Fraction:
    if fps is None:
        warnings.warn(f"{folder}: fps is null in meta.json; the frames are taken as one per second", FastSnowWarning, 2)
    return exact(fps or 1.0)


def _read_poses(folder: Path, count: int) -> Float64[np.ndarray, "n 4 4"]:
    """Return one pose per line; those that hold NaN or infinity, as ScanNet writes them, are left as they are."""
    path = folder / POSES
    lines = list(numbered_lines(path, within=folder))
    if len(lines) != count:
        raise InputError(
            f"{shown(path)}: {len(lines)} poses for {count} colour images; expected one line each: add or remove some"
        )
    poses = []
    for number, line in lines:
        where = f"{shown(path)} line {number}"
        matrix = numbers(line.split(), 16, where, expected="16 numbers, a camera-to-world matrix row by row")
        poses.append(rigid_if_finite(matrix.reshape(4, 4), where=where))
    return np.stack(poses)
