"""Objects of a frame, from masks, boxes or COCO run-length encodings.

COCO's lengths go down the columns, from the left one to the right one, background first.
"""

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
from fast_snow.limits import ANNOTATED_FRAMES, IMAGE_PIXELS
from fast_snow.types import GridShape, Masks, readonly

_NO_IDS: Final = readonly(np.empty(0, np.int64))
_NO_BOXES: Final = readonly(np.empty((0, 4), np.float32))

_ZERO: Final = 48
_BITS: Final = 5
_MORE: Final = 32
_SIGN: Final = 16
_MOST_GROUPS: Final = 7
"""Thirty-five bits: more than any length and its sign need."""
_LONGEST: Final = 2**24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """One object of one frame as it is read, its mask a set of one; `where` is for messages.

    Pixels of an `ignored` one count neither way.
    """

    object_id: int
    mask: Masks
    where: str
    ignored: bool = False


def from_masks(
    frame: int, object_id: Int64[np.ndarray, " m"], masks: Masks, ignore: Masks | None = None
) -> ObjectsInFrame:
    """Return a frame's objects with the boxes of their masks; an empty mask is no object.

    Pixels of `ignore` count neither way: several masks are joined, and none is None.
    """
    seen = area(masks) > 0
    kept = masks[seen]
    return ObjectsInFrame(
        frame=frame,
        object_id=object_id[seen],
        box_xyxy=bounding_boxes(kept),
        masks=kept,
        ignore=None if ignore is None or not area(ignore).any() else _joined(ignore),
    )


def _joined(masks: Masks) -> Masks:
    return encode(np.asarray(decode(masks).any(axis=0, keepdims=True)))


def gather_masks(frame: int, labelled: Sequence[Labelled], shape: GridShape) -> ObjectsInFrame:
    """Return the objects of a frame, of masks that are all on a grid of `shape`.

    Raises:
        InputError: an id comes twice.
    """
    if not labelled:
        return empty_frame(frame, _no_masks(shape))
    objects = sorted((each for each in labelled if not each.ignored), key=lambda each: each.object_id)
    ignored = [each.mask for each in labelled if each.ignored]
    refuse_repeats((each.object_id, each.where) for each in objects)
    return from_masks(
        frame,
        np.array([each.object_id for each in objects], dtype=np.int64),
        Masks.concatenate([each.mask for each in objects], shape),
        Masks.concatenate(ignored, shape) if ignored else None,
    )


def empty_frame(frame: int, masks: Masks | None = None) -> ObjectsInFrame:
    """Return a frame that is annotated and has no object, with `masks` of none where others have masks."""
    return ObjectsInFrame(frame=frame, object_id=_NO_IDS, box_xyxy=_NO_BOXES, masks=masks)


@lru_cache(maxsize=1)
def _no_masks(shape: GridShape) -> Masks:
    return Masks.empty(shape)


def refuse_repeats(named: Iterable[tuple[int, str]]) -> None:
    """Raise `InputError` where an id comes twice among the objects of a frame; each comes with its place."""
    seen: set[int] = set()
    for object_id, where in named:
        if object_id in seen:
            raise InputError(f"{where}: id {object_id} comes a second time in its frame, expected each once")
        seen.add(object_id)


def every_frame(entries: Iterable[int], source: TruthSource) -> range:
    """Return the frames that a list annotates: those without an entry too, for they have no object.

    Where the source does not say how many there are, the frame of the last entry is the last.

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
    """Return the pixels whose centres any of the half-open boxes holds, cut off at the image, as a set of one mask."""
    height, width = shape
    dense = np.zeros((1, height, width), dtype=np.bool_)
    for x0, y0, x1, y1 in np.ceil(box_xyxy).clip(0, [width, height, width, height]).astype(np.int64):
        dense[0, y0:y1, x0:x1] = True
    return encode(dense)


def from_coco(counts: str | Sequence[int], shape: GridShape, *, where: str) -> Masks:
    """Return a mask of a grid that is written as COCO's run lengths, compressed or as numbers, as a set of one.

    Raises:
        InputError: they are no run lengths, or not of a mask of this size; the message begins with `where`.

    Reference:
        github.com/cocodataset/cocoapi, common/maskApi.c, rleToString and rleFrString: each length but the first three
        is written less the one two before it, as groups of five bits, low ones first, each plus 48 as a character; bit
        5 says that more follow, and bit 4 of the last group is the sign.
    """
    height, width = shape
    if height < 1 or width < 1 or height * width > IMAGE_PIXELS.largest:
        raise InputError(
            f"{where}: run lengths of a mask of {width}x{height} pixels, expected 1 to {IMAGE_PIXELS.largest} pixels"
        )
    if len(counts) > _LONGEST:
        raise InputError(f"{where}: {len(counts)} run lengths, expected at most {_LONGEST}")
    lengths = _decompressed(counts, where) if isinstance(counts, str) else _checked(counts, where)
    if (lengths < 0).any() or (lengths > height * width).any() or lengths.sum() != height * width:
        raise InputError(
            f"{where}: run lengths of {lengths.sum()} pixels in all, expected {height * width} of {width}x{height}"
            " pixels"
        )
    dense = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height)
    columns = np.flatnonzero(dense.any(axis=1))  # most objects are small: only the columns that they touch are encoded
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    narrow = encode(np.ascontiguousarray(dense[left:right].T)[None])
    moved = left + narrow.start // (right - left) * (width - right + left)
    return Masks(start=narrow.start + moved, stop=narrow.stop + moved, offset=narrow.offset, shape=shape)


def _checked(counts: Sequence[int], where: str) -> Int64[np.ndarray, " n"]:
    if not all(type(each) is int and 0 <= each <= IMAGE_PIXELS.largest for each in counts):
        raise InputError(f"{where}: run lengths with other values than integers from 0 on, expected pixel counts")
    return np.array(counts, dtype=np.int64)


def _decompressed(text: str, where: str) -> Int64[np.ndarray, " n"]:
    if not text.isascii():
        raise InputError(f"{where}: run lengths with characters beyond ASCII, expected COCO's compressed ones")
    group = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - _ZERO
    last = np.flatnonzero(group & _MORE == 0)
    first = np.concatenate([[0], last + 1])[: len(last)]
    place = (
        np.arange(len(group)) - np.repeat(first, last - first + 1) if len(last) and last[-1] + 1 == len(group) else None
    )
    if place is None or (group < 0).any() or (group >= 2 * _MORE).any() or (place >= _MOST_GROUPS).any():
        raise InputError(f"{where}: run lengths {text[:40]!r}, expected COCO's compressed ones")
    values = np.add.reduceat((group & (_MORE - 1)) << (_BITS * place), first)
    values -= np.where(group[last] & _SIGN, np.int64(1) << (_BITS * (place[last] + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
