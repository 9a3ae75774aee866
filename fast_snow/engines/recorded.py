"""Engines that answer from what a recording holds: sensor depth, given poses, given masks and identities."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from fast_snow.errors import InputError
from fast_snow.inputs.recording import Recording
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.mask_resize import resize
from fast_snow.kernels.masks import encode_labels
from fast_snow.protocols import GeometryEngine, Segmenter, Tracker, TrackingSession
from fast_snow.types import (
    BoxPrompt,
    DepthOrigin,
    Detections,
    Frames,
    Geometry,
    GridShape,
    MaskPrompt,
    Masks,
    PointPrompt,
    Prompt,
    TrackedFrame,
)
from fast_snow.types.values import offsets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisibleObjects:
    """The ids that are visible in one frame, ascending, and their masks."""

    ids: Int32[np.ndarray, " m"]
    masks: Masks


@contextmanager
def open_geometry(recording: Recording) -> Iterator[GeometryEngine]:
    """Open an engine that answers with the depth and poses of a recording.

    The analysis grid is the size of the depth images; the world is that of the poses.

    Raises:
        InputError: the recording lacks depth or poses.
    """
    _require(recording, "geometry", depth=recording.has_depth, poses=recording.has_poses)

    def answer(frames: Frames) -> Geometry:
        prior = recording.prior(frames)
        assert prior.depth is not None  # as checked on entering
        assert prior.T_camera_world is not None
        assert prior.intrinsics is not None
        return Geometry(
            depth=prior.depth,
            confidence=(prior.depth > 0).astype(np.float32),
            intrinsics=prior.intrinsics,
            T_camera_world=prior.T_camera_world,
            metric=prior.metric,
            origin=DepthOrigin.SENSOR,
            focal_sigma=0.0,
        )

    yield answer


@contextmanager
def open_segmenter(recording: Recording) -> Iterator[Segmenter]:
    """Open an engine that answers with the id maps of a recording, every id a detection of score 1.

    Raises:
        InputError: the recording lacks masks.
    """
    _require(recording, "segmenter", masks=recording.has_masks)

    def answer(frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        return [
            Detections(
                masks=visible.masks,
                box_xyxy=bounding_boxes(visible.masks),
                score=np.ones(len(visible.ids), dtype=np.float32),
                source_id=visible.ids,
            )
            for visible in visible_objects(recording, frames, geometry.grid)
        ]

    yield answer


@contextmanager
def open_tracker(recording: Recording) -> Iterator[Tracker]:
    """Open an engine that follows the identities of a recording, whose numbers become object ids.

    A prompt picks the id that explains it best in its frame: the one under a point, or the one whose box or mask has
    the highest IoU with that of the prompt. Where none does, the object has no masks.

    Raises:
        InputError: the recording lacks masks.
    """
    _require(recording, "tracker", masks=recording.has_masks)
    yield _RecordedTracker(recording)


class _RecordedTracker:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def start(self, frames: Frames, grid: GridShape) -> TrackingSession:
        return _Session(visible_objects(self._recording, frames, grid))


class _Session:
    """Follows ids through the frames of one window."""

    def __init__(self, objects: Sequence[VisibleObjects]) -> None:
        self._objects = objects
        self._prompts: list[Prompt] = []
        self._first_local_id = 0
        self._run_id = 0

    def add(self, prompts: Sequence[Prompt]) -> None:
        self._prompts += prompts

    def propagate(self) -> Sequence[TrackedFrame]:
        chosen = np.array([_choose(prompt, self._objects[prompt.frame]) for prompt in self._prompts], dtype=np.int32)
        tracked = [self._frame(visible, chosen) for visible in self._objects]
        self._first_local_id += len(self._prompts)
        self._run_id += 1
        self._prompts = []
        return tracked

    def close(self) -> None:
        self._objects = ()

    def _frame(self, visible: VisibleObjects, chosen: Int32[np.ndarray, " prompts"]) -> TrackedFrame:
        """Return the masks of the chosen ids that are visible in one frame."""
        local, index = np.nonzero(chosen[:, None] == visible.ids[None, :])
        return TrackedFrame(
            run_id=np.full(len(local), self._run_id, dtype=np.int32),
            local_id=(self._first_local_id + local).astype(np.int32),
            masks=visible.masks[index],
            score=np.ones(len(local), dtype=np.float32),
            source_id=visible.ids[index],
        )


def visible_objects(recording: Recording, frames: Frames, grid: GridShape) -> list[VisibleObjects]:
    """Return what is visible in each frame on the grid."""
    objects = []
    for i in range(len(frames)):  # maps of a whole window would take more memory than its images
        labels = recording.id_maps(frames[i : i + 1])[0]
        ids = _ids_of(labels)
        masks = resize(encode_labels(labels, ids), grid)
        visible = area(masks) > 0
        objects.append(VisibleObjects(ids=ids[visible], masks=masks[visible]))
    return objects


def _ids_of(labels: Int32[np.ndarray, "h w"]) -> Int32[np.ndarray, " m"]:
    """Return the ids in a map, increasing; looked for where rows begin and where neighbours differ."""
    begins = labels[:, 1:][labels[:, 1:] != labels[:, :-1]]
    ids = np.unique(np.concatenate([labels[:, 0], begins]))
    return ids[ids > 0].astype(np.int32)


_NO_ID = 0


def _choose(prompt: Prompt, visible: VisibleObjects) -> int:
    """Return the id that explains a prompt best in its frame, or 0."""
    ids, masks = visible.ids, visible.masks
    if not len(ids):
        return _NO_ID
    match prompt:
        case MaskPrompt(mask=mask):
            fit = pairwise_iou(mask, masks)[0]
        case BoxPrompt(box_xyxy=box):
            fit = _box_iou(box, bounding_boxes(masks))
        case PointPrompt(uv=uv):
            fit = _under_point(uv, masks)
    best = int(np.argmax(fit))
    return int(ids[best]) if fit[best] > 0 else _NO_ID


def _under_point(uv: Float32[np.ndarray, "2"], masks: Masks) -> Bool[np.ndarray, " m"]:
    """Tell which masks hold the pixel nearest to a point."""
    column, row = np.rint(uv).astype(np.int64)
    if not (0 <= column < masks.shape[1] and 0 <= row < masks.shape[0]):
        return np.zeros(len(masks), dtype=bool)
    pixel = row * masks.shape[1] + column
    return np.diff(offsets((masks.start <= pixel) & (pixel < masks.stop))[masks.offset]) > 0


def _box_iou(box: Float32[np.ndarray, "4"], boxes: Float32[np.ndarray, "m 4"]) -> Float32[np.ndarray, " m"]:
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    size = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return shared / (size - shared)


def _require(recording: Recording, slot: str, **held: bool) -> None:
    what = " and ".join(name for name, is_held in held.items() if not is_held)
    if what:
        raise InputError(
            f"{recording.name}: no {what} for the recorded {slot}; expected {what} beside the images: add them or"
            f" choose another {slot}"
        )
