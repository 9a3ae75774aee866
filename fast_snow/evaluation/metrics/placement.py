"""Placement metrics: errors of the centroids and extents of objects in the world.

Truth and graph are compared along the axes of the graph's world and in the truth's unit. Extents along axes do not
survive a rotation, so it is the truth that is turned: its pixels are measured as seen from cameras given in that world.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from fast_snow.alignment import Similarity
from fast_snow.config import DepthFilterConfig, StepConfig
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.evaluation.metrics.association import iou, match_objects
from fast_snow.kernels.mask_resize import resize
from fast_snow.step import observe
from fast_snow.types import DepthOrigin, FrameGeometry, ReadOnlyArrays, SceneGraph, StepToken, Transform

NO_MARGIN: Final = StepConfig(mask_margin=0)
EVERY_OBJECT: Final = DepthFilterConfig(min_points=1, remove_outliers=False)
MATCHING_IOU: Final = 0.5
"""Least IoU of a predicted object with the true one that it is held to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedObjects(ReadOnlyArrays):
    """Where the objects of one frame are, along the axes of the graph's world, in the truth's unit.

    Centroid and extent are those of the visible surface.
    """

    frame: int
    object_id: Int64[np.ndarray, " m"]
    centroid: Float64[np.ndarray, "m 3"]
    extent: Float64[np.ndarray, "m 3"]

    def __len__(self) -> int:
        return len(self.object_id)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacementErrors(ReadOnlyArrays):
    """Errors of every predicted object that matches a true one and that both place, over all frames.

    Lengths are in the truth's unit, extents predicted less true. Placed true objects may be unmatched, and matches
    unplaced by the graph.
    """

    centroid: Float64[np.ndarray, " k"]
    extent: Float64[np.ndarray, "k 3"]
    unmatched: int
    unplaced: int

    def __len__(self) -> int:
        return len(self.centroid)

    def figures(self) -> Mapping[str, float]:
        """Return the median and the 90th percentile of centroid errors, and the median of the size of extent errors.

        The size of an extent error is the mean over the three axes of its absolute values. Empty where nothing matched.
        """
        if len(self) == 0:
            return {}
        return {
            "centroid": float(np.median(self.centroid)),
            "centroid_p90": float(np.percentile(self.centroid, 90)),
            "extent": float(np.median(np.abs(self.extent).mean(axis=1))),
        }


def anchored(
    T_truth_camera: Transform, T_predicted_camera: Transform | None = None, *, scale: float = 1.0
) -> Similarity:
    """Return `T_truth_predicted` by one camera whose pose is known in both worlds; none is that of the clip's first.

    `trajectory.align_trajectories` says less of places: around a path that is nearly straight it leaves all turned.
    `scale` is the truth's length of one of the graph's.
    """
    T_predicted = np.eye(4) if T_predicted_camera is None else T_predicted_camera
    R = T_truth_camera[:3, :3] @ T_predicted[:3, :3].T
    return Similarity(scale=scale, R=R, t=T_truth_camera[:3, 3] - scale * (R @ T_predicted[:3, 3]))


def place_objects(
    objects: ObjectsInFrame,
    *,
    depth: Float32[np.ndarray, "h w"],
    intrinsics: Float64[np.ndarray, "3 3"],
    T_world_camera: Transform,
    T_truth_predicted: Similarity | None = None,
    step: StepConfig = NO_MARGIN,
    depth_filter: DepthFilterConfig = EVERY_OBJECT,
) -> PlacedObjects:
    """Place the true objects of a frame by their masks, true depth and true camera.

    Masks are brought to the grid of the depth, which is not positive or not finite where there is none.
    `T_truth_predicted` (`anchored`) is None where both worlds are one. By default all pixels of a mask are measured,
    and one is an object; objects without depth are left out.

    Raises:
        InputError: the objects have boxes alone.
    """
    if objects.masks is None:
        raise InputError(f"frame {objects.frame}: the true objects have boxes alone; placing them takes masks")
    T_truth_axes = np.eye(4)  # rotation and translation alone, so that lengths stay in the truth's unit
    if T_truth_predicted is not None:
        T_truth_axes[:3, :3], T_truth_axes[:3, 3] = T_truth_predicted.R, T_truth_predicted.t
    measured = observe(
        resize(objects.masks, (depth.shape[0], depth.shape[1])),
        np.ones(len(objects), np.float32),
        FrameGeometry(
            depth=depth,
            confidence=np.ones_like(depth),
            intrinsics=intrinsics,
            T_camera_world=np.linalg.inv(T_world_camera) @ T_truth_axes,
            metric=False,  # no object is too long to be true
            origin=DepthOrigin.SENSOR,
        ),
        t=0,
        depth_filter=depth_filter,
        step=step,
    )
    return _placed(objects.frame, objects.object_id[measured.index], measured.tokens)


def _placed(
    frame: int, object_id: Int64[np.ndarray, " m"], tokens: Sequence[StepToken], scale: float = 1.0
) -> PlacedObjects:
    return PlacedObjects(
        frame=frame,
        object_id=object_id,
        centroid=scale * np.array([each.centroid for each in tokens], np.float64).reshape(-1, 3),
        extent=scale * np.array([each.high - each.low for each in tokens], np.float64).reshape(-1, 3),
    )


def graph_places(graph: SceneGraph, *, scale: float = 1.0) -> tuple[PlacedObjects, ...]:
    """Read where a graph places its objects, frame by frame; `scale` is the truth's length of one of the graph's."""
    tokens: dict[int, dict[int, StepToken]] = {t: {} for t in graph.ego.t.tolist()}
    for object_id, track in graph.tracks.items():
        for token in track.observations:
            tokens[token.t][object_id] = token
    return tuple(
        _placed(frame, np.array(list(tokens[t]), np.int64), tuple(tokens[t].values()), scale)
        for t, frame in zip(graph.ego.t.tolist(), graph.ego.source_frame.tolist(), strict=True)
    )


def compare_placement(
    truth: Sequence[ObjectsInFrame],
    predicted: Sequence[ObjectsInFrame],
    true_places: Sequence[PlacedObjects],
    places: Sequence[PlacedObjects],
) -> PlacementErrors:
    """Compare where predicted objects are with where the true ones that they match by their masks are.

    Only frames of which the true places are known count. In each, objects are paired anew: identity does not matter.
    Masks have one size (`tracking.as_objects`); places are those of `place_objects` and `graph_places`.

    Raises:
        InputError: no frame has all four, masks are missing or of different sizes.
    """
    true_masks, masks = {each.frame: each for each in truth}, {each.frame: each for each in predicted}
    placed = {each.frame: each for each in places}
    compared = [
        _compare_frame(each, placed[each.frame], _matches(true_masks[each.frame], masks[each.frame]))
        for each in true_places
        if each.frame in true_masks and each.frame in masks and each.frame in placed
    ]
    if not compared:
        raise InputError(
            f"placement: {len(true_places)} frames have true places, {len(truth)} true masks, "
            f"{len(predicted)} predicted ones and no frame all of them; give the same frames"
        )
    return PlacementErrors(
        centroid=np.concatenate([each.centroid for each in compared]),
        extent=np.concatenate([each.extent for each in compared]),
        unmatched=sum(each.unmatched for each in compared),
        unplaced=sum(each.unplaced for each in compared),
    )


def _matches(truth: ObjectsInFrame, predicted: ObjectsInFrame) -> dict[int, int]:
    """Return the predicted id of each true one."""
    row, column = match_objects(iou(truth, predicted, by="mask"), MATCHING_IOU).T
    return dict(zip(truth.object_id[row].tolist(), predicted.object_id[column].tolist(), strict=True))


def _compare_frame(true: PlacedObjects, predicted: PlacedObjects, matches: Mapping[int, int]) -> PlacementErrors:
    """Compare one frame, in which true objects match predicted ones."""
    true_row = {object_id: row for row, object_id in enumerate(true.object_id.tolist())}
    predicted_row = {object_id: row for row, object_id in enumerate(predicted.object_id.tolist())}
    matched = [(true_row[a], b) for a, b in matches.items() if a in true_row]
    pairs = np.array([(a, predicted_row[b]) for a, b in matched if b in predicted_row], np.int64).reshape(-1, 2)
    row, other = pairs.T
    return PlacementErrors(
        centroid=np.linalg.norm(predicted.centroid[other] - true.centroid[row], axis=1),
        extent=predicted.extent[other] - true.extent[row],
        unmatched=len(true) - len(matched),
        unplaced=len(matched) - len(pairs),
    )
