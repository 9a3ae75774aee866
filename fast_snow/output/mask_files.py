"""The masks of a run as arrays in files, and read again: they may come from a stranger."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int32

from fast_snow import limits, untrusted_arrays
from fast_snow.errors import InputError
from fast_snow.kernels.masks import validate
from fast_snow.output.record import MASKS
from fast_snow.types import LabelledMasks, Masks
from fast_snow.untrusted_files import require_inside, shown

FRAMES_PER_FILE: Final = 120
"""Frames whose masks share a file; larger files might be refused when they are read (`limits.MASKS_UNPACKED`)."""
_ARRAYS: Final = ("frame_t", "t", "object_id", "start", "stop", "offset", "shape")


def mask_arrays(labelled: Sequence[LabelledMasks]) -> dict[str, Any]:
    """Return the masks of some frames as arrays: `t` and `object_id` per mask, and the runs of all masks."""
    shape = labelled[0].masks.shape if labelled else (0, 0)
    masks = Masks.concatenate([each.masks for each in labelled], shape)
    counts = [len(each.object_id) for each in labelled]
    return {
        "frame_t": np.array([each.t for each in labelled], dtype=np.int32),
        "t": np.repeat(np.array([each.t for each in labelled], dtype=np.int32), counts),
        "object_id": np.concatenate([np.zeros(0, np.int32), *(each.object_id for each in labelled)]),
        "start": masks.start,
        "stop": masks.stop,
        "offset": masks.offset,
        "shape": np.array(shape, dtype=np.int32),
    }


def read_masks(folder: Path) -> Iterator[LabelledMasks]:
    """Read the masks of a run, frame by frame in order.

    Args:
        folder: of the run.

    Yields:
        The masks of each frame with the objects they belong to.

    Raises:
        InputError: a file is damaged, too large, or a link that leads out of the folder.
    """
    if not (folder / MASKS).is_dir():
        return
    require_inside(folder / MASKS, folder)
    before = -1
    for path in sorted((folder / MASKS).glob("[0-9]*.npz")):
        frames = read_mask_file(path, within=folder, before=before)
        yield from frames
        before = frames[-1].t if frames else before


def read_mask_file(path: Path, *, within: Path | None = None, before: int = -1) -> tuple[LabelledMasks, ...]:
    """Read the masks of the frames that one file holds.

    Args:
        path: what `mask_arrays` returned, as an archive.
        within: the folder that the file, links followed, must not lie outside of.
        before: the last frame of the file before it.

    Raises:
        InputError: as `read_masks`.
    """
    try:
        arrays = untrusted_arrays.read_integers(
            path, _ARRAYS, limit=limits.MASKS_FILE, unpacked=limits.MASKS_UNPACKED, within=within
        )
        masks = _masks(arrays)
        _require_frames(arrays, before)
    except InputError as error:
        place = "" if str(error).startswith(shown(path)) else f"{shown(path)}: damaged: "
        raise InputError(f"{place}{error}; run infer again") from None
    return tuple(_by_frame(arrays["frame_t"], arrays["t"], arrays["object_id"], masks))


def _masks(arrays: dict[str, Int32[np.ndarray, " _"]]) -> Masks:
    shape = arrays["shape"]
    if len(shape) != 2 or min(shape) < 0 or int(shape[0]) * int(shape[1]) > limits.IMAGE_PIXELS.largest:
        raise InputError(f"a grid of {shape[:3].tolist()}, expected height and width of an image")
    masks = Masks(
        start=arrays["start"], stop=arrays["stop"], offset=arrays["offset"], shape=(int(shape[0]), int(shape[1]))
    )
    validate(masks)
    return masks


def _require_frames(arrays: dict[str, Int32[np.ndarray, " _"]], before: int) -> None:
    """Refuse frames and objects that a run cannot have written."""
    frames, t, object_id = arrays["frame_t"], arrays["t"], arrays["object_id"]
    if not len(t) == len(object_id) == len(arrays["offset"]) - 1:
        raise InputError(f"{len(t)} times and {len(object_id)} ids of {len(arrays['offset']) - 1} masks")
    if np.any(np.diff(frames, prepend=np.int32(before)) <= 0):
        raise InputError("frames that repeat or are out of order")
    if np.any(t[1:] < t[:-1]) or not np.isin(t, frames).all():
        raise InputError("masks that are out of order or of no frame")
    order = np.lexsort((object_id, t))
    repeated = (np.diff(t[order]) == 0) & (np.diff(object_id[order]) == 0)
    if repeated.any() or np.any(object_id < 0):
        raise InputError("objects that come twice in a frame or have no number")


def _by_frame(
    frames: Int32[np.ndarray, " f"], t: Int32[np.ndarray, " m"], object_id: Int32[np.ndarray, " m"], masks: Masks
) -> Iterator[LabelledMasks]:
    begins, ends = np.searchsorted(t, frames), np.searchsorted(t, frames, side="right")
    for when, begin, end in zip(frames.tolist(), begins.tolist(), ends.tolist(), strict=True):
        index = np.arange(begin, end)
        yield LabelledMasks(t=when, object_id=object_id[index], masks=masks[index])
