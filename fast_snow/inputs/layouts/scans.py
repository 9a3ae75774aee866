"""Export layouts of indoor scans: ScanNet, ScanNet++ (iPhone), Replica and ARKitScenes; all in metres.

Readers raise `InputError` where a file is missing, damaged, or does not fit the others, and warn of frames that lack a
file or a pose and are left out.

References: ScanNet's SensReader, the ScanNet++ toolkit, NICE-SLAM's renderings of Replica, ARKitScenes' threedod data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from fast_snow import untrusted_json
from fast_snow.cameras import pinhole, rigid_if_finite
from fast_snow.config import SourceConfig
from fast_snow.errors import InputError
from fast_snow.inputs.frame_files import FrameFiles, recording_of
from fast_snow.inputs.image_files import (
    COLOR_SUFFIXES,
    DEPTH_SUFFIXES,
    ID_SUFFIXES,
    by_name,
    image_files,
    images_by_name,
)
from fast_snow.inputs.lenses import Lens
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.sampling import exact
from fast_snow.inputs.text_tables import numbered_lines, numbers
from fast_snow.inputs.time_stamps import nearest_within, parse_stamp
from fast_snow.limits import DATASET_JSON_FILE, SMALL_JSON_FILE
from fast_snow.typed_json import build_dataclass, entries, more_than
from fast_snow.types import Transform
from fast_snow.untrusted_files import shown
from fast_snow.untrusted_images import read_rgb

_SCANNET_FPS: Final = 30.0
_REPLICA_FPS: Final = 30.0
_MILLIMETRES: Final = 1000.0
_LARGEST_GAP_NS: Final = 20_000_000
_NS: Final = 10**9
POSE_FILE: Final = "pose_intrinsic_imu.json"
"""Of ScanNet++, in `iphone/`."""


def read_scannet(folder: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open ScanNet's SensReader export: `color/`, `depth/`, `pose/`, `intrinsic/`, and perhaps `instance-filt/`."""
    color = image_files(folder / "color", COLOR_SUFFIXES)
    depth = images_by_name(folder / "depth", DEPTH_SUFFIXES)
    labels = next((folder / name for name in ("instance-filt", "instance") if (folder / name).is_dir()), None)
    K = _numbers(folder / "intrinsic" / f"intrinsic_{'color' if depth is None else 'depth'}.txt", folder)
    poses = {path.stem: path for path in (folder / "pose").glob("*.txt") if not path.name.startswith(".")}
    return recording_of(
        FrameFiles(
            folder=folder,
            color=by_name(color),
            depth=depth,
            ids=None if labels is None else by_name(image_files(labels, ID_SUFFIXES)),
            poses={name: _checked(_numbers(path, folder), shown(path)) for name, path in poses.items()},
        ),
        times=exact(options.fps or _SCANNET_FPS),
        depth_scale=_MILLIMETRES,
        intrinsics=K[:3, :3],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _IPhoneFrame:
    timestamp: float
    intrinsic: Annotated[tuple[tuple[float, ...], ...], entries(3, 3)]
    pose: Annotated[tuple[tuple[float, ...], ...], entries(4, 4)] | None = None
    aligned_pose: Annotated[tuple[tuple[float, ...], ...], entries(4, 4)] | None = None


def read_scannetpp(folder: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open a ScanNet++ scene's iPhone: `iphone/rgb/`, `iphone/depth/` and `iphone/pose_intrinsic_imu.json`."""
    phone = folder / "iphone"
    where = shown(phone / POSE_FILE)
    document = untrusted_json.load(phone / POSE_FILE, limit=DATASET_JSON_FILE, within=folder)
    if not isinstance(document, dict):
        raise InputError(f"{where}: a JSON {type(document).__name__}; expected an object of frames")
    color = by_name(image_files(phone / "rgb", COLOR_SUFFIXES))
    listed = {
        name: build_dataclass(_IPhoneFrame, document[name], f"{where}: {name[:40]}", extra=True)
        for name in color
        if name in document
    }
    size = read_rgb(next(iter(color.values())), within=folder).shape
    color = {name: color[name] for name in sorted(listed, key=lambda name: listed[name].timestamp)}
    if not color:
        raise InputError(f"{where}: names none of the images in rgb/; expected frame_000000 …: check the export")
    return recording_of(
        FrameFiles(
            folder=folder,
            color=color,
            depth=images_by_name(phone / "depth", DEPTH_SUFFIXES),
            poses={name: _iphone_pose(each, f"{where}: {name}") for name, each in listed.items()},
            lenses={name: _lens(np.array(each.intrinsic), (size[0], size[1]), where) for name, each in listed.items()},
        ),
        times={name: exact(each.timestamp) for name, each in listed.items()}
        if options.fps is None
        else exact(options.fps),
        depth_scale=_MILLIMETRES,
    )


def _iphone_pose(frame: _IPhoneFrame, where: str) -> Transform:
    given = frame.aligned_pose or frame.pose
    if given is None:
        raise InputError(f"{where}: no pose; expected aligned_pose or pose, a camera-to-world matrix: export it again")
    return _checked(np.array(given), where)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReplicaCamera:
    fx: Annotated[float, more_than(0)]
    fy: Annotated[float, more_than(0)]
    cx: float
    cy: float
    scale: Annotated[float, more_than(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReplicaCameras:
    camera: _ReplicaCamera


def read_replica(folder: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open a rendering of Replica: `results/`, `traj.txt`, and `cam_params.json` here or in the folder above."""
    images = folder / "results"
    parameters = next(
        (each / "cam_params.json" for each in (folder, folder.parent) if (each / "cam_params.json").is_file()), None
    )
    if parameters is None:
        raise InputError(
            f"{shown(folder)}: no cam_params.json here or in the folder above; expected that of the data set: copy it"
        )
    document = untrusted_json.load(parameters, limit=SMALL_JSON_FILE, within=parameters.parent)
    camera = build_dataclass(_ReplicaCameras, document, shown(parameters), extra=True).camera
    files = image_files(images, COLOR_SUFFIXES | DEPTH_SUFFIXES)
    color = by_name((path for path in files if path.name.startswith("frame")), "frame")
    depth = by_name((path for path in files if path.name.startswith("depth")), "depth")
    if not color:
        raise InputError(f"{shown(images)}: no image named frame000000.jpg …; expected them: check the export")
    lines = [
        (shown(folder / "traj.txt") + f" line {number}", line)
        for number, line in numbered_lines(folder / "traj.txt", within=folder)
    ]
    if len(lines) < len(color):
        raise InputError(f"{shown(folder / 'traj.txt')}: {len(lines)} poses for {len(color)} images; expected one each")
    return recording_of(
        FrameFiles(
            folder=folder,
            color=color,
            depth=depth or None,
            poses={
                name: _checked(_matrix(line, where), where) for name, (where, line) in zip(color, lines, strict=False)
            },
        ),
        times=exact(options.fps or _REPLICA_FPS),
        depth_scale=camera.scale,
        intrinsics=pinhole(camera.fx, camera.fy, camera.cx, camera.cy),
    )


def read_arkit_scenes(folder: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open an ARKitScenes clip: `lowres_wide/`, `lowres_depth/`, `lowres_wide_intrinsics/` and `lowres_wide.traj`.

    The pose within 20 ms belongs to an image; images without one, or without a depth image, are left out.
    """
    color = by_name(image_files(folder / "lowres_wide", COLOR_SUFFIXES))
    stamp_ns = {name: _stamp_ns(name.rsplit("_", 1)[-1], f"{shown(folder)}: lowres_wide/{name}") for name in color}
    names = sorted(color, key=stamp_ns.__getitem__)
    times, poses = _arkit_trajectory(folder / "lowres_wide.traj", folder)
    nearest = nearest_within(np.array([stamp_ns[name] for name in names]), times, _LARGEST_GAP_NS)
    return recording_of(
        FrameFiles(
            folder=folder,
            color={name: color[name] for name in names},
            depth=images_by_name(folder / "lowres_depth", DEPTH_SUFFIXES),
            poses={name: poses[k] for name, k in zip(names, nearest.tolist(), strict=True) if k >= 0},
            lenses={path.stem: _pincam(path, folder) for path in (folder / "lowres_wide_intrinsics").glob("*.pincam")},
        ),
        times={name: Fraction(stamp_ns[name], _NS) for name in names} if options.fps is None else exact(options.fps),
        depth_scale=_MILLIMETRES,
    )


def _arkit_trajectory(path: Path, folder: Path) -> tuple[np.ndarray, list[Transform]]:
    """Return stamps in nanoseconds, ascending, and camera-to-world poses; lines hold axis-angle and translation."""
    found: dict[int, Transform] = {}
    for number, line in numbered_lines(path, within=folder):
        where = f"{shown(path)} line {number}"
        stamp, *words = line.split()
        turn_and_shift = _floats(words, 6, where)
        T_camera_world = np.eye(4)
        T_camera_world[:3, :3] = Rotation.from_rotvec(turn_and_shift[:3]).as_matrix()
        T_camera_world[:3, 3] = turn_and_shift[3:]
        found[_stamp_ns(stamp, where)] = np.linalg.inv(T_camera_world)
    if not found:
        raise InputError(f"{shown(path)}: no lines; expected a time stamp and six numbers on each: check the file")
    order = sorted(found)
    return np.array(order), [_checked(found[stamp], shown(path)) for stamp in order]


def _pincam(path: Path, folder: Path) -> Lens:
    """Return the camera of a line: width, height, fx, fy, cx, cy."""
    lines = [line for _, line in numbered_lines(path, within=folder)]
    width, height, fx, fy, cx, cy = _floats(lines[0].split() if lines else [], 6, shown(path))
    return _lens(pinhole(fx, fy, cx, cy), (round(height), round(width)), shown(path))


def _stamp_ns(word: str, where: str) -> int:
    stamp = parse_stamp(word)
    if stamp is None or abs(stamp) > _NS:
        raise InputError(f"{where}: time stamp {word[:40]!r}; expected seconds as a number: correct it")
    return round(stamp * _NS)


def _lens(K: Float64[np.ndarray, "3 3"], size: tuple[int, int], where: str) -> Lens:
    if K.shape != (3, 3) or min(size) < 1:
        raise InputError(f"{where}: intrinsics of shape {K.shape}; expected a pinhole matrix of 3x3: export it again")
    return Lens.of(K, size)


def _numbers(path: Path, folder: Path) -> Float64[np.ndarray, "4 4"]:
    """Return the 4x4 matrix of a text file."""
    return _matrix(" ".join(line for _, line in numbered_lines(path, within=folder)), shown(path))


def _matrix(line: str, where: str) -> Float64[np.ndarray, "4 4"]:
    return _floats(line.split(), 16, where).reshape(4, 4)


def _floats(words: Sequence[str], count: int, where: str) -> Float64[np.ndarray, " n"]:
    return numbers(words, count, where, expected=f"{count} numbers: export it again")


def _checked(pose: Transform, where: str) -> Transform:
    if pose.shape != (4, 4):
        raise InputError(f"{where}: a pose of shape {pose.shape}; expected 4x4: export it again")
    return rigid_if_finite(pose, where=where)
