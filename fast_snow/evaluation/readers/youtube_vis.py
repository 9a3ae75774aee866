"""YouTube-VIS JSON: video masks as COCO run-length encodings; BDD100K and others share the layout.

`videos` have `id`, `width`, `height` and `length`; `annotations` are one per object, with `video_id`, `id` and as many
`segmentations` as the video has frames, null where the object is not seen.

Reference:
    L. Yang, Y. Fan, N. Xu, Video Instance Segmentation, ICCV 2019, and the format's page; `iscrowd` as in COCO.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, TruthSource
from fast_snow.evaluation.readers.objects import Labelled, from_coco, gather_masks, require_few
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import at_least, build_dataclass, in_range, short
from fast_snow.types import GridShape, Masks

Id = Annotated[int, in_range(0, 2**53)]
ImageSide = Annotated[int, at_least(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Video:
    id: Id
    width: ImageSide
    height: ImageSide
    length: Annotated[int, at_least(1)] | None = None
    file_names: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Videos:
    videos: tuple[_Video, ...]
    annotations: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _VideoId:
    video_id: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotation:
    id: Id
    segmentations: tuple[Any, ...]
    category_id: Id | None = None
    iscrowd: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunLengths:
    size: tuple[int, int]
    counts: str | tuple[int, ...]


def read_youtube_vis(path: Path, source: TruthSource) -> tuple[ObjectsInFrame, ...]:
    """Read the masks of one video, which the source names where there are several; the first frame is number 0.

    An annotation's id is the object's, and crowds are ignored. Polygons for masks, or no such video, are errors.
    """
    content = build_dataclass(_Videos, untrusted_json.load(path, limit=DATASET_JSON_FILE), str(path), extra=True)
    i = _find_video(content.videos, path, source.video)
    video, place = content.videos[i], f"{path}: videos[{i}]"
    shape, length = (video.height, video.width), video.length or len(video.file_names)
    labelled: dict[int, list[Labelled]] = defaultdict(list)
    for i, member in enumerate(content.annotations):
        at = f"{path}: annotations[{i}]"
        if build_dataclass(_VideoId, member, at, extra=True).video_id != video.id:
            continue
        annotation = build_dataclass(_Annotation, member, at, extra=True)
        if not _counts(annotation, at, source):
            continue
        for number, mask in _masks(annotation, length, shape, at):
            index = source.index(number)
            if index is not None:
                where, ignored = f"{at}[{number}]", bool(annotation.iscrowd)
                labelled[index].append(Labelled(object_id=annotation.id, mask=mask, where=where, ignored=ignored))
    indices = [index for number in require_few(length, place) if (index := source.index(number)) is not None]
    if not indices:
        raise InputError(f"{place}: none of its {length} frames is the clip's; correct first_frame or frames")
    return tuple(gather_masks(index, labelled.get(index, ()), shape) for index in indices)


def _find_video(videos: Sequence[_Video], path: Path, wanted: int | None) -> int:
    ids = [each.id for each in videos]
    if wanted is None and len(ids) == 1:
        return 0
    if wanted is None or ids.count(wanted) != 1:
        raise InputError(f'{path}: holds videos {short(ids)}, not one of id {wanted}; say which one with "video"')
    return ids.index(wanted)


def _counts(annotation: _Annotation, place: str, source: TruthSource) -> bool:
    if source.classes and annotation.category_id is None:
        raise InputError(f"{place}: has no 'category_id', expected one; leave classes out to take all objects")
    return source.counts(str(annotation.category_id))


def _masks(annotation: _Annotation, length: int, shape: GridShape, place: str) -> Iterator[tuple[int, Masks]]:
    parts = annotation.segmentations
    if len(parts) != length:
        raise InputError(f"{place}.segmentations: got {len(parts)} entries, expected {length}, one per frame")
    for number, part in enumerate(parts):
        if part is not None:
            yield number, _mask(part, shape, f"{place}.segmentations[{number}]")


def _mask(part: object, shape: GridShape, place: str) -> Masks:
    if isinstance(part, list):
        raise InputError(f"{place}: got polygons, expected run lengths; convert them, as with pycocotools' frPyObjects")
    run_lengths = build_dataclass(_RunLengths, part, place, extra=True)
    if run_lengths.size != shape:
        raise InputError(
            f"{place}.size: got {list(run_lengths.size)}, expected {list(shape)} like the video (height, width)"
        )
    return from_coco(run_lengths.counts, shape, where=f"{place}.counts")
