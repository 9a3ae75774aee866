"""Ground truth of a clip, read by the reader of each format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fast_snow.cameras import check_intrinsics, pinhole
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, Truth, TruthKind, TruthSource
from fast_snow.evaluation.readers import frame_images, kitti, motchallenge, trajectories, youtube_vis
from fast_snow.evaluation.readers.data_files import locate_data
from fast_snow.types import GridShape

UNKNOWN: Final[GridShape] = (0, 0)
"""The size of images of which nothing says it."""

_MASKS: Final[Mapping[str, Callable[[Path, TruthSource], tuple[ObjectsInFrame, ...]]]] = {
    "davis": frame_images.read_davis,
    "mots-png": frame_images.read_mots_png,
    "mots-text": motchallenge.read_mots_text,
    "youtube-vis": youtube_vis.read_youtube_vis,
}
_LABELS: Final[Mapping[str, Callable[[Path, TruthSource], kitti.Labels]]] = {
    "kitti-text": kitti.read_kitti_text,
    "kitti-tracks": kitti.read_kitti_tracks,
}
_DEPTH_ENDINGS: Final = {"png": ".png", "7-scenes": ".depth.png"}

TRUTH_FORMATS: Final[Mapping[TruthKind, tuple[str, ...]]] = MappingProxyType(
    {
        TruthKind.MASKS: tuple(_MASKS),
        TruthKind.BOXES: ("motchallenge", *_LABELS),
        TruthKind.BOXES_3D: tuple(_LABELS),
        TruthKind.POSES: ("tum", "poses-c2w", "7-scenes"),
        TruthKind.DEPTH: tuple(_DEPTH_ENDINGS),
        TruthKind.QUESTIONS: (
            *("vlm4d", "vsi-bench", "nuscenes-qa", "robospatial-home"),
            *("openeqa", "vsi-objects", "answer-tails"),
        ),
    }
)
"""The formats of each kind; questions are listed by a manifest and read by those who ask them."""

FORMATS_WITH_RATE: Final = frozenset({"poses-c2w", "7-scenes"})
"""Poses that are numbered: their times need the clip's frames per second."""


def read_truth(sources: Sequence[TruthSource], root: Path, *, size: GridShape | None, fps: float | None) -> Truth:
    """Read all ground truth of a clip; depth is read later, frame by frame.

    There is each kind at most once, and not both masks and boxes; questions are passed over. Boxes need `size`,
    numbered poses the input's `fps`.

    Returns:
        What is known; its `size` is that of masks or depth, else `size`, else `UNKNOWN`.

    Raises:
        InputError: a file is missing, damaged, or of another size than `size` or than the other files.
    """
    truth = Truth(size=UNKNOWN if size is None else size)
    for source in sources:
        if source.kind is not TruthKind.QUESTIONS:
            truth = _READERS[source.kind](truth, locate_data(root, source.path), source, fps)
    return truth


def _with_masks(truth: Truth, path: Path, source: TruthSource, _: float | None) -> Truth:
    objects = _MASKS[source.format](path, source)
    first = objects[0].masks
    assert first is not None  # readers of masks answer with masks, and never with no frame
    return replace(_sized(truth, first.shape, path), objects=objects, exhaustive=source.exhaustive)


def _with_boxes(truth: Truth, path: Path, source: TruthSource, _: float | None) -> Truth:
    if truth.size == UNKNOWN:
        raise InputError(f'{path}: boxes tell no image size, expected the clip to have one; add "size"')
    if source.format == "motchallenge":
        objects = motchallenge.read_boxes(path, source)
    else:
        objects = kitti.objects_of(_LABELS[source.format](path, source), truth.size)
    return replace(truth, objects=objects, exhaustive=source.exhaustive)


def _with_poses(truth: Truth, path: Path, source: TruthSource, fps: float | None) -> Truth:
    if source.format == "tum":
        return replace(truth, trajectory=trajectories.read_tum(path, source))
    if fps is None:
        raise InputError(f'{path}: numbered poses have no times, expected the clip to have a rate; add "fps"')
    read = trajectories.read_poses_c2w if source.format == "poses-c2w" else trajectories.read_7_scenes
    return replace(truth, trajectory=read(path, source, fps))


def _with_depth(truth: Truth, path: Path, source: TruthSource, _: float | None) -> Truth:
    images = frame_images.open_depth_images(path, source, ending=_DEPTH_ENDINGS[source.format])
    given = source.intrinsics
    intrinsics = None if given is None else pinhole(given.fx, given.fy, given.cx, given.cy)
    if intrinsics is not None:
        check_intrinsics(intrinsics, images.size, where=str(path))
    return replace(_sized(truth, images.size, path), read_depth=images, intrinsics=intrinsics)


def _sized(truth: Truth, size: GridShape, path: Path) -> Truth:
    """Refuse another size than what is known; what is not known becomes known."""
    if truth.size not in (UNKNOWN, size):
        raise InputError(
            f"{path}: annotations of {size[1]}x{size[0]} pixels, expected {truth.size[1]}x{truth.size[0]} like the"
            " clip's; bring them to one size"
        )
    return replace(truth, size=size)


_READERS: Final[Mapping[TruthKind, Callable[[Truth, Path, TruthSource, float | None], Truth]]] = {
    TruthKind.MASKS: _with_masks,
    TruthKind.BOXES: _with_boxes,
    TruthKind.BOXES_3D: lambda truth, path, source, _: replace(
        truth, boxes=kitti.boxes_of(_LABELS[source.format](path, source))
    ),
    TruthKind.POSES: _with_poses,
    TruthKind.DEPTH: _with_depth,
}
