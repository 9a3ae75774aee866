"""Masks of videos as JSON in the layout of YouTube-VIS, with COCO's run lengths; BDD100K and others are written so.

`videos` have `id`, `width`, `height` and `length`; `annotations` are one per object, with `video_id`, `id` and as many
`segmentations` as the video has frames, null where the object is not seen.

Reference:
    L. Yang, Y. Fan, N. Xu, Video Instance Segmentation, ICCV 2019, and the format's page; `iscrowd` as in COCO.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.evaluation.readers.coco_rle import from_coco
from fast_snow.evaluation.readers.json_fields import array, integer, member
from fast_snow.evaluation.readers.objects import Labelled, gather, require_few
from fast_snow.evaluation.readers.source import TruthSource
from fast_snow.evaluation.truth import ObjectsInFrame
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.output.graph_json.conformance import short
from fast_snow.types import GridShape, Masks


def read_youtube_vis(path: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read the masks of one video; an annotation's id is the object's, and crowds are ignored.

    Args:
        path: of the JSON file.
        source: what is known of it: which video, where there are several; the first frame is number 0.

    Raises:
        InputError: the file is damaged, has no such video, polygons for masks, or masks of another size than the video.
    """
    content = untrusted_json.load(path, limit=DATASET_JSON_FILE)
    video, where = _video(content, path, source.video)
    shape = (integer(video, "height", where, low=1), integer(video, "width", where, low=1))
    length = _length(video, where)
    objects: dict[int, list[Labelled]] = defaultdict(list)
    ignored: dict[int, list[Masks]] = defaultdict(list)
    for i, annotation in enumerate(array(content, "annotations", str(path))):
        at = f"{path}: annotations[{i}]"
        if integer(annotation, "video_id", at) != integer(video, "id", where) or not _counts(annotation, at, source):
            continue
        for number, mask in _masks(annotation, length, shape, at):
            index = source.index(number, custom=0)
            if index is None:
                continue
            if annotation.get("iscrowd"):
                ignored[index].append(mask)
            else:
                labelled = Labelled(object_id=integer(annotation, "id", at), mask=mask, where=f"{at}[{number}]")
                objects[index].append(labelled)
    indices = [index for number in require_few(length, where) if (index := source.index(number, custom=0)) is not None]
    if not indices:
        raise InputError(f"{where}: none of its {length} frames is the clip's; correct first_frame or frames")
    return tuple(gather(index, objects.get(index, ()), shape, ignored.get(index, ())) for index in indices)


def _length(video: Any, where: str) -> int:  # noqa: ANN401 (JSON)
    return integer(video, "length", where, low=1) if "length" in video else len(array(video, "file_names", where))


def _video(content: object, path: Path, wanted: int | None) -> tuple[Any, str]:
    videos = array(content, "videos", str(path))
    known = [integer(each, "id", f"{path}: videos[{i}]") for i, each in enumerate(videos)]
    if wanted is None and len(videos) == 1:
        return videos[0], f"{path}: videos[0]"
    if wanted is None or known.count(wanted) != 1:
        raise InputError(f'{path}: holds videos {short(known)}, not one of id {wanted}; say which one with "video"')
    i = known.index(wanted)
    return videos[i], f"{path}: videos[{i}]"


def _counts(annotation: Any, where: str, source: TruthSource) -> bool:  # noqa: ANN401 (JSON)
    return not source.classes or source.counts(str(integer(annotation, "category_id", where)))


def _masks(annotation: Any, length: int, shape: GridShape, where: str) -> Sequence[tuple[int, Masks]]:  # noqa: ANN401
    parts = array(annotation, "segmentations", where)
    if len(parts) != length:
        raise InputError(f"{where}.segmentations: got {len(parts)} entries, expected {length}, one per frame")
    return [
        (number, _mask(part, shape, f"{where}.segmentations[{number}]"))
        for number, part in enumerate(parts)
        if part is not None
    ]


def _mask(part: object, shape: GridShape, where: str) -> Masks:
    if isinstance(part, list):
        raise InputError(f"{where}: got polygons, expected run lengths; convert them, as with pycocotools' frPyObjects")
    size = array(part, "size", where)
    counts = member(part, "counts", object, where)
    if size != list(shape):
        raise InputError(f"{where}.size: got {str(size)[:40]}, expected {list(shape)} like the video (height, width)")
    if not isinstance(counts, str) and not (isinstance(counts, list) and all(type(each) is int for each in counts)):
        raise InputError(f"{where}.counts: expected run lengths, as text or a list")
    try:
        return from_coco(counts, shape)
    except InputError as error:
        raise InputError(f"{where}.counts: {error}") from None
