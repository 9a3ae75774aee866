"""Recordings whose images, depth, masks and poses lie in files of matching names: which frames have all of them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from fast_snow.cameras import Intrinsics, check_intrinsics, rescale
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.image_files import check_numbers, check_unit, read_depth, read_ids
from fast_snow.inputs.lenses import Lens, calibrated
from fast_snow.inputs.recording import Recording, check_registered
from fast_snow.inputs.sampling import exact
from fast_snow.types import GridShape, Transform
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

    def only(self, names: Sequence[str]) -> "FrameFiles":
        """Return the frames of these names, in their order; they have all that there is of any kind."""
        given = ((kind, getattr(self, kind)) for kind in ("color", "depth", "ids", "poses", "lenses"))
        picked: dict[str, Any] = {kind: {name: of[name] for name in names} for kind, of in given if of is not None}
        return replace(self, **picked)


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
    frames, rare = _rare_depth(frames, metric=metric)
    kept, names = _complete(frames), list(frames.color)
    frames = frames.only([names[k] for k in kept])
    some_depth = {i: rare[name] for i, name in enumerate(frames.color) if name in rare}
    if some_depth and intrinsics is not None:
        intrinsics = _of_colour(intrinsics, next(iter(some_depth.values())), frames)
    time = _times(times, list(frames.color), kept)
    recording = _recording(frames, time, depth_scale, intrinsics, metric=metric)
    if some_depth:
        check_unit(some_depth.values(), depth_scale, within=frames.folder)
        return replace(recording, read_some_depth=partial(_read_some, some_depth, depth_scale, frames.folder))
    if frames.lenses is None:
        return recording
    return calibrated(recording, list(frames.lenses.values()), where=shown(frames.folder))


def _recording(
    frames: FrameFiles,
    time: tuple[Fraction, ...],
    depth_scale: float,
    intrinsics: Intrinsics | None,
    *,
    metric: bool,
) -> Recording:
    """Return a recording that reads its images on demand; the first of each kind, read now, fixes the size."""
    folder, name = frames.folder, frames.folder.resolve().name
    # What comes with the images is that of the stored pixels: only images alone may be turned upright.
    upright = frames.depth is None and frames.ids is None and frames.poses is None and intrinsics is None
    of_color = partial(read_rgb, within=folder, upright=upright)
    of_depth = partial(read_depth, depth_scale=depth_scale, within=folder)
    read_color, color_size = _reader(frames.color, of_color)
    read_one_depth, depth_size = _reader(frames.depth or {}, of_depth, color_size)
    check_registered(name, "depth", depth_size, color_size)
    check_unit((frames.depth or {}).values(), depth_scale, within=folder)
    read_one_map, ids_size = _reader(frames.ids or {}, partial(read_ids, within=folder), color_size)
    check_registered(name, "masks", ids_size, color_size)
    check_numbers((frames.ids or {}).values(), within=folder)
    if intrinsics is not None:
        check_intrinsics(intrinsics, depth_size, where=name)
    return Recording(
        name=name,
        time=time,
        color_size=color_size,
        read_color=read_color,
        read_depth=read_one_depth if frames.depth else None,
        read_ids=read_one_map if frames.ids else None,
        T_world_camera=None if frames.poses is None else np.stack(list(frames.poses.values())),
        intrinsics=intrinsics,
        metric=metric,
    )


def _reader(
    files: Mapping[str, Path], read: Callable[[Path], np.ndarray], size: GridShape = (0, 0)
) -> tuple[Callable[[int], np.ndarray], GridShape]:
    """Return what reads the image of a frame, and their size: that of the first, or the given one without any."""
    paths = tuple(files.values())
    if paths:
        size = _size(read(paths[0]))
    return partial(_read_at, paths, read, size), size


def _read_at(files: tuple[Path, ...], read: Callable[[Path], np.ndarray], size: GridShape, index: int) -> np.ndarray:
    image = read(files[index])
    if _size(image) != size:
        height, width = image.shape[:2]
        raise InputError(
            f"{shown(files[index])}: {width}x{height} pixels; expected {size[1]}x{size[0]} like the first: bring all to"
            " one size"
        )
    return image


def _size(image: np.ndarray) -> GridShape:
    return image.shape[0], image.shape[1]


def warn_left_out(where: str, count: int, total: int, why: str) -> None:
    """Warn of what is left out of an input, if anything is."""
    if count:
        warnings.warn(f"{where}: {count} of {total} {why} and are left out", FastSnowWarning, stacklevel=4)


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


def _of_colour(intrinsics: Intrinsics, depth: Path, frames: FrameFiles) -> Intrinsics:
    """Return intrinsics of depth images for the colour images: rare ones are not counted as the recording's depth."""
    color, folder = next(iter(frames.color.values())), frames.folder
    return rescale(intrinsics, read_depth(depth, 1.0, within=folder).shape, _size(read_rgb(color, within=folder)))


def _read_some(
    files: Mapping[int, Path], depth_scale: float, within: Path, index: int
) -> Float32[np.ndarray, "h w"] | None:
    return read_depth(files[index], depth_scale, within=within) if index in files else None


def _complete(frames: FrameFiles) -> list[int]:
    """Return which frames have all that the recording brings; warn of the others."""
    names = list(frames.color)
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
