"""A run that still grows, seen by readers that take no lock and write nothing."""

import os
from pathlib import Path

import pytest

from fast_snow import output
from fast_snow.errors import InputError
from fast_snow.output.growing import GROWING
from fast_snow.output.workspace import Workspace
from tests.output import runs


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_reader_follows_a_run_from_its_first_window_to_its_end(tmp_path: Path):
    out = tmp_path / "out"
    result, newest = runs.new_run(), output.Newest(out)
    part = result.graph.window(t=1, length=2)
    with pytest.raises(InputError, match="cannot be read"):
        newest()
    with output.create(out) as writer:
        with pytest.raises(InputError, match="a run is at work in it"):
            newest()
        writer.add(result.labelled, result.keyframes)
        writer.show(part)
        seen, before = newest(), names(out)
        assert (seen.growing, seen.folder, seen.graph.num_frames) == (True, writer.workspace.new, 2)
        assert "its last 2 frames, up to t = 1" in str(seen)
        assert [frame.t for frame in output.read_masks(seen.folder)] == [frame.t for frame in result.labelled]
        assert newest() is seen  # not read twice
        writer.show(result.graph)
        assert newest().graph.num_frames == result.graph.num_frames > 2
        assert names(out) == before
        writer.finish(result.graph, result.record)
        assert newest().growing  # nothing to be read at this moment: the one before
    finished = newest()
    assert (finished.growing, finished.folder) == (False, out)
    assert set(runs.files(out)) == {"run.json", *output.read_record(out)["files"]}


def test_of_an_old_run_and_one_that_grows_over_it_the_newer_is_shown(tmp_path: Path):
    out = tmp_path / "out"
    runs.save(runs.old_run(), out)
    os.utime(out / "4dsg.json", ns=(0, 0))
    newest = output.Newest(out)
    assert not newest().growing
    with output.create(out, overwrite=True) as writer:  # and ends without having finished
        writer.show(runs.new_run().graph)
        assert newest().growing
    assert not newest().growing


def test_a_snapshot_that_leads_out_of_the_folder_is_refused(tmp_path: Path):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    runs.save(runs.new_run(), elsewhere)
    Workspace(out).new.mkdir(parents=True)
    (Workspace(out).new / GROWING).symlink_to(elsewhere / "4dsg.json")
    with pytest.raises(InputError, match="leads out of"):
        output.Newest(out)()
