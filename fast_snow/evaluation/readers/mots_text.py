"""MOTS text: `frame id class height width run-lengths`, one object per line.

Reference:
    P. Voigtlaender et al., MOTS: Multi-Object Tracking and Segmentation, CVPR 2019, and its file format; class 10 is
    ignored.
"""

from collections import defaultdict
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.evaluation.readers.coco_rle import from_coco
from fast_snow.evaluation.readers.objects import Labelled, every_frame, gather
from fast_snow.evaluation.readers.source import TruthSource
from fast_snow.evaluation.readers.text_rows import Row, rows
from fast_snow.evaluation.truth import ObjectsInFrame
from fast_snow.types import GridShape, Masks

IGNORED: Final = 10


def read_mots_text(path: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read MOTS annotations or results.

    Every frame up to the last is annotated: one without a line has no object.

    Args:
        path: of the text; the first frame is number 1 as in MOTSChallenge, unless the source says otherwise (KITTI: 0).
        source: what is known of it.

    Raises:
        InputError: a line is damaged, an id comes twice in a frame, or masks differ in size.
    """
    objects: dict[int, list[Labelled]] = defaultdict(list)
    ignored: dict[int, list[Masks]] = defaultdict(list)
    shape: GridShape | None = None
    for row in rows(path, columns=6):
        index = source.index(row.whole(0, "frame"), custom=1)
        category = row.whole(2, "class")
        if index is None or not (category == IGNORED or source.counts(str(category))):
            continue
        mask = _mask(row)
        if shape is not None and mask.shape != shape:
            raise InputError(f"{row.where}: a mask of {mask.shape}, expected {shape} like the first (height, width)")
        shape = mask.shape
        if category == IGNORED:
            ignored[index].append(mask)
        else:
            objects[index].append(Labelled(object_id=row.whole(1, "id"), mask=mask, where=row.where))
    if shape is None:
        raise InputError(f"{path}: no object in the clip's frames, expected lines of frame id class height width runs")
    frames = every_frame({*objects, *ignored}, source)
    return tuple(gather(index, objects.get(index, ()), shape, ignored.get(index, ())) for index in frames)


def _mask(row: Row) -> Masks:
    shape = (row.whole(3, "height"), row.whole(4, "width"))
    try:
        return from_coco(row.words[5], shape)
    except InputError as error:
        raise InputError(f"{row.where}: {error}") from None
