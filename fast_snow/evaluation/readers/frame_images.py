"""Annotations stored as one PNG per frame: id maps (DAVIS, MOTS) and 16-bit depth.

Depth is read when it is asked for; 0 and 65535 are no measurement.

References:
    DAVIS: F. Perazzi et al., CVPR 2016 (255 is the one object); J. Pont-Tuset et al., arXiv 1704.00675 (indices into a
    palette are objects, 255 is ignored).
    MOTS: P. Voigtlaender et al., CVPR 2019: 16 bits hold 1000 times the class plus the object; 10000 is ignored.
    J. Shotton et al., Scene Coordinate Regression Forests, CVPR 2013: 7-Scenes marks missing depth by 65535.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, TruthSource
from fast_snow.evaluation.readers.data_files import numbered_files
from fast_snow.evaluation.readers.objects import from_masks
from fast_snow.inputs.image_files import read_depth
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

    The folder holds `00000.png` …; the first frame is number 0.
    """
    frames = list(_frames(folder, source))
    binary = all(not np.setdiff1d(ids, (0, IGNORE_8_BIT)).size for _, _, ids in frames)
    return tuple(_objects(index, ids, binary=binary, ignore=IGNORE_8_BIT) for index, _, ids in frames)


def read_mots_png(folder: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read MOTS annotations.

    In 16 bits a number is 1000 times the class plus the object, 10000 is ignored and classes that do not count are
    background. In 8 bits a number is an object and 255 is ignored.

    The folder holds `000000.png` …; the first frame is number 0 unless the source says otherwise (MOTSChallenge: 1).
    Classes that 8 bits cannot tell are an error.
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
        shape = _same_size(path, ids, shape)
        yield index, path, ids


def _same_size(path: Path, image: np.ndarray, first: GridShape | None) -> GridShape:
    """Return the size of an image, which must be that of the first."""
    height, width = image.shape
    if first not in (None, (height, width)):
        raise InputError(
            f"{shown(path)}: {width}x{height} pixels, expected {first[1]}x{first[0]} like the first: bring all to"
            " one size"
        )
    return height, width


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthImages:
    """Reads depth by index in the input, of images of one size with `depth_scale` units per metre."""

    files: dict[int, Path]
    depth_scale: float
    size: GridShape

    @property
    def frames(self) -> Collection[int]:
        """The annotated frames."""
        return self.files.keys()

    def __call__(self, index: int) -> Float32[np.ndarray, "h w"]:
        """Return metres along the optical axis, 0 where there is none.

        Raises:
            InputError: the frame has no depth image, or a damaged one.
        """
        if index not in self.files:
            first, last = min(self.files), max(self.files)
            raise InputError(f"no true depth of frame {index}, expected one of the annotated ones, {first} to {last}")
        depth = read_depth(self.files[index], self.depth_scale, within=self.files[index].parent)
        _same_size(self.files[index], depth, self.size)
        return depth


def open_depth_images(folder: Path, source: TruthSource, *, ending: str = ".png") -> DepthImages:
    """Open a folder of `000000.png` …, or of `frame-000000.depth.png` … (7-Scenes); the first frame is number 0.

    The first image is read at once and gives the size of all.
    """
    files = numbered_files(folder, ending, source)
    first = next(iter(files.values()))
    size = _same_size(first, read_depth(first, source.depth_scale, within=first.parent), None)
    return DepthImages(files=files, depth_scale=source.depth_scale, size=size)
