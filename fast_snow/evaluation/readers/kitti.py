"""KITTI tracking labels: 2D and 3D boxes, as the benchmark's text or as one JSON file of tracks.

The text has `frame track class truncated occluded alpha left top right bottom height width length x y z yaw` per line,
counts frames from 0, and places a box by the middle of its bottom in the frame of the rectified reference camera. Boxes
in the image are taken as half-open: the benchmark measures them as right less left.

Reference:
    A. Geiger, P. Lenz, R. Urtasun, Are we ready for Autonomous Driving?, CVPR 2012, and the readme of the tracking
    benchmark's development kit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import BoxesInSpace, ObjectsInFrame, TruthSource
from fast_snow.evaluation.readers.data_files import TextRow, read_rows
from fast_snow.evaluation.readers.objects import empty_frame, every_frame, paint_boxes, refuse_repeats
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import build_dataclass, in_range, matching
from fast_snow.types import GridShape

IGNORED_CATEGORY: Final = "DontCare"
Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One object of one frame: its track and class, half-open box in pixels, and its place for messages.

    The box in space has its centre in the frame of the image's camera, metres, or none; length, height and width; and
    yaw about the camera's y axis, radians.
    """

    object_id: int
    category: str
    box_xyxy: Numbers
    centre: Numbers | None
    size: Numbers
    yaw: float
    where: str


Labels = Mapping[int, list[Label]]
"""By index in the input."""


def read_kitti_text(path: Path, source: TruthSource) -> Labels:
    """Read the benchmark's text; `camera_offset_m` takes positions from the reference camera to the image's."""
    labels = ((row.integer(0, "frame"), _from_row(row, source)) for row in read_rows(path, columns=17))
    return _by_frame(path, source, labels)


def _from_row(row: TextRow, source: TruthSource) -> Label:
    height, width, length, x, y, z, yaw = row.numbers(10, 17, "box in space")
    centre = np.array([x, y - height / 2, z]) + source.camera_offset_m
    known = row.words[2] != IGNORED_CATEGORY and min(height, width, length) > 0
    return Label(
        object_id=row.integer(1, "track"),
        category=row.words[2],
        box_xyxy=row.numbers(6, 10, "box"),
        centre=tuple(centre.tolist()) if known else None,
        size=(length, height, width),
        yaw=yaw,
        where=row.where,
    )


Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observation:
    frame: Annotated[int, in_range(0, 2**53)]
    box2d: tuple[float, float, float, float]
    centre_cam: Triple
    size_lwh: Triple
    yaw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Track:
    category: str
    obs: tuple[_Observation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _TracksFile:
    p2_offset_m: Triple
    tracks: Mapping[Annotated[str, matching(r"\d{1,15}", "a track's number")], _Track]


def read_kitti_tracks(path: Path, source: TruthSource) -> Labels:
    """Read one JSON file of tracks, with centres and its own offset of the cameras, to which `camera_offset_m` adds."""
    content = build_dataclass(_TracksFile, untrusted_json.load(path, limit=DATASET_JSON_FILE), str(path), extra=True)
    offset = np.array(content.p2_offset_m) + source.camera_offset_m
    labels = (
        (entry.frame, _from_entry(entry, int(number), track.category, offset, f"{path}: tracks.{number}.obs[{i}]"))
        for number, track in content.tracks.items()
        for i, entry in enumerate(track.obs)
    )
    return _by_frame(path, source, labels)


def _from_entry(entry: _Observation, track: int, category: str, offset: np.ndarray, where: str) -> Label:
    length, width, height = entry.size_lwh
    if min(length, height, width) <= 0:
        raise InputError(f"{where}: a size of {length:g} x {height:g} x {width:g} m, expected more than 0")
    return Label(
        object_id=track,
        category=category,
        box_xyxy=entry.box2d,
        centre=None if category == IGNORED_CATEGORY else tuple((np.array(entry.centre_cam) + offset).tolist()),
        size=(length, height, width),
        yaw=entry.yaw,
        where=where,
    )


def _by_frame(path: Path, source: TruthSource, entries: Iterable[tuple[int, Label]]) -> Labels:
    labels: dict[int, list[Label]] = defaultdict(list)
    for frame, label in entries:
        index = source.index(frame)
        if index is not None and (label.category == IGNORED_CATEGORY or source.counts(label.category)):
            labels[index].append(label)
    if not labels:
        raise InputError(f"{path}: no object of the clip's frames and classes, expected some")
    for each in labels.values():
        refuse_repeats((label.object_id, label.where) for label in each if label.category != IGNORED_CATEGORY)
    return {index: sorted(labels[index], key=lambda label: label.object_id) for index in every_frame(labels, source)}


def objects_of(labels: Labels, shape: GridShape) -> tuple[ObjectsInFrame, ...]:
    """Return the boxes in images of `shape` (height, width); regions to ignore become masks."""
    return tuple(_objects(index, each, shape) for index, each in labels.items())


def _objects(index: int, labels: list[Label], shape: GridShape) -> ObjectsInFrame:
    if not labels:
        return empty_frame(index)
    named = [label for label in labels if label.category != IGNORED_CATEGORY]
    for label in named:
        x0, y0, x1, y1 = label.box_xyxy
        if not (x0 < x1 and y0 < y1):
            raise InputError(f"{label.where}: a box from {x0:g}, {y0:g} to {x1:g}, {y1:g}; expected left < right …")
    ignored = [label.box_xyxy for label in labels if label.category == IGNORED_CATEGORY]
    return ObjectsInFrame(
        frame=index,
        object_id=np.array([label.object_id for label in named], dtype=np.int64),
        box_xyxy=np.array([label.box_xyxy for label in named], dtype=np.float32).reshape(-1, 4),
        ignore=paint_boxes(np.array(ignored, dtype=np.float32), shape) if ignored else None,
    )


def boxes_of(labels: Labels) -> tuple[BoxesInSpace, ...]:
    """Return the boxes in space, of objects for which there is one."""
    placed = {index: [label for label in each if label.centre is not None] for index, each in labels.items()}
    return tuple(
        BoxesInSpace(
            frame=index,
            object_id=np.array([label.object_id for label in each], dtype=np.int64),
            centre=np.array([label.centre for label in each], dtype=np.float64).reshape(-1, 3),
            size=np.array([label.size for label in each], dtype=np.float64).reshape(-1, 3),
            yaw=np.array([label.yaw for label in each], dtype=np.float64),
        )
        for index, each in placed.items()
    )
