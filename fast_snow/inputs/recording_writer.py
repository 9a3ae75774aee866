"""Writes any input as a recording folder: images, and what is known of depth, poses and masks, without loss."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int32

from fast_snow.cameras import rescale
from fast_snow.errors import FastSnowWarning, OutputError
from fast_snow.inputs.recording import IGNORE, Recording, SomeDepthReader
from fast_snow.inputs.recording_folder import POSES
from fast_snow.inputs.sampled import Input
from fast_snow.protocols import Progress, silent
from fast_snow.untrusted_files import shown

_UNEVEN = 0.1
"""Of the mean interval: time stamps further off are told of."""


def write_recording(
    source: Input, folder: Path, *, depth_scale: float | None = None, progress: Progress = silent
) -> int:
    """Write the frames of an input as a recording folder: `meta.json` last, so that half a folder is none.

    Args:
        source: its sampled frames are written.
        folder: where to; it must be new or empty.
        depth_scale: stored units per metre of depth in 16-bit PNG images; None writes the metres themselves as TIFF.
        progress: told how many frames are written.

    Returns:
        How many frames were written.

    Raises:
        OutputError: the folder holds something or cannot be written, or object numbers do not fit an image.
        InputError: the input is found damaged while it is read.

    Warns:
        FastSnowWarning: frames are not evenly spaced, or their intrinsics differ: a recording folder holds one of each.
    """
    times, index = list[float](), list[int]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError(f"{shown(folder)}: not empty; expected a new folder: give another name")
        for frame in source.read():
            name = f"{len(index):06d}"
            _write(folder / "color" / f"{name}.png", frame.image[:, :, ::-1])
            if source.recording is not None:
                _write_known(folder, name, source.recording, frame.source_frame, depth_scale)
            times.append(frame.time_s)
            index.append(frame.source_frame)
            progress("frames", len(index), source.expected_frames or 0)
        if source.recording is not None and source.recording.T_world_camera is not None:
            poses = source.recording.T_world_camera[index].reshape(-1, 16).tolist()
            (folder / POSES).write_text("".join(" ".join(map(repr, each)) + "\n" for each in poses), encoding="utf-8")
        meta = _meta(source, np.array(times), index, depth_scale)
        (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{shown(folder)}: cannot be written ({error}); expected a folder with room: give another"
        ) from error
    return len(index)


def _write_known(folder: Path, name: str, recording: Recording, k: int, depth_scale: float | None) -> None:
    """Write depth and masks of a frame, where the recording has them."""
    depth = None if (read := _depth_reader(recording)) is None else read(k)
    if depth is not None:
        if depth_scale is None:
            _write(folder / "depth" / f"{name}.tiff", depth)
        else:
            _write(folder / "depth" / f"{name}.png", _stored(depth, depth_scale))
    if recording.read_ids is not None:
        _write(folder / "masks" / f"{name}.png", _id_map(recording.read_ids(k), folder))


def _depth_reader(recording: Recording) -> SomeDepthReader | None:
    """Return what reads depth of all frames or of some; a recording folder needs intrinsics with either."""
    return recording.read_depth or (recording.read_some_depth if recording.intrinsics is not None else None)


def _stored(depth: Float32[np.ndarray, "h w"], depth_scale: float) -> np.ndarray:
    """Return depth in 16 bits; what lies beyond them is no measurement."""
    stored = np.rint(depth * depth_scale)
    return np.where(stored < np.iinfo(np.uint16).max, stored, 0).astype(np.uint16)


def _id_map(ids: Int32[np.ndarray, "h w"], folder: Path) -> np.ndarray:
    """Return an id map in 8 bits, where 255 is neither background nor an object; in 16 bits where ids need them."""
    largest = ids.max(initial=0)
    if largest < np.iinfo(np.uint8).max:
        return np.where(ids == IGNORE, np.iinfo(np.uint8).max, ids).astype(np.uint8)
    if largest > np.iinfo(np.uint16).max:
        raise OutputError(
            f"{shown(folder)}: object number {largest}; expected at most 65535 in an image: renumber them"
        )
    return np.where(ids == IGNORE, 0, ids).astype(np.uint16)


def _meta(
    source: Input, times: Float64[np.ndarray, " n"], index: list[int], depth_scale: float | None
) -> dict[str, Any]:
    """Return what meta.json says."""
    recording = source.recording
    meta: dict[str, Any] = {"fps": _rate(times)}
    if recording is None:
        return meta
    read = _depth_reader(recording)
    depth = None if read is None else next((each for each in map(read, index) if each is not None), None)
    if depth is not None:
        meta["depth_scale"] = depth_scale or 1.0
    if recording.intrinsics is not None:
        K = recording.intrinsics if recording.intrinsics.ndim == 2 else np.median(recording.intrinsics[index], axis=0)
        if (
            recording.intrinsics.ndim == 3
            and np.abs(recording.intrinsics[index] / np.where(K, K, 1) - 1)[..., [0, 1], [0, 1]].max() > 1e-3
        ):
            _warn("the frames' intrinsics differ; their median is written")
        if not recording.has_depth:
            K = rescale(K, recording.color_size, source.size if depth is None else depth.shape)
        names = (("fx", 0, 0), ("fy", 1, 1), ("cx", 0, 2), ("cy", 1, 2))
        meta["intrinsics"] = {name: float(K[row, column]) for name, row, column in names}
    return meta if recording.metric else meta | {"metric": False}


def _rate(times: Float64[np.ndarray, " n"]) -> float | None:
    """Return the frames per second; None of a single frame."""
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    interval = (times[-1] - times[0]) / (len(times) - 1)
    if np.abs(np.diff(times) - interval).max() > _UNEVEN * interval:
        _warn("the frames are not evenly spaced in time; a recording folder holds only their mean rate")
    return float(round(1 / interval, 9))


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    if not cv2.imwrite(os.fspath(path), image):
        raise OSError(f"{path.name} was refused")


def _warn(message: str) -> None:
    warnings.warn(message, FastSnowWarning, stacklevel=4)
