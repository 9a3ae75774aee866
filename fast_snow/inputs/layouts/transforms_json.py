"""`transforms.json` of nerfstudio and instant-ngp, to which Record3D, Polycam and others export.

Reference: nerfstudio's data conventions. Camera axes are OpenGL's (y up, z backwards), depth is in millimetres unless
the file says otherwise, and the centre of the first pixel is (0.5, 0.5).
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np

from fast_snow import untrusted_json
from fast_snow.cameras import pinhole, rigid_if_finite
from fast_snow.config import SourceConfig
from fast_snow.errors import InputError
from fast_snow.inputs.frame_files import FrameFiles, rate, recording_of
from fast_snow.inputs.image_files import natural
from fast_snow.inputs.lenses import Lens
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.sampling import exact
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import build_dataclass, entries, more_than
from fast_snow.types import GridShape, Transform
from fast_snow.untrusted_files import inside, shown
from fast_snow.untrusted_images import read_rgb

NAME = "transforms.json"
_MILLIMETRES = 1e-3
_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE")
_Row = Annotated[tuple[float, ...], entries(4, 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Camera:
    """What the file says of a camera, of all frames or of one."""

    fl_x: Annotated[float, more_than(0)] | None = None
    fl_y: Annotated[float, more_than(0)] | None = None
    camera_angle_x: Annotated[float, more_than(0, math.pi)] | None = None
    cx: float | None = None
    cy: float | None = None
    w: float | None = None
    h: float | None = None
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    p1: float = 0.0
    p2: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame(_Camera):
    file_path: str
    transform_matrix: Annotated[tuple[_Row, ...], entries(3, 4)]
    depth_file_path: str | None = None
    timestamp: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transforms(_Camera):
    frames: Annotated[tuple[_Frame, ...], entries(1, 1_000_000)]
    camera_model: str = "OPENCV"
    fps: Annotated[float, more_than(0, 1e6)] | None = None
    applied_scale: Annotated[float, more_than(0)] = 1.0
    depth_unit_scale_factor: Annotated[float, more_than(0)] | None = None
    integer_depth_scale: Annotated[float, more_than(0)] | None = None


def read_transforms(path: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open what a `transforms.json` describes: images with poses, and depth where it names depth images.

    With depth the unit is the metre; without it, it is not known unless `options` say so. The path is the file, or the
    folder that it and the images lie in.

    Raises:
        InputError: the file or an image is damaged, missing, or of a camera that is not known.

    Warns:
        FastSnowWarning: nothing tells the frame rate; frames are left out; images are undistorted.
    """
    file = path / NAME if path.is_dir() else path
    where, folder = shown(file), file.parent
    document = untrusted_json.load(file, limit=DATASET_JSON_FILE, within=folder)
    given = build_dataclass(_Transforms, document, where, extra=True)
    if given.camera_model not in _MODELS:
        raise InputError(
            f"{where}: camera_model {given.camera_model[:40]!r}; expected one of {', '.join(_MODELS)}: undistort the"
            " images"
        )
    frames = sorted(given.frames, key=lambda each: natural(each.file_path))
    color = {frame.file_path: _image(folder, frame.file_path, where) for frame in frames}
    size = read_rgb(next(iter(color.values())), within=folder).shape
    depth = {
        frame.file_path: inside(folder, frame.depth_file_path, where)
        for frame in frames
        if frame.depth_file_path is not None
    }
    stamped = all(frame.timestamp is not None for frame in frames) and len({each.timestamp for each in frames}) > 1
    return recording_of(
        FrameFiles(
            folder=folder,
            color=color,
            depth=depth or None,
            poses={frame.file_path: _pose(frame, given.applied_scale, where) for frame in frames},
            lenses={frame.file_path: _lens(given, frame, (size[0], size[1]), where) for frame in frames},
        ),
        times=_stamps(frames) if stamped and options.fps is None else rate(options.fps or given.fps, folder),
        depth_scale=1 / (given.depth_unit_scale_factor or given.integer_depth_scale or _MILLIMETRES),
        metric=bool(depth) if options.metric is None else options.metric,
    )


def _stamps(frames: list[_Frame]) -> dict[str, Fraction]:
    return {
        frame.file_path: exact(frame.timestamp or 0.0) for frame in sorted(frames, key=lambda f: f.timestamp or 0.0)
    }


def _image(folder: Path, name: str, where: str) -> Path:
    """Return an image; Blender's files leave out the suffix."""
    path = inside(folder, name, where)
    return path if path.suffix else path.with_suffix(".png")


def _pose(frame: _Frame, scale: float, where: str) -> Transform:
    """Return the camera-to-world matrix with OpenCV's camera axes."""
    pose = np.eye(4)
    pose[:3] = np.array(frame.transform_matrix[:3])
    pose[:3, 1:3] *= -1
    pose[:3, 3] /= scale
    return rigid_if_finite(pose, where=f"{where}: {frame.file_path[:80]}")


def _lens(common: _Transforms, frame: _Frame, size: GridShape, where: str) -> Lens:
    """Return the camera of a frame, whose own numbers win."""

    def number(name: str) -> float | None:
        own = getattr(frame, name)
        found: float | None = getattr(common, name) if own is None or own == 0 else own
        return found

    width, height = number("w") or size[1], number("h") or size[0]
    fx, angle = number("fl_x"), number("camera_angle_x")
    if fx is None and angle is not None:
        fx = width / (2 * math.tan(angle / 2))
    if fx is None:
        raise InputError(f'{where}: no "fl_x" nor "camera_angle_x"; expected a focal length in pixels: add it')
    cx, cy = number("cx"), number("cy")
    k1, k2, k3, k4, p1, p2 = (number(name) or 0.0 for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    fisheye = common.camera_model == "OPENCV_FISHEYE"
    distortion = (k1, k2, k3, k4) if fisheye else (k1, k2, p1, p2, k3)
    cx, cy = (width / 2 if cx is None else cx) - 0.5, (height / 2 if cy is None else cy) - 0.5
    K = pinhole(fx, number("fl_y") or fx, cx, cy)
    return Lens.of(K, (round(height), round(width)), distortion, fisheye=fisheye)
