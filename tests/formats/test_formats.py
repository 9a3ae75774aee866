"""Runs in the formats of other tools, each read back by the format's own library."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from fast_snow.cli.export_commands import FormatName
from fast_snow.errors import EngineError, InputError, OutputError
from fast_snow.formats import FORMATS, ExportSource, export
from fast_snow.formats.source import sightings
from fast_snow.types import LabelledMasks, Masks
from tests.reasoning.runs import small_run

RUN = small_run()
GRAPH = RUN.graph
SEEN = [(k, each) for k, each in sightings(GRAPH)]
T = 3


@pytest.fixture
def source() -> ExportSource:
    return ExportSource(graph=GRAPH, masks=lambda: iter(RUN.labelled), record=RUN.record, relations_at=T)


def written(source: ExportSource, name: str, folder: Path) -> Path:
    """Return where a run was written."""
    path = folder / f"run{FORMATS[name].suffix}"
    files = export(source, name, path)
    assert {*files} == ({path} if FORMATS[name].suffix else {*path.iterdir()})
    return path


def dense_masks() -> dict[tuple[int, int], np.ndarray]:
    return {
        (frame.t, k): mask
        for frame in RUN.labelled
        for k, mask in zip(frame.object_id.tolist(), frame.masks.to_dense(), strict=True)
        if mask.any()
    }


def test_the_command_offers_what_the_table_holds():
    assert set(get_args(FormatName)) == set(FORMATS)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_coco_holds_every_mask(source: ExportSource, tmp_path: Path):
    coco = pytest.importorskip("pycocotools.coco").COCO(str(written(source, "coco", tmp_path)))
    expected = dense_masks()
    found = {(each["image_id"] - 1, each["track_id"]): each for each in coco.anns.values()}
    assert found.keys() == expected.keys()
    for key, annotation in found.items():
        assert (coco.annToMask(annotation).astype(bool) == expected[key]).all()
        assert annotation["area"] == expected[key].sum()
    boxes = {(each.t, k): each.region.box for k, each in SEEN}
    for key in boxes.keys() & found.keys():
        x, y, width, height = found[key]["bbox"]
        assert [x, y, x + width, y + height] == boxes[key].tolist()
    assert len(coco.imgs) == GRAPH.num_frames


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_youtube_vis_holds_a_mask_or_null_per_frame(source: ExportSource, tmp_path: Path):
    rle_of = pytest.importorskip("pycocotools.mask")
    content = json.loads(written(source, "youtube-vis", tmp_path).read_text())
    expected = dense_masks()
    (video,) = content["videos"]
    assert video["length"] == len(video["file_names"]) == GRAPH.num_frames
    for annotation in content["annotations"]:
        for t, rle in enumerate(annotation["segmentations"]):
            mask = expected.pop((t, annotation["track_id"]), None)
            assert (rle is None) == (mask is None)
            if mask is not None:
                assert (rle_of.decode(rle).astype(bool) == mask).all()
    assert expected == {}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_mots_is_without_overlaps(tmp_path: Path):
    """A small mask within a large one keeps its pixels, and the large one gives them up."""
    rle_of = pytest.importorskip("pycocotools.mask")
    dense = np.zeros((2, *GRAPH.analysis_grid), bool)
    dense[0, 10:60, 10:60], dense[1, 20:30, 20:30] = True, True
    frame = LabelledMasks(t=0, object_id=np.array([4, 9], np.int32), masks=Masks.from_dense(dense))
    path = written(ExportSource(graph=GRAPH, masks=lambda: iter([frame])), "mots", tmp_path)
    lines = {int(line.split()[1]): line.split() for line in path.read_text().splitlines()}
    decoded = {
        k: rle_of.decode({"size": [int(words[3]), int(words[4])], "counts": words[5]}).astype(bool)
        for k, words in lines.items()
    }
    assert (decoded[9] == dense[1]).all()
    assert (decoded[4] == (dense[0] & ~dense[1])).all()


@pytest.mark.filterwarnings("ignore:Operation with tuple")  # in motmetrics
def test_motchallenge_is_read_by_motmetrics(source: ExportSource, tmp_path: Path):
    motmetrics = pytest.importorskip("motmetrics")
    table = motmetrics.io.loadtxt(str(written(source, "mot", tmp_path)), fmt="mot15-2D")
    rows = {(frame - 1, k - 1): row for (frame, k), row in table.iterrows()}
    boxed = {(each.t, k): each for k, each in SEEN if min(each.region.box) >= 0}
    assert rows.keys() == boxed.keys()
    for key, row in rows.items():
        x0, y0, x1, y1 = boxed[key].region.box.tolist()
        assert (row["X"], row["Y"], row["Width"], row["Height"]) == (x0, y0, x1 - x0, y1 - y0)
    last = np.loadtxt(tmp_path / "run.txt", delimiter=",")[:, 7:]
    known = [each.centroid for _, each in sorted(boxed.items()) if hasattr(each, "centroid")]
    assert (last[(last != -1).any(axis=1)].astype(np.float32) == known).all()


def test_kitti_has_the_columns_of_its_development_kit(source: ExportSource, tmp_path: Path):
    rows = [line.split() for line in written(source, "kitti", tmp_path).read_text().splitlines()]
    boxed = {(each.t, k): each for k, each in SEEN if min(each.region.box) >= 0}
    assert {(int(row[0]), int(row[1])) for row in rows} == boxed.keys()
    for row in rows:
        assert len(row) == 18
        x0, y0, x1, y1 = boxed[int(row[0]), int(row[1])].region.box.tolist()
        assert [float(each) for each in row[6:10]] == [x0, y0, x1 - 1, y1 - 1]


def test_spark_dsg_holds_objects_and_cameras(source: ExportSource, tmp_path: Path):
    dsg = pytest.importorskip("spark_dsg")
    graph = dsg.DynamicSceneGraph.load(str(written(source, "spark-dsg", tmp_path)))
    assert graph.num_nodes() == len(GRAPH.tracks) + GRAPH.num_frames
    for k, track in GRAPH.tracks.items():
        attributes, last = graph.get_node(dsg.NodeSymbol("O", k)).attributes, track.observations[-1]
        assert np.allclose(attributes.bounding_box.dimensions, last.high - last.low)
        assert np.allclose(attributes.bounding_box.world_P_center, (last.high + last.low) / 2, atol=1e-6)
        trajectory = attributes.metadata.get()["trajectory"]
        assert (np.float32(trajectory) == [each.centroid for each in track.observations]).all()
    for i, t in enumerate(GRAPH.ego.t.tolist()):
        attributes = graph.get_node(dsg.NodeSymbol("a", t)).attributes
        assert np.allclose(attributes.position, GRAPH.ego.position[i])
        turn = attributes.world_R_body
        assert np.allclose([turn.x, turn.y, turn.z, turn.w], GRAPH.ego.quaternion_xyzw[i])
        assert attributes.timestamp.total_seconds() == pytest.approx(float(GRAPH.ego.time_s[i]), abs=1e-6)


def test_parquet_is_bit_for_bit(source: ExportSource, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = written(source, "parquet", tmp_path)
    table = parquet.read_table(folder / "observations.parquet")
    assert table.schema.metadata[b"metric"] == b"true"
    for name, column in GRAPH.table().items():
        values = table[name].to_numpy()
        if name == "source_id":
            assert ((column >= 0) == np.isfinite(values.astype(float))).all()
        else:
            assert values.dtype == column.dtype
            assert np.array_equal(values, column, equal_nan=column.dtype.kind == "f")
    camera = parquet.read_table(folder / "camera.parquet")
    assert (np.stack([camera[each].to_numpy() for each in "xyz"], 1) == GRAPH.ego.position).all()
    assert parquet.read_table(folder / "tracks.parquet")["object_id"].to_pylist() == list(GRAPH.tracks)
    assert parquet.read_table(folder / "merges.parquet").num_rows == len(GRAPH.merges)


def test_csv_reads_back_to_the_same_float32(source: ExportSource, tmp_path: Path):
    csv = pytest.importorskip("pyarrow.csv")
    table = csv.read_csv(written(source, "csv", tmp_path) / "observations.csv")
    expected = GRAPH.table()
    assert table.column_names == list(expected)
    for name in ("x", "sigma_y", "max_z", "score", "u"):
        assert np.array_equal(table[name].to_numpy().astype(np.float32), expected[name], equal_nan=True)


def test_glb_has_boxes_trails_and_the_camera_path_with_y_up(source: ExportSource, tmp_path: Path):
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(written(source, "glb", tmp_path))
    turn = np.diag([1.0, -1.0, -1.0])
    for k, track in GRAPH.tracks.items():
        last, name = track.observations[-1], f"object_{k}"
        corners = trimesh.transform_points(scene.geometry[name].vertices, scene.graph.get(name)[0]) @ turn
        assert np.allclose([corners.min(axis=0), corners.max(axis=0)], [last.low, last.high], atol=1e-5)
        if len(track.observations) > 1:
            ends = scene.geometry[f"trail_{k}"].vertices  # of each piece of the line
            assert np.allclose([ends[0], *ends[1::2]], [each.centroid for each in track.observations], atol=1e-5)
    assert len(scene.geometry["camera_path"].vertices) == 2 * (GRAPH.num_frames - 1)


def test_ply_has_every_point_with_its_object(source: ExportSource, tmp_path: Path):
    trimesh = pytest.importorskip("trimesh")
    mesh = trimesh.load(written(source, "ply", tmp_path), process=False)
    trails = sum(len(track.observations) for track in GRAPH.tracks.values())
    assert len(mesh.vertices) == 8 * len(GRAPH.tracks) + trails + GRAPH.num_frames
    assert len(mesh.faces) == 12 * len(GRAPH.tracks)
    ids = mesh.metadata["_ply_raw"]["vertex"]["data"]["object_id"].ravel()
    assert np.allclose(mesh.vertices[ids == -1], GRAPH.ego.position, atol=1e-6)
    assert {*ids.tolist()} == {-1, *GRAPH.tracks}


def test_graphml_has_relations_where_they_are_asked_for(source: ExportSource, tmp_path: Path):
    nx = pytest.importorskip("networkx")
    network = nx.read_graphml(written(source, "graphml", tmp_path))
    assert set(network.nodes) == {"camera", *(f"object {k}" for k in GRAPH.tracks)}
    relations = {(one, other, each["relation"]): each for one, other, each in network.edges(data=True)}
    visible = [k for k, track in GRAPH.tracks.items() if any(each.t == T for each in track.observations)]
    one, other = visible[:2]
    (near, far) = (
        next(each for each in GRAPH.tracks[k].observations if each.t == T).centroid.astype(float) for k in (one, other)
    )
    edge = relations[f"object {one}", f"object {other}", "distance"]
    assert edge["distance"] == pytest.approx(np.linalg.norm(far - near), rel=1e-5)
    assert edge["distance_sigma"] > 0
    (tmp_path / "bare").mkdir()
    bare = nx.read_graphml(written(replace(source, relations_at=None), "graphml", tmp_path / "bare"))
    assert (len(bare.nodes), len(bare.edges)) == (len(network.nodes), 0)


def test_a_run_without_masks_is_refused_where_masks_are_the_content(tmp_path: Path):
    pytest.importorskip("pycocotools")
    with pytest.raises(InputError, match="masks/: none"):
        written(ExportSource(graph=GRAPH, masks=lambda: iter(())), "coco", tmp_path)


def test_nothing_is_written_over(source: ExportSource, tmp_path: Path):
    (tmp_path / "run.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        export(source, "mot", tmp_path / "run.txt")
    assert (tmp_path / "run.txt").read_text() == "mine"


def test_a_missing_package_is_named_with_its_extra(
    source: ExportSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(__import__("sys").modules, "networkx", None)
    with pytest.raises(EngineError, match=r'networkx: uv pip install -e "\.\[formats\]"'):
        export(source, "graphml", tmp_path / "a.graphml")


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_without_objects_is_written_too(name: str, tmp_path: Path):
    pytest.importorskip(FORMATS[name].package or "numpy")
    bare = replace(GRAPH, tracks={}, merges=())
    empty = (replace(frame, object_id=frame.object_id[:0], masks=frame.masks[:0]) for frame in RUN.labelled)
    path = written(ExportSource(graph=bare, masks=lambda: empty), name, tmp_path)
    assert path.exists()
