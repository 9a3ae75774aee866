"""Values: they index like NumPy, join, print in one line, and a graph is a table."""

from dataclasses import fields, replace

import numpy as np
import pytest

from fast_snow.alignment import Similarity
from fast_snow.kernels.masks import encode
from fast_snow.types import FrameGeometry, LabelledMasks, Masks, ReadOnlyArrays
from tests.building import boxes, detections, flat_geometry, frames, objects, tracked
from tests.output.test_graph_json import small_graph

THREE = ((0, 0, 4, 4), (5, 5, 9, 9), (10, 2, 20, 12))
SETS = {
    "Frames": frames(3, first=4),
    "Masks": boxes(*THREE),
    "Detections": detections(*THREE, score=[0.5, 0.75, 1.0]),
    "TrackedFrame": tracked(*((0, k, box) for k, box in enumerate(THREE))),
    "FrameObjects": objects(7, *((0, k, box) for k, box in enumerate(THREE))),
    "Geometry": flat_geometry(3),
    "Ego": small_graph().ego,
    "LabelledMasks": LabelledMasks(t=2, object_id=np.array([5, 3, 9], np.int32), masks=boxes(*THREE)),
}
VALUES = SETS | {
    "FrameGeometry": flat_geometry(2)[1],
    "SceneGraph": small_graph(),
    "Track": small_graph().tracks[4],
    "StepToken": small_graph().tracks[4].observations[0],
}


def same(a: object, b: object) -> bool:
    if isinstance(a, ReadOnlyArrays):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")


@pytest.mark.parametrize("value", SETS.values(), ids=SETS)
def test_an_index_picks_rows_of_every_column(value):
    assert len(value) == 3
    picked = value[np.array([2, 0, 2])]
    assert len(picked) == 3
    assert same(picked, value[np.array([2, 0, 2], np.int32)])
    assert same(value[np.array([True, False, True])], value[::2])
    assert same(value[:], value)
    assert len(value[np.zeros(3, bool)]) == 0
    for field in fields(value):
        column = getattr(value, field.name)
        if isinstance(column, np.ndarray) and not isinstance(value, Masks):
            np.testing.assert_array_equal(getattr(picked, field.name), column[[2, 0, 2]])
            assert not getattr(picked, field.name).flags.writeable


@pytest.mark.parametrize("value", SETS.values(), ids=SETS)
def test_parts_joined_are_the_whole(value):
    assert same(value[:1].followed_by(value[1:2], value[2:]), value)
    assert same(value[:0].followed_by(value), value)


def test_no_rows_are_those_of_any_set():
    graph = small_graph()
    for some in (graph.ego, graph.tracks[4].observations, graph.tracks[4].unplaced):
        assert same(type(some).none(), some[:0])
        assert same(type(some).none().followed_by(some), some)
    assert same(Masks.none(shape=(24, 32)), Masks.empty((24, 32)))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_prints_in_one_short_line_that_every_terminal_can_show(value):
    line = repr(value)
    assert line.startswith(f"{type(value).__name__}(")
    assert line.isascii()
    assert "\n" not in line
    assert len(line) <= 180


def test_what_values_say():
    assert repr(SETS["Masks"]) == "Masks(3 masks on 24x32, 18 runs)"
    assert repr(SETS["Frames"]) == "Frames(3 frames, 24x32, t 4-6, 0.40-0.60 s)"
    expected = "SceneGraph(3 frames, t 0-2, 0.00-0.20 s, 2 tracks, 3 observations, unscaled, 1 keyframe)"
    assert repr(VALUES["SceneGraph"]) == expected
    assert repr(VALUES["Track"]) == "Track(object 4, 2 observations, t 0-2, 1 unplaced)"
    assert repr(frames(3)[:0]) == "Frames(0 frames, 24x32, no time)"


def test_one_frame_of_a_geometry():
    geometry = flat_geometry(3)
    one = geometry[1]
    assert isinstance(one, FrameGeometry)
    assert one.depth.shape == geometry.grid
    assert one.T_camera_world.shape == (4, 4)
    assert (one.metric, one.origin) == (geometry.metric, geometry.origin)


def test_masks_from_dense_and_back():
    dense = np.zeros((2, 5, 7), bool)
    dense[0, 1:3, 2:6], dense[1, 4] = True, True
    masks = Masks.from_dense(dense)
    assert same(masks, encode(dense))
    np.testing.assert_array_equal(masks.to_dense(), dense)


def test_the_camera_as_matrices():
    ego = small_graph().ego
    T = ego.T_world_camera
    np.testing.assert_allclose(T[:, :3, 3], ego.position)
    for row, quaternion in zip(T, ego.quaternion_xyzw.astype(float), strict=True):
        x, y, z, w = quaternion
        forward = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)]
        np.testing.assert_allclose(row[:3, 2], forward, atol=1e-7)
        np.testing.assert_allclose(row[3], [0, 0, 0, 1])


def test_a_camera_without_a_rotation_has_a_place_alone():
    """As in documents of the paper's form."""
    ego = replace(small_graph().ego, quaternion_xyzw=np.array([[0, 0, 0, 0], [np.nan] * 4, [0, 0, 0, 2]], np.float32))
    T = ego.T_world_camera
    assert np.isnan(T[:2, :3, :3]).all()
    np.testing.assert_allclose(T[2, :3, :3], np.eye(3))
    np.testing.assert_allclose(T[:, :3, 3], ego.position)
    assert ego[:0].T_world_camera.shape == (0, 4, 4)


def test_a_graph_is_a_table_of_its_observations():
    graph = small_graph()
    table = graph.table()
    assert {len(column) for column in table.values()} == {3}
    assert table["object_id"].tolist() == [4, 4, 1]
    assert table["source_id"].tolist() == [4, 4, -1]
    assert table["t"].tolist() == [0, 2, 2]
    assert table["time_s"].tolist() == graph.ego.time_s[[0, 2, 2]].tolist()
    tokens = [token for track in graph.tracks.values() for token in track.observations]
    for row, token in enumerate(tokens):
        assert [table[axis][row] for axis in "xyz"] == token.centroid.tolist()
        assert [table[f"max_{axis}"][row] for axis in "xyz"] == token.high.tolist()
        assert table["num_cells"][row] == len(token.row)


def test_a_table_is_a_data_frame():
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(small_graph().table()).groupby("object_id").size().to_dict() == {1: 1, 4: 2}


def test_a_graph_without_tracks_is_an_empty_table():
    assert {len(column) for column in small_graph(tracks={}).table().values()} == {0}


def test_a_notebook_shows_the_tracks():
    page = small_graph()._repr_html_()
    assert page.count("<tr>") == 3
    assert "SceneGraph(3 frames" in page


def test_other_values_keep_the_repr_of_their_dataclass():
    assert repr(Similarity(scale=1.0, R=np.eye(3), t=np.zeros(3))).startswith("Similarity(scale=1.0, R=array(")
