"""TUM RGB-D folders: rgb.txt and any of depth.txt, groundtruth.txt and masks/.

Reference: Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012, and its file formats.
"""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from fast_snow.cameras import pinhole
from fast_snow.errors import InputError
from fast_snow.inputs.frame_files import FrameFiles, recording_of, warn_left_out
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_meta import RecordingMeta, read_meta
from fast_snow.inputs.tum_lists import (
    TumList,
    image_path,
    nearest_stamps,
    pose,
    read_list,
    with_files,
    with_finite_poses,
)
from fast_snow.types import GridShape
from fast_snow.untrusted_files import shown

_KINECT_SIZE: GridShape = (480, 640)
_KINECT_SCALE = 5000.0
_KINECT_INTRINSICS = pinhole(525.0, 525.0, 319.5, 239.5)


def read_tum_folder(folder: Path) -> Recording:
    """Open a TUM RGB-D folder; its images are read later, one by one.

    Colour images without a depth image, a pose or a mask where others have one are left out; depth images and poses
    belong to the colour image within 20 ms. Images of 640x480 pixels take the benchmark's intrinsics and depth scale
    (Kinect) unless a `meta.json` has `intrinsics` or `depth_scale`; others need it. Time stamps in milli-, micro- or
    nanoseconds are recognised. `masks/` may hold id maps named like the colour images.

    Raises:
        InputError: a file is missing, damaged, or does not fit the others.

    Warns:
        FastSnowWarning: frames are left out, or time stamps are not in seconds.
    """
    color = with_files(read_list(folder / "rgb.txt", words=1))
    depth = poses = None
    if os.path.lexists(folder / "depth.txt"):
        depth = with_files(read_list(folder / "depth.txt", words=1, like=color.unit))
    if os.path.lexists(folder / "groundtruth.txt"):
        poses = with_finite_poses(read_list(folder / "groundtruth.txt", words=7, like=color.unit))
    masks = _masks(folder, color)
    of_depth, of_pose = nearest_stamps(color, depth), nearest_stamps(color, poses)
    kept = _kept(folder, (of_depth >= 0) & (of_pose >= 0), masks)
    frames = FrameFiles(
        folder=folder,
        color={str(k): image_path(color, color.entries[k]) for k in kept},
        depth=None if depth is None else {str(k): image_path(depth, depth.entries[of_depth[k]]) for k in kept},
        ids=None if masks is None else {str(k): masks[k] for k in kept},
        poses=None if poses is None else {str(k): pose(poses, poses.entries[of_pose[k]]) for k in kept},
    )
    meta = read_meta(folder / "meta.json", required=()) if os.path.lexists(folder / "meta.json") else RecordingMeta()
    recording = recording_of(
        frames,
        times={str(k): color.entries[k].stamp for k in kept},
        depth_scale=meta.depth_scale or _KINECT_SCALE,
        intrinsics=meta.intrinsics,
    )
    return _with_kinect(recording, frames, meta, folder / "meta.json")


def _masks(folder: Path, color: TumList) -> tuple[Path, ...] | None:
    """Return where the mask of each colour image would be; None where there are none."""
    if not (folder / "masks").is_dir():
        return None
    stems = [image_path(color, entry).stem for entry in color.entries]
    stem, count = Counter(stems).most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{shown(color.path)}: {count} images named {shown(Path(stem))}; expected each once, for their masks have"
            " the same names: rename or remove the others"
        )
    return tuple(folder / "masks" / f"{stem}.png" for stem in stems)


def _kept(folder: Path, near: Bool[np.ndarray, " n"], masks: tuple[Path, ...] | None) -> list[int]:
    """Return which colour images have all that the folder brings; warn of the others."""
    if not near.any():
        raise InputError(
            f"{shown(folder)}: no colour image has depth and pose within 20 ms; expected one clock: check the stamps"
        )
    masked = near if masks is None else near & np.array([os.path.isfile(path) for path in masks])  # noqa: PTH113 (is_file raises for over-long names)
    if not masked.any():
        raise InputError(f"{shown(folder / 'masks')}: no mask of the name of a colour image; expected them: rename")
    for kept, before, what in ((near, np.ones_like(near), "depth or no pose within 20 ms"), (masked, near, "mask")):
        missing = int(np.count_nonzero(before & ~kept))
        warn_left_out(shown(folder), missing, len(near), f"colour images have no {what}")
    return np.flatnonzero(masked).tolist()


def _with_kinect(recording: Recording, frames: FrameFiles, meta: RecordingMeta, path: Path) -> Recording:
    """Fill in Kinect's intrinsics for images of its size; refuse to guess those of other cameras."""
    depth_size = _KINECT_SIZE if recording.read_depth is None else recording.read_depth(0).shape
    if recording.color_size == depth_size == _KINECT_SIZE:
        return recording if meta.intrinsics is not None else replace(recording, intrinsics=_KINECT_INTRINSICS)
    missing = []
    if meta.intrinsics is None and (recording.has_depth or recording.has_poses):
        missing.append('"intrinsics": {"fx": …, "fy": …, "cx": …, "cy": …}')
    if meta.depth_scale is None and any(file.suffix.lower() == ".png" for file in (frames.depth or {}).values()):
        missing.append('"depth_scale": 1000.0 (stored units per metre)')
    if missing:
        height, width = recording.color_size
        raise InputError(
            f"{shown(path)}: expected {' and '.join(missing)} for images of {width}x{height} (only 640x480 is taken as"
            " Kinect's): add what is missing"
        )
    return recording
