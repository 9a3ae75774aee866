"""Geometric metrics of a run: trajectory, depth, placement of objects, and spread of objects at rest.

Lengths are in the truth's unit. A graph's world is the camera of the clip's first frame, so the true pose of that frame
carries it into the truth's. A graph in metres is held to them; any other has the unit of its first window, in which the
ratio of the medians of true and predicted depth gives the truth's length of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from fast_snow.alignment import Similarity
from fast_snow.config import DepthFilterConfig, StepConfig
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame, Trajectory, Truth
from fast_snow.evaluation.metrics import depth, placement, trajectory
from fast_snow.evaluation.metrics.depth import DepthError, DepthPairs
from fast_snow.evaluation.metrics.placement import PlacementErrors
from fast_snow.evaluation.metrics.tracking import as_objects
from fast_snow.evaluation.systems import SystemRun
from fast_snow.step import settled_for
from fast_snow.types import Ego, SceneGraph, Transform

FEWEST_POSES = 3
"""A path of fewer has no alignment."""


def path_errors(truth: Truth, run: SystemRun) -> dict[str, float]:
    """Measure the error of the camera's path, aligned by a similarity and, of a metric graph, rigidly too."""
    assert truth.trajectory is not None
    predicted = _long_path(run.graph)
    similarity = trajectory.compare_trajectories(truth.trajectory, predicted, alignment="similarity")
    errors = {"trajectory_similarity_m": float(similarity.rmse)}
    if run.graph.metric:
        rigid = trajectory.compare_trajectories(truth.trajectory, predicted, alignment="rigid")
        errors["trajectory_rigid_m"] = float(rigid.rmse)
    return errors


def camera_path(ego: Ego) -> Trajectory:
    """Return the camera's path of a graph, of the frames whose time is known."""
    timed = np.isfinite(ego.time_s)
    return Trajectory(time_s=ego.time_s[timed], T_world_camera=ego[timed].T_world_camera)


def _long_path(graph: SceneGraph) -> Trajectory:
    predicted = camera_path(graph.ego)
    if len(predicted) < FEWEST_POSES:
        raise InputError(f"a path of {len(predicted)} poses cannot be aligned; expected at least {FEWEST_POSES}")
    return predicted


def depth_errors(truth: Truth, run: SystemRun) -> dict[str, float]:
    """Measure the error of depth over the sampled pixels of the sampled frames.

    Depth is taken as it is where all of it is metric, and in any case after scale: each window's, whose frames share
    one, is multiplied by the ratio of the medians.
    """
    pairs = tuple(_pairs(truth, run))
    if not pairs:
        raise InputError("none of the frames with true depth was sampled; check the clip's frame numbers and its rate")
    windows = [
        depth.pool_depth([pair for pair, window in pairs if window == each])
        for each in dict.fromkeys(window for _, window in pairs)
    ]
    scaled = depth.score_depth(depth.pool_depth([_scaled(each) for each in windows]))
    figures = {"depth_coverage": scaled.coverage} | _named("depth_scaled", scaled)
    if run.graph.metric:
        figures |= _named("depth", depth.score_depth(depth.pool_depth(windows)))
    return figures


def _pairs(truth: Truth, run: SystemRun) -> Iterator[tuple[DepthPairs, int]]:
    """Yield true and predicted depth of each sampled frame that has both, and its window."""
    if truth.read_depth is None:
        return
    for each in run.depth.frames:
        if each.source_frame in truth.read_depth.frames:
            yield each.beside(truth.read_depth(each.source_frame)), each.window


def _scaled(pairs: DepthPairs) -> DepthPairs:
    return replace(pairs, predicted=depth.score_depth(pairs, "scale").scale * pairs.predicted) if len(pairs) else pairs


def _named(prefix: str, error: DepthError) -> dict[str, float]:
    return {f"{prefix}_abs_rel": error.abs_rel, f"{prefix}_rmse_m": error.rmse, f"{prefix}_delta": error.delta}


def annotated_placement(truth: Truth, run: SystemRun) -> dict[str, float]:
    """Measure where objects are against where the annotated ones that they match are by true depth and pose."""
    errors = _placement(truth, run, truth.objects, step=placement.NO_MARGIN, depth_filter=placement.EVERY_OBJECT)
    total = len(errors) + errors.unmatched + errors.unplaced
    return _lengths("", errors) | ({"placed": len(errors) / total} if total else {})


def own_placement(truth: Truth, run: SystemRun) -> dict[str, float]:
    """Measure where objects are against where true depth and pose put the same pixels of their own masks.

    What masks do wrong is left out: what is measured is geometry alone.
    """
    own = as_objects(run.labelled, run.graph.ego.source_frame, truth.size)
    used = settled_for(run.config, run.graph)
    errors = _placement(truth, run, own, step=used.step, depth_filter=used.depth_filter)
    return _lengths("own_", errors)


def _placement(
    truth: Truth,
    run: SystemRun,
    objects: tuple[ObjectsInFrame, ...],
    *,
    step: StepConfig,
    depth_filter: DepthFilterConfig,
) -> PlacementErrors:
    """Compare the graph's places with those of true depth and pose, reading one depth image after the other."""
    assert truth.read_depth is not None
    assert truth.intrinsics is not None
    ego, to_truth = run.graph.ego, T_truth_graph(truth, run)
    time_s = dict(zip(ego.source_frame.tolist(), ego.time_s.tolist(), strict=True))
    places = [
        placement.place_objects(
            each,
            depth=truth.read_depth(each.frame),
            intrinsics=truth.intrinsics,
            T_world_camera=T_world_camera,
            T_truth_predicted=to_truth,
            step=step,
            depth_filter=depth_filter,
        )
        for each in objects
        if each.frame in time_s
        and each.frame in truth.read_depth.frames
        and (T_world_camera := _pose_at(truth, time_s[each.frame])) is not None
    ]
    predicted = as_objects(run.labelled, ego.source_frame, truth.size)
    return placement.compare_placement(
        objects, predicted, places, placement.graph_places(run.graph, scale=to_truth.scale)
    )


def _lengths(prefix: str, errors: PlacementErrors) -> dict[str, float]:
    return {f"{prefix}{name}_m": value for name, value in errors.figures().items()}


def static_spread(truth: Truth, run: SystemRun) -> Mapping[str, float]:
    """Measure how far the centroids of objects spread in a clip in which nothing moves but the camera.

    Only their visible surface is measured, and another side of an object has another mean: part of the spread is true
    of a camera that moves around an object, and the same for every system. Median and 90th percentile are over objects;
    nothing is said where none was seen twice.
    """
    spread = list(centroid_spreads(run.graph, scale=_unit_m(truth, run)).values())
    if not spread:
        return {}
    return {"spread_m": float(np.median(spread)), "spread_p90_m": float(np.percentile(spread, 90))}


def centroid_spreads(graph: SceneGraph, *, scale: float = 1.0) -> dict[int, float]:
    """Return the root mean square distance of an object's centroids from their mean, by id; one alone never spreads.

    `scale` is the truth's length of one of the graph's (1 for a metric graph).
    """
    seen = {number: track.observations for number, track in sorted(graph.tracks.items()) if len(track.observations) > 1}
    centroids = {number: tokens.centroid.astype(np.float64) for number, tokens in seen.items()}
    return {
        number: scale * float(np.sqrt(((each - each.mean(axis=0)) ** 2).sum(axis=1).mean()))
        for number, each in centroids.items()
    }


def T_truth_graph(truth: Truth, run: SystemRun) -> Similarity:
    """Return what carries a graph's world into the truth's, by the first of its cameras whose true pose is known.

    Raises:
        InputError: none is, or nothing tells the graph's unit.
    """
    path = camera_path(run.graph.ego)
    for time_s, T_graph_camera in zip(path.time_s.tolist(), path.T_world_camera, strict=True):
        T_truth_camera = _pose_at(truth, time_s)
        if T_truth_camera is not None:
            return placement.anchored(T_truth_camera, T_graph_camera, scale=_unit_m(truth, run))
    raise InputError("no frame has a true pose at its time; bring both to one clock")


def _unit_m(truth: Truth, run: SystemRun) -> float:
    """Return the truth's length of one of the graph's: by depth, else by path."""
    if run.graph.metric:
        return 1.0
    first = depth.pool_depth([pair for pair, window in _pairs(truth, run) if window == 0])
    if len(first):
        return depth.score_depth(first, "scale").scale
    assert truth.trajectory is not None
    return trajectory.align_trajectories(truth.trajectory, _long_path(run.graph), "similarity").scale


def _pose_at(truth: Truth, time_s: float) -> Transform | None:
    """Return the true pose that is nearest in time; None where none is near."""
    assert truth.trajectory is not None
    gap = np.abs(truth.trajectory.time_s - time_s)
    nearest = int(gap.argmin()) if len(gap) else 0
    return truth.trajectory.T_world_camera[nearest] if len(gap) and gap[nearest] <= trajectory.MAX_GAP_S else None
