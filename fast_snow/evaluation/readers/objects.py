"""Objects of frames, from masks or from boxes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, TruthSource
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.masks import decode, encode
from fast_snow.limits import ANNOTATED_FRAMES
from fast_snow.types import GridShape, Masks, readonly

_NO_IDS: Final = readonly(np.empty(0, np.int64))
_NO_BOXES: Final = readonly(np.empty((0, 4), np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """One object of one frame as it is read; `where` is for messages."""

    object_id: int
    mask: Masks
    where: str


def from_masks(
    frame: int, object_id: Int64[np.ndarray, " m"], masks: Masks, ignore: Masks | None = None
) -> ObjectsInFrame:
    """Return a frame's objects with the boxes of their masks; an empty mask is no object.

    Args:
        frame: index in the input.
        object_id: one per mask.
        masks: on the grid of the annotated images.
        ignore: pixels that count neither way; several masks are joined, none is None.
    """
    seen = area(masks) > 0
    kept = masks[seen]
    return ObjectsInFrame(
        frame=frame,
        object_id=object_id[seen],
        box_xyxy=bounding_boxes(kept),
        masks=kept,
        ignore=None if ignore is None else joined(ignore),
    )


def joined(masks: Masks) -> Masks | None:
    """Return the pixels of any of the masks as a set of one; None where there are none."""
    if not area(masks).any():
        return None
    return encode(np.asarray(decode(masks).any(axis=0, keepdims=True)))


def gather_masks(
    frame: int, objects: Sequence[Labelled], shape: GridShape, ignore: Sequence[Masks] = ()
) -> ObjectsInFrame:
    """Return the objects of a frame, each mask a set of one.

    Args:
        frame: index in the input.
        objects: in any order.
        shape: height and width of the annotated images.
        ignore: pixels that count neither way.

    Raises:
        InputError: an id comes twice, or a mask is of another size.
    """
    if not objects and not ignore:
        return empty_frame(frame, _no_masks(shape))
    refuse_repeats((each.object_id, each.where) for each in objects)
    for each in objects:
        if each.mask.shape != shape:
            raise InputError(f"{each.where}: got a mask of {_text(each.mask.shape)}, expected {_text(shape)}")
    ordered = sorted(objects, key=lambda each: each.object_id)
    return from_masks(
        frame,
        np.array([each.object_id for each in ordered], dtype=np.int64),
        Masks.concatenate([each.mask for each in ordered], shape),
        Masks.concatenate(list(ignore), shape) if ignore else None,
    )


def empty_frame(frame: int, masks: Masks | None = None) -> ObjectsInFrame:
    """Return a frame that is annotated and has no object; there may be thousands.

    Args:
        frame: index in the input.
        masks: no masks, on the grid of the annotated images; None where objects have boxes alone.
    """
    return ObjectsInFrame(frame=frame, object_id=_NO_IDS, box_xyxy=_NO_BOXES, masks=masks)


@lru_cache(maxsize=1)
def _no_masks(shape: GridShape) -> Masks:
    return Masks.empty(shape)


def refuse_repeats(named: Iterable[tuple[int, str]]) -> None:
    """Refuse an id that comes twice among the objects of a frame.

    Args:
        named: ids, and where each stands.

    Raises:
        InputError: one does.
    """
    seen: set[int] = set()
    for object_id, where in named:
        if object_id in seen:
            raise InputError(f"{where}: id {object_id} comes a second time in its frame, expected each once")
        seen.add(object_id)


def every_frame(entries: Iterable[int], source: TruthSource) -> range:
    """Return the frames that a list annotates: those without an entry too, for they have no object.

    Args:
        entries: indices in the input that the list has something of.
        source: how many frames there are, where it says so; else the last entry's frame is the last.

    Raises:
        InputError: there are more than `limits.ANNOTATED_FRAMES`.
    """
    return require_few(source.frames if source.frames is not None else max(entries, default=-1) + 1, source.path)


def require_few(count: int, where: str) -> range:
    """Return so many frames; a damaged number must not fill the memory with empty ones. Raises as `every_frame`."""
    if count > ANNOTATED_FRAMES.largest:
        raise InputError(f"{where}: {count} frames, expected at most {ANNOTATED_FRAMES.largest}; correct the numbers")
    return range(count)


def paint_boxes(box_xyxy: Float32[np.ndarray, "m 4"], shape: GridShape) -> Masks:
    """Return the pixels whose centres any of the boxes holds, as a set of one mask.

    Args:
        box_xyxy: half-open boxes in pixels; what is outside the image is cut off.
        shape: height and width of the image.
    """
    height, width = shape
    dense = np.zeros((1, height, width), dtype=np.bool_)
    for x0, y0, x1, y1 in np.ceil(box_xyxy).clip(0, [width, height, width, height]).astype(np.int64):
        dense[0, y0:y1, x0:x1] = True
    return encode(dense)


def _text(shape: GridShape) -> str:
    return f"{shape[1]}x{shape[0]} pixels"
