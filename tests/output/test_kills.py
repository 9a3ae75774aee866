"""A process that is killed at any moment leaves the old run or the new one, complete after the next command at most."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fast_snow.errors import OutputError
from tests.output import runs


@pytest.fixture(autouse=True)
def quick_and_quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Flush nothing: a killed process loses nothing that it has written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*was interrupted while it took its place")
        yield


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    runs.old_run().save(folder / "True")
    for name in ("True", "False"):
        runs.add_files_of_the_user(folder / name)
    return folder


def prepared(templates: Path, folder: Path, *, old: bool) -> Path:
    """Return a folder with files of a user, and with a run or without."""
    return Path(shutil.copytree(templates / str(old), folder))


def check(folder: Path, *, old: bool) -> None:
    """Require one whole run, all files of the user and nothing else."""
    found = runs.files(folder)
    allowed = [runs.content(run) for run in ((runs.old_run, runs.new_run) if old else (runs.new_run,))]
    assert found in [{**run, **runs.OF_THE_USER} for run in allowed]
    assert not (folder / ".fast-snow").exists()


def refused(folder: Path, *, overwrite: bool) -> str | None:
    try:
        runs.save(runs.new_run(), folder, overwrite=overwrite)
    except OutputError as error:
        return str(error)
    return None


def next_command(folder: Path) -> None:
    assert "already holds a run" in (refused(folder, overwrite=False) or "already holds a run")


def kill_everywhere(templates: Path, tmp_path: Path, *, old: bool, after: bool) -> Iterator[Path]:
    """Yield what a run left that was killed at its first change of the file system, at its second, and so on."""
    at = 0
    while True:
        folder = prepared(templates, tmp_path / str(at), old=old)
        with runs.fault(at, runs.Killed, after=after) as asked, suppress(runs.Killed):
            runs.save(runs.new_run(), folder, overwrite=True)
        if len(asked) <= at:
            break
        yield folder
        at += 1
    assert at > 30


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("old", [pytest.param(False, marks=pytest.mark.slow), True], ids=["first run", "over a run"])
def test_killed_at_every_change(templates: Path, tmp_path: Path, old: bool, after: bool):
    for folder in kill_everywhere(templates, tmp_path, old=old, after=after):
        if (folder / "4dsg.json").exists():  # at any time it is whole or absent: readers do not wait for a recovery
            visible = {name: data for name, data in runs.files(folder).items() if not name.startswith(".fast-snow/")}
            assert visible in [{**runs.content(run), **runs.OF_THE_USER} for run in (runs.old_run, runs.new_run)]
        next_command(folder)
        check(folder, old=old)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_change_of_the_recovery_too(templates: Path, tmp_path: Path, after: bool):
    for killed in kill_everywhere(templates, tmp_path, old=True, after=after):
        if not (killed / ".fast-snow/journal.json").exists():
            continue  # nothing was published: the recovery only clears
        for at in range(200):
            folder = Path(shutil.copytree(killed, tmp_path / f"{killed.name}.{at}"))
            with runs.fault(at, runs.Killed, after=after) as asked, suppress(runs.Killed):
                next_command(folder)
            next_command(folder)
            check(folder, old=True)
            shutil.rmtree(folder)
            if len(asked) <= at:
                break


@pytest.mark.parametrize("old", [pytest.param(False, marks=pytest.mark.slow), True], ids=["first run", "over a run"])
def test_a_full_disk_at_every_change(templates: Path, tmp_path: Path, old: bool):
    """One clear error; the old run stays, and a run that was finished is kept, wherever the disk is found full."""
    at = 0
    while True:
        folder = prepared(templates, tmp_path / str(at), old=old)
        before = runs.files(folder)
        with runs.fault(at, lambda: OSError(28, "No space left on device"), dead=False) as asked:
            refusal = refused(folder, overwrite=True)
        found = runs.files(folder)
        kept = {name.partition("/")[2]: data for name, data in found.items() if name.startswith("unpublished/")}
        rest = {name: data for name, data in found.items() if not name.startswith(("unpublished/", ".fast-snow/"))}
        assert kept in ({}, runs.content(runs.new_run))
        if refusal is not None:
            assert "no space left" in refusal.lower()
            assert rest == before
        else:
            assert rest == {**runs.OF_THE_USER, **runs.content(runs.new_run)}
        if len(asked) <= at:
            break
        at += 1
    assert at > 30
