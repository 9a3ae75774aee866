"""Centroids and extents against the truth: by hand, on the rendered scene, on a real recording."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fast_snow.alignment import Similarity
from fast_snow.config import Config, DepthFilterConfig, StepConfig
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.evaluation.metrics.geometry import centroid_spreads
from fast_snow.evaluation.metrics.placement import (
    PlacedObjects,
    anchored,
    compare_placement,
    graph_places,
    place_objects,
)
from fast_snow.evaluation.metrics.tracking import as_objects
from fast_snow.evaluation.systems import SystemRun, run_fast_snow
from fast_snow.inputs import from_recording, open_input
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode_labels
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import CABINET, CRATE, SceneConfig
from tests.building import GRID, boxes
from tests.scenes import rendered

K = np.array([[20.0, 0.0, 16.0], [0.0, 20.0, 12.0], [0.0, 0.0, 1.0]])
STILL = (CRATE, CABINET)


def objects(frame: int, masks, ids=None) -> ObjectsInFrame:
    ids = range(1, len(masks) + 1) if ids is None else ids
    return ObjectsInFrame(
        frame=frame, object_id=np.array(list(ids), np.int64), box_xyxy=bounding_boxes(masks), masks=masks
    )


def at(frame: int, *places: tuple[int, tuple[float, float, float]], extent: float = 1.0) -> PlacedObjects:
    return PlacedObjects(
        frame=frame,
        object_id=np.array([each for each, _ in places], np.int64),
        centroid=np.array([place for _, place in places], np.float64).reshape(-1, 3),
        extent=np.full((len(places), 3), extent),
    )


@cache
def scene() -> SyntheticScene:
    return rendered(SceneConfig(size=(96, 128), frames=6, objects=STILL))


def true_objects(rendered: SyntheticScene) -> list[ObjectsInFrame]:
    found = []
    for frame, labels in enumerate(rendered.ids):
        ids = np.unique(labels[labels > 0]).astype(np.int32)
        found.append(objects(frame, encode_labels(labels, ids), ids))
    return found


@cache
def run(margin: int) -> SystemRun:
    rendered = scene()
    config = Config(depth_filter=DepthFilterConfig(min_points=1), step=StepConfig(mask_margin=margin))
    return run_fast_snow(from_recording(as_recording(rendered), config.sampling), config)


def places(rendered: SyntheticScene, T_truth_predicted: Similarity) -> list[PlacedObjects]:
    return [
        place_objects(
            each,
            depth=rendered.depth[each.frame],
            intrinsics=rendered.intrinsics,
            T_world_camera=rendered.T_world_camera[each.frame],
            T_truth_predicted=T_truth_predicted,
        )
        for each in true_objects(rendered)
    ]


def test_a_wall_is_where_it_is():
    depth = np.full(GRID, 2, np.float32)
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = Rotation.from_euler("z", 90, degrees=True).as_matrix(), [0, 0, 5]
    found = place_objects(objects(3, boxes((6, 2, 11, 23))), depth=depth, intrinsics=K, T_world_camera=turned)
    # columns 6 to 10 are x = -1 to -0.6 of the camera, rows 2 to 22 y = -1 to 1; the camera's x is the world's y
    assert found.frame == 3
    np.testing.assert_allclose(found.centroid, [[0, -0.8, 7]], atol=1e-6)
    np.testing.assert_allclose(found.extent, [[2, 0.4, 0]], atol=1e-6)


def test_objects_without_depth_have_no_place():
    depth = np.full(GRID, 2, np.float32)
    depth[:, 16:] = 0
    found = place_objects(
        objects(0, boxes((2, 2, 8, 8), (20, 2, 28, 8))), depth=depth, intrinsics=K, T_world_camera=np.eye(4)
    )
    assert found.object_id.tolist() == [1]


def test_masks_are_brought_to_the_grid_of_the_depth():
    depth = np.full((12, 16), 2, np.float32)
    found = place_objects(objects(0, boxes((0, 0, 16, 24))), depth=depth, intrinsics=K, T_world_camera=np.eye(4))
    np.testing.assert_allclose(found.extent, [[0.7, 1.1, 0]], atol=1e-6)  # 8 × 12 pixels of 0.1 m


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.2, 5))
def test_the_truth_is_measured_along_the_axes_of_the_graphs_world(seed: int, scale: float):
    random = np.random.default_rng(seed)
    T_truth_predicted = Similarity(
        scale=scale, R=Rotation.random(random_state=seed).as_matrix(), t=random.normal(size=3)
    )
    depth = random.uniform(1, 4, GRID).astype(np.float32)
    known = objects(0, boxes((2, 2, 20, 20)))
    plain = place_objects(known, depth=depth, intrinsics=K, T_world_camera=np.eye(4))
    along = place_objects(
        known, depth=depth, intrinsics=K, T_world_camera=np.eye(4), T_truth_predicted=T_truth_predicted
    )
    # p_truth = scale · R · p_graph + t, and a graph's lengths times scale are the truth's
    np.testing.assert_allclose(along.centroid @ T_truth_predicted.R.T + T_truth_predicted.t, plain.centroid, atol=1e-5)
    expected = place_objects(known, depth=depth, intrinsics=K, T_world_camera=_pose(T_truth_predicted.R.T))
    np.testing.assert_allclose(along.extent, expected.extent, atol=1e-5)


def _pose(R: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = R
    return pose


def test_exact_masks_and_depth_are_placed_exactly():
    rendered = scene()
    made = run(margin=0)
    found = as_objects(made.labelled, made.graph.ego.source_frame, rendered.ids.shape[1:])
    known = places(rendered, anchored(rendered.T_world_camera[0]))
    errors = compare_placement(true_objects(rendered), found, known, graph_places(made.graph))
    assert len(errors) == sum(map(len, known))
    assert (errors.unmatched, errors.unplaced) == (0, 0)
    assert errors.centroid.max() < 1e-4
    assert np.abs(errors.extent).max() < 1e-4
    assert set(errors.figures()) == {"centroid", "centroid_p90", "extent"}


def test_true_places_are_the_scenes_own():
    rendered = scene()
    for each, centroid, visible in zip(
        places(rendered, Similarity(scale=1.0, R=np.eye(3), t=np.zeros(3))),
        rendered.centroid,
        rendered.visible,
        strict=True,
    ):
        np.testing.assert_allclose(each.centroid, centroid[visible > 0], atol=1e-4)


def test_a_margin_moves_centroids_and_shrinks_extents():
    rendered = scene()
    made = run(margin=2)
    found = as_objects(made.labelled, made.graph.ego.source_frame, rendered.ids.shape[1:])
    errors = compare_placement(
        true_objects(rendered), found, places(rendered, anchored(rendered.T_world_camera[0])), graph_places(made.graph)
    )
    assert 1e-3 < errors.figures()["centroid"] < 0.1
    assert (errors.extent <= 1e-6).all()
    assert errors.figures()["extent"] > 0.01


def test_a_graph_without_metric_scale_is_compared_in_the_truths_unit():
    graph = run(margin=0).graph
    halved = replace(
        graph,
        tracks={
            object_id: replace(
                track,
                observations=tuple(
                    replace(token, centroid=token.centroid / 2, low=token.low / 2, high=token.high / 2)
                    for token in track.observations
                ),
            )
            for object_id, track in graph.tracks.items()
        },
    )
    for metric, unknown in zip(graph_places(graph), graph_places(halved, scale=2.0), strict=True):
        np.testing.assert_allclose(unknown.centroid, metric.centroid)
        np.testing.assert_allclose(unknown.extent, metric.extent)


def test_by_hand():
    near, far = (2, 2, 10, 10), (14, 2, 22, 10)
    truth = [objects(4, boxes(near, far), ids=[1, 2])]
    found = [objects(4, boxes(far, near), ids=[7, 9])]
    known = [at(4, (1, (0, 0, 2)), (2, (1, 0, 2)))]
    errors = compare_placement(truth, found, known, [at(4, (7, (1, 0, 2.5)), (9, (3, 4, 2)), extent=0.5)])
    np.testing.assert_allclose(errors.centroid, [5, 0.5])  # 1 is 9, and 2 is 7
    np.testing.assert_allclose(errors.extent, -0.5)
    assert errors.figures()["centroid"] == pytest.approx(2.75)


def test_what_is_not_matched_or_not_placed_is_counted():
    near, far = (2, 2, 10, 10), (14, 2, 22, 10)
    truth = [objects(0, boxes(near, far, (24, 12, 30, 20)), ids=[1, 2, 3])]
    known = [at(0, (1, (0, 0, 2)), (2, (1, 0, 2)))]  # the third has no depth
    errors = compare_placement(truth, [objects(0, boxes(near), ids=[7])], known, [at(0, (8, (0, 0, 2)))])
    assert (len(errors), errors.unmatched, errors.unplaced) == (0, 1, 1)
    assert errors.figures() == {}


def test_no_common_frame_is_one_line():
    truth = [objects(0, boxes((2, 2, 10, 10)))]
    with pytest.raises(InputError, match=r"1 frames have true places, 1 true masks, 1 predicted ones and no frame all"):
        compare_placement(truth, truth, [at(0, (1, (0, 0, 2)))], [at(1, (1, (0, 0, 2)))])


def test_boxes_alone_have_no_place():
    bare = ObjectsInFrame(frame=5, object_id=np.array([1]), box_xyxy=np.ones((1, 4), np.float32))
    with pytest.raises(InputError, match="frame 5: the true objects have boxes alone"):
        place_objects(bare, depth=np.ones(GRID, np.float32), intrinsics=K, T_world_camera=np.eye(4))


def test_objects_at_rest_stay_where_they_are():
    graph = run(margin=0).graph
    still = centroid_spreads(graph)
    assert len(still) == len(STILL)
    for object_id, spread in still.items():
        centroid = np.array([each.centroid for each in graph.tracks[object_id].observations], np.float64)
        assert spread == pytest.approx(np.sqrt(centroid.var(axis=0).sum()))
        assert 0 < spread < 0.2  # other sides come into view
    tripled = centroid_spreads(graph, scale=3.0)
    assert tripled == pytest.approx({object_id: 3 * spread for object_id, spread in still.items()})


def test_objects_seen_once_say_nothing_of_rest():
    graph = run(margin=0).graph
    once = {number: replace(track, observations=track.observations[:1]) for number, track in graph.tracks.items()}
    assert centroid_spreads(replace(graph, tracks=once)) == {}


def test_a_kitchen_at_rest_is_still_to_a_decimetre(clips: Path):
    config = Config()
    config = replace(config, sampling=replace(config.sampling, max_frames=4))
    graph = run_fast_snow(open_input(clips / "redkitchen_dev", config.sampling), config).graph
    often = {number: track for number, track in graph.tracks.items() if len(track.observations) >= 3}
    still = centroid_spreads(replace(graph, tracks=often))
    assert len(still) > 3
    assert 0 < np.median(list(still.values())) < 0.1
