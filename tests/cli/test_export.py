"""`export` and `view --rerun-save`: what they write and where, and what they refuse."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import fast_snow
from fast_snow.cli.main import main
from fast_snow.formats import FORMATS
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.viewing import rerun_recording
from tests.reasoning.runs import small_run
from tests.scenes import rendered


@pytest.fixture
def out(tmp_path: Path) -> Path:
    small_run().save(tmp_path / "out")
    return tmp_path / "out"


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return 0 if end.value.code is None else end.value.code


def test_a_run_is_exported_beside_itself_and_once(out: Path, capsys: pytest.CaptureFixture[str]):
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert command("export", out, "--to", "kitti") == 0
    path = out / "export" / "kitti.txt"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_text().count("\n") > 8
    assert command("export", out, "--to", "kitti") == 2
    assert "exists already" in capsys.readouterr().err
    assert command("export", out, "--to", "mot", "-o", out / "4dsg.json") == 2
    assert {path: path.read_bytes() for path in before} == before
    assert command("validate", out) == 0


def test_tables_are_a_folder(out: Path, tmp_path: Path):
    pytest.importorskip("pyarrow")
    assert command("export", out, "--to", "csv", "-o", tmp_path / "tables") == 0
    assert (tmp_path / "tables" / "camera.csv").read_text().count("\n") == 9


def test_a_frame_that_is_not_the_clips_is_refused(out: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("networkx")
    assert command("export", out, "--to", "graphml", "--relations-at", 99) == 2
    assert "expected a frame of the clip" in capsys.readouterr().err
    assert not (out / "export" / "graphml.graphml").exists()


@pytest.mark.parametrize("name", ["coco", "rerun"])
def test_damaged_masks_are_one_line(out: Path, name: str, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip(FORMATS[name].package)
    for path in (out / "masks").iterdir():
        path.write_bytes(b"PK\x03\x04" + bytes(64))
    assert command("export", out, "--to", name) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list((out / "export").iterdir()) == []


def test_a_graph_without_a_record_is_enough_for_what_needs_none(out: Path):
    (out / "run.json").unlink()
    assert command("export", out, "--to", "mot") == 0


def test_view_writes_a_recording_instead_of_the_page(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    chunks = pytest.importorskip("rerun.chunk")
    path = tmp_path / "run.rrd"
    assert command("view", out, "--rerun-save", path) == 0
    images = [
        row
        for chunk in chunks.RrdReader(path).stream()
        for row in chunk.to_record_batch().to_pylist()
        if row.get("EncodedImage:blob")
    ]
    assert sorted(row["t"] for row in images) == [each["t"] for each in keyframes(out)]
    assert not (out / "view.html").exists()
    assert command("view", out, "--rerun-save", path) == 2
    assert command("view", out, "--rerun-save", tmp_path / "other.rrd", "--rerun") == 2
    assert "expected one" in capsys.readouterr().err


def keyframes(out: Path) -> list[dict[str, object]]:
    return json.loads((out / "4dsg.json").read_text())["metadata"]["visual_anchor"]


def test_diff_tells_lines_and_json(out: Path, capsys: pytest.CaptureFixture[str]):
    graph = small_run().graph
    gone = next(iter(graph.tracks))
    fewer = replace(graph, tracks={k: track for k, track in graph.tracks.items() if k != gone})
    path = out.parent / "less.json"
    fast_snow.write(fewer, path)
    assert command("diff", out, path) == 0
    assert f"object {gone} of A: vanished\n" in capsys.readouterr().out
    assert command("diff", out, path, "--json") == 0
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert [each["before"] for each in changes if each["change"] == "vanished"] == [gone]
    fast_snow.write(replace(graph, metric=False), out.parent / "other.json")
    assert command("diff", out, out.parent / "other.json") == 2
    assert "not comparable" in capsys.readouterr().err


def test_rescale_puts_a_graph_in_metres_into_the_run(out: Path, capsys: pytest.CaptureFixture[str]):
    run = small_run()
    result = replace(run, graph=replace(run.graph, metric=False))
    result.save(out, overwrite=True)
    masks = {path.name: path.read_bytes() for path in (out / "masks").iterdir()}
    one = next(iter(run.graph.tracks))
    assert command("rescale", out, f"object {one} extent y = 80 cm ± 5") == 0
    assert capsys.readouterr().out.startswith("scale    ")
    graph = fast_snow.load(out)
    assert graph.metric
    assert graph.scale is not None
    assert {path.name: path.read_bytes() for path in (out / "masks").iterdir()} == masks
    record = json.loads((out / "run.json").read_text())
    assert record["scale"] == [f"object {one} extent y = 80 cm ± 5"]
    assert record["input"] == run.record["input"]
    before = (out / "4dsg.json").read_bytes()
    assert command("rescale", out, f"object {one} extent y = 80 cm", f"object {one} extent y = 9 m") == 2
    assert "contradict each other" in capsys.readouterr().err
    assert (out / "4dsg.json").read_bytes() == before
    assert command("rescale", out, f"object {one} extent y = 160 cm ± 5") == 0
    assert fast_snow.load(out).scale.metres_per_unit == pytest.approx(2 * graph.scale.metres_per_unit, rel=1e-4)


def test_infer_shows_each_frame_in_the_viewer_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chunks = pytest.importorskip("rerun.chunk")
    write_recording(rendered(SceneConfig(size=(48, 64), frames=6)), tmp_path / "scan")
    recording = rerun_recording.new_recording({})
    recording.save(tmp_path / "live.rrd")
    monkeypatch.setattr(rerun_recording, "viewer", lambda _: recording)
    assert command("infer", tmp_path / "scan", "-o", tmp_path / "out", "--quiet", "--rerun") == 0
    recording.disconnect()
    rows = [
        row
        for chunk in chunks.RrdReader(tmp_path / "live.rrd").stream()
        for row in chunk.to_record_batch().to_pylist()
        if chunk.entity_path.endswith(rerun_recording.OBJECTS)
    ]
    assert sorted(row["t"] for row in rows) == fast_snow.load(tmp_path / "out").ego.t.tolist()
