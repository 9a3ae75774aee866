"""Inputs and outputs by URL, in a file system in memory."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from fast_snow.batching import storage
from fast_snow.batching.resources import Resources
from fast_snow.batching.running import batch
from fast_snow.batching.videos import videos
from fast_snow.errors import ConfigError, InputError, OutputError
from tests.batching.conftest import alone
from tests.resuming.runs import CONFIG


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def test_a_pattern_lists_urls(memory: fsspec.AbstractFileSystem):
    for name in ("b.mp4", "a.mp4"):
        memory.pipe(f"/clips/{name}", b"video")
    assert [(each.name, each.source) for each in videos("memory://clips/*.mp4")] == [
        ("a", "memory:///clips/a.mp4"),
        ("b", "memory:///clips/b.mp4"),
    ]


def test_files_and_folders_are_copied_once(memory: fsspec.AbstractFileSystem, tmp_path: Path):
    memory.pipe({"/scan/color/0.png": b"zero", "/scan/meta.json": b"{}"})
    copy = storage.fetch("memory://scan", tmp_path)
    assert {each.name: each.read_bytes() for each in copy.rglob("*") if each.is_file()} == {
        "0.png": b"zero",
        "meta.json": b"{}",
    }
    before = (copy / "meta.json").stat()
    storage.fetch("memory://scan", tmp_path)
    assert (copy / "meta.json").stat().st_ctime_ns == before.st_ctime_ns
    assert before.st_mtime == pytest.approx(memory.modified("/scan/meta.json").timestamp(), abs=1e-3)


def test_objects_do_not_leave_their_folder(memory: fsspec.AbstractFileSystem, tmp_path: Path):
    memory.store["/scan/../../escaped"] = memory.open("/other", "wb")
    with pytest.raises(InputError, match=r"memory://scan: cannot be read \(ValueError\)"):
        storage.fetch("memory://scan", tmp_path / "copies")
    assert not list(tmp_path.rglob("escaped"))


def test_a_run_is_uploaded_and_its_record_found_again(memory: fsspec.AbstractFileSystem, tmp_path: Path):
    run = tmp_path / "run"
    (run / "masks").mkdir(parents=True)
    for name in ("4dsg.json", "run.json", "masks/0.npz"):
        (run / name).write_text(name)
    storage.upload(run, "memory://runs/run")
    assert not run.exists()
    assert memory.cat("/runs/run/masks/0.npz") == b"masks/0.npz"
    storage.fetch_record("memory://runs/run", run)
    assert [each.name for each in run.iterdir()] == ["run.json"]
    storage.fetch_record("memory://runs/other", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_is_missing_is_told_without_credentials(memory: fsspec.AbstractFileSystem, tmp_path: Path):
    with pytest.raises(InputError, match=r"memory://nobody/clip.mp4: cannot be read \(FileNotFoundError\)"):
        storage.fetch("memory://user:secret@nobody/clip.mp4?key=secret", tmp_path)
    with pytest.raises(ConfigError, match="cannot be opened"):
        storage.fetch("nonsense://bucket/clip.mp4", tmp_path)


@pytest.mark.parametrize("name", ["batch.csv", "batch.json"])
def test_tables_of_others_are_not_replaced(tmp_path: Path, name: str):
    (tmp_path / name).write_text("sample,yield\n")
    with pytest.raises(OutputError, match=f"{name}: not the table of a batch"):
        batch([tmp_path / "clip.mp4"], tmp_path)
    assert (tmp_path / name).read_text() == "sample,yield\n"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_batch_reads_and_writes_urls(
    memory: fsspec.AbstractFileSystem, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for clip in clips:
        memory.put(str(clip), f"/clips/{clip.name}", recursive=True)
    wanted = [f"memory://clips/{clip.name}" for clip in clips]
    first = batch(wanted, "memory://runs", config=CONFIG, resources=Resources(workers=1, folding=1))
    assert first.count("done") == len(clips)
    for name, run in alone(clips, tmp_path / "alone").items():
        assert {each: memory.cat(f"/runs/{name}/{each}") for each in run} == run
    assert memory.exists("/runs/batch.csv")
    again = batch(wanted, "memory://runs", config=CONFIG, resources=Resources(workers=1, folding=1))
    assert again.count("skipped") == len(clips)
