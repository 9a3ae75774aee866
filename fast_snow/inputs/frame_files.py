"""Recordings whose images, depth, masks and poses lie in files of matching names: which frames have all of them."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from fast_snow.cameras import Intrinsics, rescale
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.image_files import RecordingFiles, check_unit, read_depth, recording_from_files
from fast_snow.inputs.lenses import Lens, calibrated
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.sampling import exact
from fast_snow.types import Transform
from fast_snow.untrusted_files import shown
from fast_snow.untrusted_images import read_rgb

USUAL_FPS = 10.0
"""Frames per second of images alone, where nothing tells their rate."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameFiles:
    """What lies in a folder, by the name of the frame; `None` where there is nothing of a kind.

    Attributes:
        folder: no file, links followed, may lie outside of it.
        color: images, in the order of time.
        depth: depth images.
        ids: id maps.
        poses: camera-to-world matrices; those that are not finite count as missing.
        lenses: calibrated cameras; None where `intrinsics` of the recording tell, or nothing does.
    """

    folder: Path
    color: Mapping[str, Path]
    depth: Mapping[str, Path] | None = None
    ids: Mapping[str, Path] | None = None
    poses: Mapping[str, Transform] | None = None
    lenses: Mapping[str, Lens] | None = None


def by_name(files: Iterable[Path], prefix: str = "") -> dict[str, Path]:
    """Return files by the name of their frame: the file's, without a prefix and the suffix."""
    return {path.stem.removeprefix(prefix): path for path in files}


def recording_of(
    frames: FrameFiles,
    *,
    times: Mapping[str, Fraction] | Fraction,
    depth_scale: float = 1000.0,
    intrinsics: Intrinsics | None = None,
    metric: bool = True,
) -> Recording:
    """Return the frames that have all that the recording brings; their images are read later, one by one.

    Args:
        frames: what there is.
        times: of each frame in seconds, or frames per second.
        depth_scale: stored units per metre of depth in integers.
        intrinsics: pinhole matrix of the depth images, or of the colour images without depth; for all frames.
        metric: whether depth and poses are in metres.

    Raises:
        InputError: no frame has all, or an image cannot be read or does not fit the others.

    Warns:
        FastSnowWarning: frames are left out.
    """
    names = list(frames.color)
    frames, rare = _rare_depth(frames, metric=metric)
    kept = _complete(frames, names)
    chosen = [names[k] for k in kept]
    files = RecordingFiles(
        folder=frames.folder,
        color=tuple(frames.color[name] for name in chosen),
        depth=_of(frames.depth, chosen),
        ids=_of(frames.ids, chosen),
    )
    some_depth = {i: rare[name] for i, name in enumerate(chosen) if name in rare}
    if some_depth and intrinsics is not None:
        intrinsics = _of_colour(intrinsics, next(iter(some_depth.values())), files)
    recording = recording_from_files(
        files,
        name=frames.folder.resolve().name,
        time=_times(times, chosen, kept),
        depth_scale=depth_scale,
        T_world_camera=None if frames.poses is None else np.stack([frames.poses[name] for name in chosen]),
        intrinsics=intrinsics,
        metric=metric,
    )
    if some_depth:
        check_unit(tuple(some_depth.values()), depth_scale, within=frames.folder)
        return replace(recording, read_some_depth=partial(_read_some, some_depth, depth_scale, frames.folder))
    lenses = frames.lenses
    return (
        recording
        if lenses is None
        else calibrated(recording, [lenses[name] for name in chosen], where=shown(frames.folder))
    )


def rate(fps: float | None, folder: Path) -> Fraction:
    """Return a frame rate; where nothing tells it, the usual one.

    Warns:
        FastSnowWarning: nothing tells it.
    """
    if fps is None:
        warnings.warn(
            f"{shown(folder)}: no frame rate given: assuming {USUAL_FPS:g} frames per second (--source.fps tells it)",
            FastSnowWarning,
            stacklevel=3,
        )
    return exact(fps or USUAL_FPS)


def _rare_depth(frames: FrameFiles, *, metric: bool) -> tuple[FrameFiles, Mapping[str, Path]]:
    """Part depth images from the frames where fewer than half have one: those would otherwise be all that is left.

    Warns:
        FastSnowWarning: that is so.
    """
    depth = frames.depth or {}
    if not depth or 2 * len(depth) >= len(frames.color) or not metric or frames.lenses is not None:
        return frames, {}
    warnings.warn(
        f"{shown(frames.folder)}: {len(depth)} of {len(frames.color)} frames have a depth image: depth is estimated,"
        " and these give its scale",
        FastSnowWarning,
        stacklevel=4,
    )
    return replace(frames, depth=None), depth


def _of_colour(intrinsics: Intrinsics, depth: Path, files: RecordingFiles) -> Intrinsics:
    """Return intrinsics of depth images for the colour images: rare ones are not counted as the recording's depth."""
    sizes = (read_depth(depth, 1.0, within=files.folder).shape, read_rgb(files.color[0], within=files.folder).shape[:2])
    return rescale(intrinsics, *sizes)


def _read_some(
    files: Mapping[int, Path], depth_scale: float, within: Path, index: int
) -> Float32[np.ndarray, "h w"] | None:
    return read_depth(files[index], depth_scale, within=within) if index in files else None


def _of(files: Mapping[str, Path] | None, names: Sequence[str]) -> tuple[Path, ...] | None:
    return None if files is None else tuple(files[name] for name in names)


def _complete(frames: FrameFiles, names: Sequence[str]) -> list[int]:
    """Return which frames have all that the recording brings; warn of the others."""
    finite = None
    if frames.poses is not None:
        finite = {name for name, pose in frames.poses.items() if np.isfinite(pose).all()}
    needed = [each for each in (frames.depth, frames.ids, finite, frames.lenses) if each is not None]
    kept = [k for k, name in enumerate(names) if all(name in each for each in needed)]
    if not kept:
        raise InputError(
            f"{shown(frames.folder)}: no frame has all of depth image, mask and finite pose; expected some"
        )
    if len(kept) < len(names):
        first = next(k for k in range(len(names)) if k not in set(kept))
        warnings.warn(
            f"{shown(frames.folder)}: {len(names) - len(kept)} of {len(names)} frames lack a depth image, a mask or a"
            f" finite pose and are left out (first: {frames.color[names[first]].name})",
            FastSnowWarning,
            stacklevel=4,
        )
    return kept


def _times(
    times: Mapping[str, Fraction] | Fraction, names: Sequence[str], index: Sequence[int]
) -> tuple[Fraction, ...]:
    if isinstance(times, Fraction):
        return tuple((each - index[0]) / times for each in index)
    return tuple(times[name] - times[names[0]] for name in names)
