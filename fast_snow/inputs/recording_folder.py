"""Folders of images: recordings (color/, meta.json and any of depth/, masks/ and poses_c2w.txt), and images alone."""

import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from fast_snow.cameras import rigid
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.image_files import (
    COLOR_SUFFIXES,
    DEPTH_SUFFIXES,
    ID_SUFFIXES,
    RecordingFiles,
    image_files,
    recording_from_files,
)
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_meta import read_meta
from fast_snow.inputs.sampling import exact
from fast_snow.inputs.text_tables import numbered_lines
from fast_snow.types import Transform
from fast_snow.untrusted_files import shown

POSES = "poses_c2w.txt"
USUAL_FPS = 10.0
"""Frames per second of images alone, where nothing tells their rate."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Companions:
    """The files of one kind, by colour image; None where one is missing."""

    files: tuple[Path | None, ...]

    def of(self, kept: Bool[np.ndarray, " n"]) -> tuple[Path, ...]:
        return tuple(path for path, keep in zip(self.files, kept, strict=True) if keep and path is not None)


def read_recording_folder(folder: Path) -> Recording:
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
    poses = _read_poses(folder, len(color)) if (folder / POSES).exists() else None
    kept = _complete(folder, color, depth, ids, poses)
    files = RecordingFiles(
        folder=folder,
        color=tuple(path for path, keep in zip(color, kept, strict=True) if keep),
        depth=None if depth is None else depth.of(kept),
        ids=None if ids is None else ids.of(kept),
    )
    in_units = files.depth is not None and any(path.suffix.lower() == ".png" for path in files.depth)
    required = ("fps", *(("depth_scale",) if in_units else ()), *(("intrinsics",) if files.depth else ()))
    meta = read_meta(folder / "meta.json", required=required)
    if (in_units and meta.depth_scale is None) or (files.depth and meta.intrinsics is None):
        raise InputError(f"{folder / 'meta.json'}: depth_scale or intrinsics is null; depth needs both: fill them in")
    return recording_from_files(
        files,
        name=folder.resolve().name,
        time=_times(folder, meta.fps, np.flatnonzero(kept).tolist()),
        depth_scale=meta.depth_scale or 1.0,
        T_world_camera=None if poses is None else poses[kept],
        intrinsics=meta.intrinsics,
    )


def read_image_folder(folder: Path) -> Recording:
    """Open a folder of images alone, numbered like SAM2's inputs; a `meta.json` may tell their rate and intrinsics.

    Raises:
        InputError: a file is damaged or does not fit the others.

    Warns:
        FastSnowWarning: nothing tells the rate.
    """
    color = image_files(folder, COLOR_SUFFIXES)
    meta = read_meta(folder / "meta.json", required=()) if (folder / "meta.json").exists() else None
    fps = meta.fps if meta else None
    if fps is None:
        warnings.warn(
            f"{shown(folder)}: no frame rate given: assuming {USUAL_FPS:g} frames per second (a meta.json with"
            ' {"fps": …} tells it)',
            FastSnowWarning,
            stacklevel=2,
        )
    return recording_from_files(
        RecordingFiles(folder=folder, color=color),
        name=folder.resolve().name,
        time=_times(folder, fps or USUAL_FPS, list(range(len(color)))),
        depth_scale=1.0,
        T_world_camera=None,
        intrinsics=meta.intrinsics if meta else None,
    )


def _companions(folder: Path, color: tuple[Path, ...], suffixes: frozenset[str]) -> _Companions | None:
    """Return the files that go with the colour images by name; None where there is no such folder."""
    if not folder.is_dir():
        return None
    by_stem = {path.stem: path for path in image_files(folder, suffixes)}
    surplus = next(iter(by_stem.keys() - {path.stem for path in color}), None)
    if surplus is not None:
        raise InputError(
            f"{shown(by_stem[surplus])}: no colour image of that name ({color[0].name} is the first); expected equal"
            " names: rename or remove it"
        )
    return _Companions(files=tuple(by_stem.get(path.stem) for path in color))


def _complete(
    folder: Path,
    color: tuple[Path, ...],
    depth: _Companions | None,
    ids: _Companions | None,
    poses: Float64[np.ndarray, "n 4 4"] | None,
) -> Bool[np.ndarray, " n"]:
    """Tell which frames have all that the recording brings; warn of the others."""
    kept = np.ones(len(color), dtype=bool)
    for each in (depth, ids):
        if each is not None:
            kept &= np.array([path is not None for path in each.files])
    if poses is not None:
        kept &= np.isfinite(poses).all(axis=(1, 2))
    if not kept.any():
        raise InputError(f"{shown(folder)}: no frame has all of depth image, mask and finite pose; expected some")
    if not kept.all():
        first = color[int(np.argmin(kept))].name
        warnings.warn(
            f"{shown(folder)}: {np.count_nonzero(~kept)} of {len(kept)} frames lack a depth image, a mask or a finite"
            f" pose and are left out (first: {first})",
            FastSnowWarning,
            stacklevel=3,
        )
    return kept


def _times(folder: Path, fps: float | None, index: list[int]) -> tuple[Fraction, ...]:
    if fps is None:
        warnings.warn(f"{folder}: fps is null in meta.json; the frames are taken as one per second", FastSnowWarning, 2)
    rate = exact(fps or 1.0)
    return tuple((each - index[0]) / rate for each in index)


def _read_poses(folder: Path, count: int) -> Float64[np.ndarray, "n 4 4"]:
    """Return one pose per line; those that hold NaN or infinity, as ScanNet writes them, are left as they are."""
    path = folder / POSES
    lines = list(numbered_lines(path, within=folder))
    if len(lines) != count:
        raise InputError(
            f"{shown(path)}: {len(lines)} poses for {count} colour images; expected one line each: add or remove some"
        )
    return np.stack([_parse_pose(line, f"{shown(path)} line {number}") for number, line in lines])


def _parse_pose(line: str, where: str) -> Transform:
    try:
        numbers = np.array([float(word) for word in line.split()])
    except ValueError as error:
        raise InputError(f"{where}: {error}; expected 16 numbers, a camera-to-world matrix row by row") from error
    if len(numbers) != 16:
        raise InputError(f"{where}: {len(numbers)} numbers; expected 16, a camera-to-world matrix row by row")
    pose = numbers.reshape(4, 4)
    if not np.isfinite(pose).all():
        return pose
    return rigid(pose, where=where)
