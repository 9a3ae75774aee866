"""The folder of a run: what is in it of the user stays, and what cannot be is refused before the work."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fast_snow import output
from fast_snow.errors import FastSnowWarning, OutputError
from fast_snow.keyframes import KeyframeImage
from fast_snow.output.run_folder import FRAMES_PER_FILE
from tests.output import runs


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def refusal(folder: Path, *, overwrite: bool = False) -> str:
    """Return why a run is refused before any work."""
    with pytest.raises(OutputError) as error, output.create(folder, overwrite=overwrite):
        pytest.fail("the work began")
    return str(error.value)


def test_a_run_is_its_files_and_nothing_else(out: Path):
    runs.save(runs.new_run(), out)
    record = output.read_record(out)
    assert set(runs.files(out)) == {"run.json", *record["files"]}
    for name, entry in record["files"].items():
        assert entry == {"sha256": output.digest(out / name), "bytes": (out / name).stat().st_size}


def test_overwriting_replaces_the_run_and_leaves_the_users_files(out: Path):
    runs.save(runs.old_run(), out)
    runs.add_files_of_the_user(out)
    assert "--overwrite" in refusal(out)
    runs.save(runs.new_run(), out, overwrite=True)
    assert runs.files(out) == {**runs.content(runs.new_run), **runs.OF_THE_USER}


def test_a_folder_with_the_users_files_takes_a_run(out: Path):
    runs.add_files_of_the_user(out)
    runs.save(runs.new_run(), out)
    assert runs.files(out) == {**runs.content(runs.new_run), **runs.OF_THE_USER}


@pytest.mark.parametrize("name", ["4dsg.json", "run.json", "keyframes/000000.jpg", "masks/000000.npz"])
def test_a_file_of_the_run_that_was_changed_is_the_users(name: str, out: Path):
    runs.save(runs.old_run(), out)
    changed = (out / name).read_bytes()[:-1] + b" \n"
    if name == "run.json":
        changed = json.dumps({**json.loads((out / name).read_bytes()), "note": "mine"}).encode()
    (out / name).write_bytes(changed)
    before = runs.files(out)
    assert f"{name}: was changed since its run wrote it" in refusal(out, overwrite=True)
    assert runs.files(out) == before


@pytest.mark.parametrize("name", ["keyframes/000000.jpg", "masks/000000.npz"])
def test_a_file_of_the_run_that_was_removed_is_not_missed(name: str, out: Path):
    runs.save(runs.old_run(), out)
    (out / name).unlink()
    runs.save(runs.new_run(), out, overwrite=True)
    assert runs.files(out) == runs.content(runs.new_run)


def test_a_run_of_an_earlier_version_stays(out: Path):
    out.mkdir()
    (out / "4dsg.json").write_text("{}")
    assert "without it nothing in" in refusal(out, overwrite=True)
    (out / "run.json").write_text('{"input": {}}')
    assert "an earlier version wrote it" in refusal(out, overwrite=True)
    assert set(runs.files(out)) == {"4dsg.json", "run.json"}


@pytest.mark.parametrize("name", ["keyframes/000123.jpg", "masks/000001.npz", "masks", "keyframes"])
def test_what_has_a_name_that_a_run_needs_is_noticed_before_the_work(name: str, out: Path):
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    assert f"{name}: is not a file of a recorded run" in refusal(out, overwrite=True)
    assert runs.files(out) == {name: b"mine"}


def test_linked_folders_within_a_run_are_refused(tmp_path: Path, out: Path):
    runs.save(runs.old_run(), out)
    (out / "keyframes").rename(tmp_path / "elsewhere")
    (out / "keyframes").symlink_to(tmp_path / "elsewhere")
    before = runs.files(tmp_path / "elsewhere")
    assert "is a link" in refusal(out, overwrite=True)
    assert runs.files(tmp_path / "elsewhere") == before


def save_while(out: Path, name: str, *, overwrite: bool = False) -> None:
    """Save a run, and put a file of the user under a name just before it is published."""
    with output.create(out, overwrite=overwrite) as writer:
        writer.add(runs.new_run().labelled, runs.new_run().keyframes)
        writer.finish(runs.new_run().graph, runs.new_run().record)
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")


def kept() -> dict[str, bytes]:
    return {f"unpublished/{path}": data for path, data in runs.content(runs.new_run).items()}


@pytest.mark.parametrize("name", ["4dsg.json", "keyframes/000000.jpg"])
def test_a_file_that_appears_while_the_run_works_stays_and_the_run_is_kept(name: str, out: Path):
    with pytest.raises(OutputError, match=rf"{name}: appeared while the run worked.*kept in .*unpublished"):
        save_while(out, name)
    assert runs.files(out) == {name: b"mine", **kept()}


def test_a_file_of_the_old_run_that_is_changed_while_the_run_works_stays(out: Path):
    runs.save(runs.old_run(), out)
    with pytest.raises(OutputError, match=r"masks/000000.npz: was changed while the run worked.*kept in .*unpublished"):
        save_while(out, "masks/000000.npz", overwrite=True)
    assert runs.files(out) == {**runs.content(runs.old_run), "masks/000000.npz": b"mine", **kept()}


def test_a_second_run_into_a_folder_at_work_is_refused(out: Path):
    with output.create(out) as writer:
        assert "another run is at work" in refusal(out, overwrite=True)
        writer.add(runs.new_run().labelled, runs.new_run().keyframes)
        writer.finish(runs.new_run().graph, runs.new_run().record)
    assert runs.files(out) == runs.content(runs.new_run)


def test_a_run_that_fails_leaves_nothing(tmp_path: Path):
    astray = KeyframeImage(path="../000000.jpg", jpeg=b"")
    with pytest.raises(OutputError, match="plain path"):
        runs.save(replace(runs.new_run(), keyframes=(astray,)), tmp_path / "new/folder/out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["link", "dangling link", "dot", "deep", "link to a link"])
def test_the_folder_is_the_one_that_was_given(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, given = tmp_path / "real", tmp_path / "given"
    if how in ("link", "dot"):
        real.mkdir()
        number = real.stat().st_ino
    if how == "link to a link":
        (tmp_path / "between").symlink_to(real)
        given.symlink_to(tmp_path / "between")
    elif how != "dot":
        given.symlink_to(real)
    else:
        monkeypatch.chdir(real)
        given = Path()
    if how == "deep":
        given, real = given / "a/b", real / "a/b"
    runs.save(runs.new_run(), given)
    assert runs.files(real) == runs.content(runs.new_run)
    if how == "link":
        assert given.is_symlink()
        assert real.stat().st_ino == number


def test_places_that_cannot_be_are_refused_with_the_reason(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert "is a file" in refusal(tmp_path / "file")
    assert "is a file" in refusal(tmp_path / "link")
    assert "Not a directory" in refusal(tmp_path / "file/out")
    assert "leads nowhere" in refusal(tmp_path / "circle") or "Too many" in refusal(tmp_path / "circle")
    assert "too long" in refusal(tmp_path / ("n" * 256))
    assert "cannot be" in refusal(Path("/proc/none/out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "file", "link"]


def test_names_that_only_the_deepest_file_makes_too_long_are_refused_before_the_work(tmp_path: Path):
    deep = tmp_path
    while len(os.fsencode(deep)) < 4096 - 250:
        deep = deep / ("d" * 200)
    deep = deep / ("d" * (4096 - 30 - len(os.fsencode(deep))))
    assert "too long" in refusal(deep)


@pytest.mark.parametrize(("mask", "folder", "file"), [(0o077, 0o700, 0o600), (0o022, 0o755, 0o644), (0, 0o777, 0o666)])
def test_permissions_follow_the_umask(mask: int, folder: int, file: int, out: Path):
    before = os.umask(mask)
    try:
        runs.save(runs.new_run(), out)
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == folder
    for path in out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (folder if path.is_dir() else file), path


def test_a_name_that_is_not_unicode_loses_nothing(tmp_path: Path):
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    record = {**runs.new_run().record, "input": {**runs.new_run().record["input"], "name": "\udcff.mp4"}}
    with output.create(out) as writer:
        writer.add(runs.new_run().labelled, runs.new_run().keyframes)
        writer.finish(runs.new_run().graph, record)
    assert output.read_record(out)["input"]["name"] == "\\udcff.mp4"
    assert set(runs.files(out)) == set(runs.content(runs.new_run))


def test_a_hidden_folder_of_somebody_else_stays(out: Path):
    (out / ".fast-snow").mkdir(parents=True)
    (out / ".fast-snow/diary.txt").write_text("mine")
    assert "Fast-SNOW did not write it" in refusal(out)
    assert runs.files(out) == {".fast-snow/diary.txt": b"mine"}


def test_what_a_dead_run_left_is_cleared_by_the_next(out: Path):
    (out / ".fast-snow/new/keyframes").mkdir(parents=True)
    (out / ".fast-snow/new/keyframes/000000.jpg").write_bytes(b"half")
    (out / ".fast-snow/lock").touch()
    runs.save(runs.new_run(), out)
    assert runs.files(out) == runs.content(runs.new_run)


@pytest.mark.parametrize("name", ["../mine", "/mine", "a/../../mine", "", ".", ".fast-snow/lock", "linked/mine", "c:x"])
def test_a_strangers_journal_moves_nothing_from_elsewhere(name: str, tmp_path: Path, out: Path):
    (tmp_path / "mine").write_text("mine")
    (out / ".fast-snow/new").mkdir(parents=True)
    (out / "linked").symlink_to(tmp_path)
    (out / ".fast-snow/new/4dsg.json").write_text("{}")
    journal = {"new": {"4dsg.json": ""}, "old": {name: output.digest(tmp_path / "mine")}}
    (out / ".fast-snow/journal.json").write_text(json.dumps(journal))
    assert "journal.json: damaged" in refusal(out)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("part", ["new", "placing", "old"])
def test_a_strangers_linked_workspace_is_refused(part: str, tmp_path: Path, out: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("mine")
    (out / ".fast-snow").mkdir(parents=True)
    (out / ".fast-snow" / part).symlink_to(tmp_path / "mine")
    assert "Fast-SNOW did not write it" in refusal(out)
    assert (tmp_path / "mine/thesis.tex").read_text() == "mine"


def test_a_strangers_record_owns_nothing_outside(tmp_path: Path, out: Path):
    from fast_snow.output.record import sealed

    runs.save(runs.new_run(), out)
    (tmp_path / "mine").write_text("mine")
    entry = {"sha256": output.digest(tmp_path / "mine"), "bytes": 4}
    (out / "run.json").write_bytes(sealed({"files": {"../mine": entry}}))
    assert "plain path inside the folder" in refusal(out, overwrite=True)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_blocked_recovery_keeps_both_runs(out: Path):
    runs.save(runs.old_run(), out)
    with runs.fault(34, runs.Killed), pytest.raises(runs.Killed):
        runs.save(runs.new_run(), out, overwrite=True)
    assert (out / ".fast-snow/journal.json").exists()
    (out / "keyframes/000004.jpg").write_text("mine")
    with pytest.warns(FastSnowWarning, match=r"could not take its place .*unpublished"):
        assert "already holds a run" in refusal(out)
    assert runs.files(out) == {**runs.content(runs.old_run), "keyframes/000004.jpg": b"mine", **kept()}


def test_masks_of_a_long_window_go_to_several_files(tmp_path):
    """The reader bounds what it unpacks of one file."""
    run = runs.new_run()
    frames = [replace(run.labelled[i % len(run.labelled)], t=i) for i in range(2 * FRAMES_PER_FILE + 1)]
    with output.create(tmp_path / "out") as writer:
        writer.add(frames, run.keyframes)
        writer.finish(run.graph, run.record)
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3
    again = list(output.read_masks(tmp_path / "out"))
    assert [each.t for each in again] == list(range(len(frames)))
    assert all(np.array_equal(a.object_id, b.object_id) for a, b in zip(again, frames, strict=True))
