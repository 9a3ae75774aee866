"""MOTChallenge text: `frame,id,left,top,width,height,confidence,…`, one box per line.

Reference:
    A. Milan et al., MOT16: A Benchmark for Multi-Object Tracking, arXiv 1603.00831, section 3.3: all counts from 1,
    the image's first pixel too. In ground truth the seventh column says whether a line counts, and the eighth is its
    class; results and the ground truth of 2015 have a position in space there, -1 where it is not known.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from fast_snow.errors import InputError
from fast_snow.evaluation.readers.objects import every_frame, nothing, refuse_repeats
from fast_snow.evaluation.readers.source import TruthSource
from fast_snow.evaluation.readers.text_rows import Row, rows
from fast_snow.evaluation.truth import ObjectsInFrame

_FIRST: Final = 1
_WITHOUT_CLASSES: Final = 10
"""As many columns have lines with a position in space; ground truth with classes has nine."""


def read_boxes(path: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read ground truth; lines whose seventh column is 0 are left out.

    Boxes become half-open ones that count from 0: `x0 = left - 1`, `x1 = x0 + width`. Every frame up to the last is
    annotated: one without a line has no object. Classes that do not count are left out too; the benchmark's own
    evaluation goes further and forgives what is found on its distractor classes.

    Args:
        path: of the text.
        source: what is known of it.

    Raises:
        InputError: a line is damaged, an id comes twice in a frame, or classes are asked for that the file lacks.
    """
    return _read(path, source, lambda row: row.number(6, "confidence") != 0 and _counts(row, source))


def read_results(path: Path, source: TruthSource, *, min_confidence: float = -np.inf) -> tuple[ObjectsInFrame, ...]:
    """Read a tracker's results, like `read_boxes` but for the seventh column, which is a confidence.

    Args:
        path: of the text.
        source: what is known of it.
        min_confidence: lines below are left out.

    Raises:
        InputError: a line is damaged, or an id comes twice in a frame.
    """
    return _read(path, source, lambda row: row.number(6, "confidence") >= min_confidence)


def _counts(row: Row, source: TruthSource) -> bool:
    if not source.classes:
        return True
    if len(row.words) in (7, _WITHOUT_CLASSES):
        raise InputError(f"{row.where}: {len(row.words)} columns tell no class, expected 9; leave classes out")
    return source.counts(str(row.whole(7, "class")))


def _read(path: Path, source: TruthSource, keep: Callable[[Row], bool]) -> tuple[ObjectsInFrame, ...]:
    kept: dict[int, list[Row]] = defaultdict(list)
    for row in rows(path, columns=7, separator=","):
        index = source.index(row.whole(0, "frame"), _FIRST)
        if index is not None and keep(row):
            kept[index].append(row)
    if not kept:
        raise InputError(f"{path}: no box in the clip's frames, expected lines of frame,id,left,top,width,height,…")
    return tuple(
        _objects(index, kept[index]) if index in kept else nothing(index) for index in every_frame(kept, source)
    )


def _objects(index: int, found: list[Row]) -> ObjectsInFrame:
    named = sorted(((row.whole(1, "id"), row) for row in found), key=lambda each: each[0])
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
