"""Id maps, one PNG image of grey levels or palette indices per frame: DAVIS, and MOTS.

References:
    DAVIS: F. Perazzi et al., CVPR 2016 (255 is the one object); J. Pont-Tuset et al., arXiv 1704.00675 (indices into a
    palette are objects, 255 is ignored).
    MOTS: P. Voigtlaender et al., CVPR 2019: 16 bits hold 1000 times the class plus the object; 10000 is ignored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8, UInt16

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, TruthSource
from fast_snow.evaluation.readers.data_files import numbered_files
from fast_snow.evaluation.readers.objects import from_masks
from fast_snow.kernels.masks import encode_labels
from fast_snow.types import GridShape
from fast_snow.untrusted_files import shown
from fast_snow.untrusted_images import read_channel

IGNORE_8_BIT: Final = 255
IGNORE_16_BIT: Final = 10_000
_PER_CLASS: Final = 1000

_Ids = UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]


def read_davis(folder: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read DAVIS annotations.

    Where no image of the folder has another number than 0 and 255, 255 is one object, of id 1. Else every number is an
    object, and 255 is ignored. Frames without an image are not annotated.

    Args:
        folder: of `00000.png` …; the first frame is number 0.
        source: what is known of it.

    Raises:
        InputError: a file is missing, no id map, or of another size than the first.
    """
    frames = list(_frames(folder, source))
    binary = all(not np.setdiff1d(ids, (0, IGNORE_8_BIT)).size for _, _, ids in frames)
    return tuple(_objects(index, ids, binary=binary, ignore=IGNORE_8_BIT) for index, _, ids in frames)


def read_mots_png(folder: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read MOTS annotations.

    In 16 bits a number is 1000 times the class plus the object, 10000 is ignored and classes that do not count are
    background. In 8 bits a number is an object and 255 is ignored.

    Args:
        folder: of `000000.png` …; the first frame is number 0 unless the source says otherwise (MOTSChallenge: 1).
        source: what is known of it.

    Raises:
        InputError: a file is missing, no id map, or of another size than the first; or classes are asked for that 8
            bits cannot tell.
    """
    frames = []
    for index, path, ids in _frames(folder, source):
        if ids.dtype == np.uint8 and source.classes:
            raise InputError(
                f"{shown(path)}: 8 bits tell no classes, expected 16; leave classes out to take all objects"
            )
        if ids.dtype == np.uint16:
            counted = np.array([source.counts(str(each)) for each in range(2**16 // _PER_CLASS + 1)])
            ids = np.where(counted[ids // _PER_CLASS] | (ids == IGNORE_16_BIT), ids, 0).astype(np.uint16)
        frames.append(_objects(index, ids, ignore=IGNORE_8_BIT if ids.dtype == np.uint8 else IGNORE_16_BIT))
    return tuple(frames)


def _frames(folder: Path, source: TruthSource) -> Iterator[tuple[int, Path, _Ids]]:
    shape: GridShape | None = None
    for index, path in numbered_files(folder, ".png", source).items():
        ids = _read(path)
        height, width = ids.shape
        if shape is not None and ids.shape != shape:
            raise InputError(
                f"{shown(path)}: {width}x{height} pixels, expected {shape[1]}x{shape[0]} like the first: bring"
                " all to one size"
            )
        shape = (height, width)
        yield index, path, ids


def _read(path: Path) -> _Ids:
    stored = read_channel(path, within=path.parent)
    ids = stored.astype(np.uint8) if stored.dtype == np.bool_ else stored
    if ids.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{shown(path)}: one channel of {ids.dtype}, expected object numbers of 8 or 16 bits")
    return ids


def _objects(index: int, ids: _Ids, *, ignore: int, binary: bool = False) -> ObjectsInFrame:
    known = np.flatnonzero(np.bincount(ids.reshape(-1))).astype(np.int32)
    labels = ids.astype(np.int32)
    if binary:
        one = known[known > 0]
        return from_masks(index, np.ones(len(one), dtype=np.int64), encode_labels(labels, one))
    objects = known[(known > 0) & (known != ignore)]
    ignored = encode_labels(labels, np.array([ignore], dtype=np.int32)) if ignore in known else None
    return from_masks(index, objects.astype(np.int64), encode_labels(labels, objects), ignored)
