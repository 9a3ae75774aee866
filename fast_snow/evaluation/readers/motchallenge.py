"""MOTChallenge and MOTS text: `frame,id,left,top,width,height,confidence,…` and `frame id class height width runs`.

References:
    A. Milan et al., MOT16: A Benchmark for Multi-Object Tracking, arXiv 1603.00831, section 3.3: all counts from 1,
    the image's first pixel too. In ground truth the seventh column says whether a line counts, and the eighth is its
    class; results and the ground truth of 2015 have a position in space there, -1 where it is not known.
    P. Voigtlaender et al., MOTS: Multi-Object Tracking and Segmentation, CVPR 2019, and its file format; class 10 is
    ignored.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, TruthSource
from fast_snow.evaluation.readers.data_files import TextRow, read_rows
from fast_snow.evaluation.readers.objects import (
    Labelled,
    empty_frame,
    every_frame,
    from_coco,
    gather_masks,
    refuse_repeats,
)
from fast_snow.types import GridShape

_FIRST: Final = 1
_WITHOUT_CLASSES: Final = 10
"""As many columns have lines with a position in space; ground truth with classes has nine."""
IGNORED_CLASS: Final = 10
"""Of MOTS."""


def read_boxes(path: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read ground truth; lines whose seventh column is 0 are left out.

    Boxes become half-open ones that count from 0: `x0 = left - 1`, `x1 = x0 + width`. Every frame up to the last is
    annotated: one without a line has no object. Classes that do not count are left out too; the benchmark's own
    evaluation goes further and forgives what is found on its distractor classes. Where classes are asked for that the
    file lacks, that is an error.
    """
    return _read(path, source, lambda row: row.number(6, "confidence") != 0 and _counts(row, source))


def read_results(path: Path, source: TruthSource, *, min_confidence: float = -np.inf) -> tuple[ObjectsInFrame, ...]:
    """Read a tracker's results: as `read_boxes`, but the seventh column is a confidence, at least `min_confidence`."""
    return _read(path, source, lambda row: row.number(6, "confidence") >= min_confidence)


def _counts(row: TextRow, source: TruthSource) -> bool:
    if not source.classes:
        return True
    if len(row.words) in (7, _WITHOUT_CLASSES):
        raise InputError(f"{row.where}: {len(row.words)} columns tell no class, expected 9; leave classes out")
    return source.counts(str(row.integer(7, "class")))


def _read(path: Path, source: TruthSource, keep: Callable[[TextRow], bool]) -> tuple[ObjectsInFrame, ...]:
    kept: dict[int, list[TextRow]] = defaultdict(list)
    for row in read_rows(path, columns=7, separator=","):
        index = source.index(row.integer(0, "frame"), _FIRST)
        if index is not None and keep(row):
            kept[index].append(row)
    if not kept:
        raise InputError(f"{path}: no box in the clip's frames, expected lines of frame,id,left,top,width,height,…")
    return tuple(_objects(index, kept.get(index, ())) for index in every_frame(kept, source))


def _objects(index: int, rows: Sequence[TextRow]) -> ObjectsInFrame:
    if not rows:
        return empty_frame(index)
    named = sorted(((row.integer(1, "id"), row) for row in rows), key=lambda each: each[0])
    refuse_repeats((object_id, row.where) for object_id, row in named)
    for _, row in named:
        if min(row.numbers(4, 6, "width or height")) <= 0:
            raise InputError(f"{row.where}: a box of {row.words[4]} by {row.words[5]}, expected more than 0")
    corners = np.array([row.numbers(2, 6, "box") for _, row in named], dtype=np.float64).reshape(-1, 4)
    corners[:, :2] -= _FIRST
    corners[:, 2:] += corners[:, :2]
    return ObjectsInFrame(
        frame=index,
        object_id=np.array([object_id for object_id, _ in named], dtype=np.int64),
        box_xyxy=corners.astype(np.float32),
    )


def read_mots_text(path: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read MOTS annotations or results; the first frame is number 1 unless the source says otherwise (KITTI: 0).

    Every frame up to the last is annotated: one without a line has no object.
    """
    labelled: dict[int, list[Labelled]] = defaultdict(list)
    shape: GridShape | None = None
    for row in read_rows(path, columns=6):
        index = source.index(row.integer(0, "frame"), _FIRST)
        category = row.integer(2, "class")
        if index is None or not (category == IGNORED_CLASS or source.counts(str(category))):
            continue
        mask = from_coco(row.words[5], (row.integer(3, "height"), row.integer(4, "width")), where=row.where)
        if shape is not None and mask.shape != shape:
            raise InputError(f"{row.where}: a mask of {mask.shape}, expected {shape} like the first (height, width)")
        shape = mask.shape
        object_id, ignored = row.integer(1, "id"), category == IGNORED_CLASS
        labelled[index].append(Labelled(object_id=object_id, mask=mask, where=row.where, ignored=ignored))
    if shape is None:
        raise InputError(f"{path}: no object in the clip's frames, expected lines of frame id class height width runs")
    return tuple(gather_masks(index, labelled.get(index, ()), shape) for index in every_frame(labelled, source))
