"""The Rerun recording of a run, read back through Rerun's own API: every entity and every time stands in it."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fast_snow.cameras import pinhole
from fast_snow.keyframes import decode_jpeg, encode_depth
from fast_snow.types import Merge
from fast_snow.untrusted_images import decode_channel
from fast_snow.viewing import rerun_recording as views
from tests.reasoning.runs import small_run

chunks = pytest.importorskip("rerun.chunk")

RUN = small_run()
GRAPH = replace(RUN.graph, merges=(Merge(t=2, kept=1, dropped=7, iou=0.71, distance=0.12),))
DEPTH_T = GRAPH.keyframes[-1].t
SLOPE = np.linspace(0.5, 4, GRAPH.analysis_grid[0] * GRAPH.analysis_grid[1], dtype=np.float32).reshape(
    GRAPH.analysis_grid
)
RECORD = {"input": {"name": "scene"}, "warnings": ["the camera hardly moves"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = zip((each.t for each in GRAPH.keyframes), (decode_jpeg(each.jpeg) for each in RUN.keyframes), strict=True)
    path = tmp_path_factory.mktemp("rerun") / "run.rrd"
    depths = [(DEPTH_T, decode_channel(encode_depth(SLOPE), path))]
    run = views.ShownRun(graph=GRAPH, masks=RUN.labelled, images=images, depths=depths, record=RECORD)
    path.write_bytes(views.rrd(run))
    return path


@pytest.fixture(scope="module")
def rows(path: Path) -> dict[str, list[dict[str, object]]]:
    """Return the rows of every entity."""
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    for chunk in chunks.RrdReader(path).stream():
        found[chunk.entity_path.lstrip("/")] += chunk.to_record_batch().to_pylist()
    return found


def times(rows: list[dict[str, object]], component: str = "") -> list[int]:
    return sorted(row["t"] for row in rows if not component or row.get(component) is not None)


def test_every_entity_stands_at_every_time(rows: dict[str, list[dict[str, object]]]):
    frames = GRAPH.ego.t.tolist()
    for entity in (views.OBJECTS, views.TRAILS, views.CAMERA, views.MASKS):
        assert times(rows[entity]) == frames
    assert times(rows[views.IMAGE], "Pinhole:image_from_camera") == frames
    keyframes = [each.t for each in GRAPH.keyframes]
    assert times(rows[views.PICTURE], "EncodedImage:blob") == keyframes
    assert times(rows[views.PICTURE], "Clear:is_recursive") == [t for t in frames if t not in keyframes]
    seconds = {row["t"]: row["time_s"] for row in rows[views.OBJECTS]}
    assert [seconds[t].total_seconds() for t in frames] == pytest.approx(GRAPH.ego.time_s.tolist(), abs=1e-6)
    assert {*rows} >= {views.WORLD, views.CAMERA_PATH, f"{views.LOG}/merges", f"{views.LOG}/warnings"}


def test_boxes_are_the_extents_of_what_is_seen_then(rows: dict[str, list[dict[str, object]]]):
    for row in rows[views.OBJECTS]:
        tokens = [
            (str(k), each) for k, track in GRAPH.tracks.items() for each in track.observations if each.t == row["t"]
        ]
        assert row["Boxes3D:labels"] == [name for name, _ in tokens]
        centers, halves = np.array(row["Boxes3D:centers"]), np.array(row["Boxes3D:half_sizes"])
        assert np.allclose(centers - halves, [each.low for _, each in tokens], atol=1e-5)
        assert np.allclose(centers + halves, [each.high for _, each in tokens], atol=1e-5)


def test_trails_end_where_the_objects_are(rows: dict[str, list[dict[str, object]]]):
    row = max(rows[views.TRAILS], key=lambda each: each["t"])
    strips = [
        [each.centroid for each in track.observations][-views.TRAIL :]
        for track in GRAPH.tracks.values()
        if track.observations[-1].t == row["t"]
    ]
    assert len(row["LineStrips3D:strips"]) == len(strips)
    for found, expected in zip(row["LineStrips3D:strips"], strips, strict=True):
        assert np.allclose(found, expected, atol=1e-6)


def test_the_camera_sees_the_objects_where_the_image_has_them(rows: dict[str, list[dict[str, object]]]):
    """Pose and pinhole as Rerun holds them project a centroid into its object's outline."""
    t = GRAPH.keyframes[0].t
    lens = next(row for row in rows[views.IMAGE] if row["t"] == t and row.get("Pinhole:image_from_camera"))
    K = np.array(lens["Pinhole:image_from_camera"][0]).reshape(3, 3).T
    assert lens["Pinhole:resolution"][0] == list(GRAPH.analysis_grid[::-1])
    numbers = next(row for row in rows[f"{views.MASKS}/numbers"] if row["t"] == t)
    place = dict(zip(numbers["Points2D:labels"], numbers["Points2D:positions"], strict=True))
    T_camera_world = np.linalg.inv(GRAPH.ego.T_world_camera[0])
    for k, track in GRAPH.tracks.items():
        if track.observations[0].t == t:
            point = T_camera_world[:3, :3] @ track.observations[0].centroid + T_camera_world[:3, 3]
            uv = (K @ point)[:2] / point[2]
            x0, y0, x1, y1 = track.observations[0].region.box
            assert x0 <= uv[0] <= x1
            assert y0 <= uv[1] <= y1
            assert np.abs(np.array(place[str(k)]) - uv).max() < max(x1 - x0, y1 - y0)


def test_depth_lies_where_the_camera_sees_it(rows: dict[str, list[dict[str, object]]]):
    assert times(rows[views.DEPTH], "DepthImage:buffer") == [DEPTH_T]
    assert times(rows[views.DEPTH]) == [DEPTH_T] * len(rows[views.DEPTH])  # it stays until the next one
    row = {
        name: value
        for each in rows[views.DEPTH]
        if each["t"] == DEPTH_T
        for name, value in each.items()
        if value is not None
    }
    pose = {name: row[f"Transform3D:{name}"][0] for name in ("translation", "quaternion")}
    assert pose["translation"] == pytest.approx(GRAPH.ego.position[GRAPH.ego.t.tolist().index(DEPTH_T)])
    assert pose["quaternion"] == pytest.approx(GRAPH.ego.quaternion_xyzw[GRAPH.ego.t.tolist().index(DEPTH_T)])
    width, height = row["Pinhole:resolution"][0]
    depth = np.frombuffer(bytes(row["DepthImage:buffer"][0]), np.float32).reshape(round(height), round(width))
    K = np.array(row["Pinhole:image_from_camera"][0]).reshape(3, 3).T
    grid = pinhole(*GRAPH.ego.intrinsics[GRAPH.ego.t.tolist().index(DEPTH_T)].tolist())
    stride = round(GRAPH.analysis_grid[1] / width)
    for v, u in ((0, 0), (depth.shape[0] - 1, depth.shape[1] - 1)):
        at = stride // 2 + stride * np.array([u, v])
        assert depth[v, u] == pytest.approx(SLOPE[at[1], at[0]], rel=1e-3)
        ours, reruns = np.linalg.solve(grid, [*at, 1.0]), np.linalg.solve(K, [u + 0.5, v + 0.5, 1.0])
        assert np.allclose(ours, reruns, atol=1e-6)


def test_merges_and_warnings_are_log_entries(rows: dict[str, list[dict[str, object]]]):
    (merge,), (warning,) = rows[f"{views.LOG}/merges"], rows[f"{views.LOG}/warnings"]
    assert merge["TextLog:text"] == ["t 2: object 7 became object 1 (IoU 0.71, distance 0.12)"]
    assert (merge["t"], warning["t"]) == (2, 0)
    assert (warning["TextLog:text"], warning["TextLog:level"]) == (RECORD["warnings"], ["WARN"])


def test_it_opens_with_a_layout_and_plays_as_fast_as_the_clip(path: Path):
    reader = chunks.RrdReader(path)
    (layout,) = reader.blueprints()
    (panel,) = (each for each in reader.stream(store=layout) if each.entity_path == "/time_panel")
    (row,) = panel.to_record_batch().to_pylist()
    assert row["TimePanelBlueprint:timeline"] == ["t"]
    assert row["TimePanelBlueprint:fps"] == pytest.approx([1 / np.median(np.diff(GRAPH.ego.time_s))])
