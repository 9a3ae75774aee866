"""Output folders on file systems of their own: mount points, read-only surroundings, small disks."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from fast_snow import output
from fast_snow.errors import OutputError
from tests.output import runs

pytestmark = pytest.mark.mount

Mount = Callable[..., Path]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts something for the length of a test: arguments of `mount`, the folder last."""
    if shutil.which("mount") is None:
        pytest.skip("no program to mount with")
    with ExitStack() as stack:

        def mounted(*arguments: object) -> Path:
            words = [str(each) for each in arguments]
            tried = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
            if tried.returncode != 0:
                pytest.skip(f"may not mount here: {tried.stderr.strip()}")
            if "remount" not in words[1]:
                stack.callback(subprocess.run, ["umount", words[-1]], check=True)
            return Path(words[-1])

        yield mounted


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_mount_point_takes_runs_and_stays_one(mount: Mount, tmp_path: Path):
    real = folder(tmp_path / "real")
    out = mount("--bind", real, folder(tmp_path / "out"))
    runs.save(runs.old_run(), out)
    runs.save(runs.new_run(), out, overwrite=True)
    assert runs.files(real) == runs.content(runs.new_run)
    assert out.is_mount() or out.samefile(real)


def test_a_writable_folder_in_a_read_only_one_takes_runs(mount: Mount, tmp_path: Path):
    parent = mount("-t", "tmpfs", "none", folder(tmp_path / "parent"))
    out = mount("--bind", folder(tmp_path / "real"), folder(parent / "out"))
    mount("-o", "remount,ro", parent)
    runs.save(runs.old_run(), out)
    runs.save(runs.new_run(), out, overwrite=True)
    assert runs.files(out) == runs.content(runs.new_run)
    with pytest.raises(OutputError, match="Read-only file system"), output.create(parent / "new"):
        pytest.fail("the work began")


def test_a_folder_that_is_linked_to_another_disk_stays_there(mount: Mount, tmp_path: Path):
    disk = mount("-t", "tmpfs", "none", folder(tmp_path / "disk"))
    (tmp_path / "out").symlink_to(folder(disk / "runs"))
    runs.save(runs.old_run(), tmp_path / "out")
    runs.save(runs.new_run(), tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").is_symlink()
    assert runs.files(disk / "runs") == runs.content(runs.new_run)


def test_the_input_is_known_through_a_mount(mount: Mount, tmp_path: Path):
    (folder(tmp_path / "scan") / "color").mkdir()
    again = mount("--bind", tmp_path / "scan", folder(tmp_path / "again"))
    for out in (again, again / "color", again / "color/new"):
        with pytest.raises(OutputError, match="the input"), output.create(out, source=tmp_path / "scan"):
            pytest.fail("the work began")


def leave_pages(disk: Path, count: int) -> None:
    """Fill a disk but for some pages."""
    filler = disk / "filler/0"
    filler.parent.mkdir()
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, filler.stat().st_size - 4096 * count)


def leave_files(disk: Path, count: int) -> None:
    """Fill the table of a disk's files but for some."""
    (disk / "filler").mkdir()
    made = 0
    with suppress(OSError):
        while True:
            (disk / f"filler/{made}").touch(exist_ok=False)
            made += 1
    for number in range(count):
        (disk / f"filler/{number}").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(("leave", "most"), [(leave_pages, 24), (leave_files, 24)])
def test_a_disk_that_is_full_at_any_stage(leave: Callable[[Path, int], None], most: int, mount: Mount, tmp_path: Path):
    """The old run stays, or the new one is complete; a run that was finished is kept."""
    disk = mount("-t", "tmpfs", "-o", "size=2m,nr_inodes=100", "none", folder(tmp_path / "disk"))
    outcomes = []
    for count in range(most):
        runs.save(runs.old_run(), disk / "out")
        leave(disk, count)
        outcomes.append(refusal := refused(disk / "out"))
        found = {name: data for name, data in runs.files(disk / "out").items() if not name.startswith("unpublished/")}
        assert found == runs.content(runs.new_run if refusal is None else runs.old_run)
        assert refusal is None or "no space left" in refusal.lower()
        shutil.rmtree(disk / "filler")
        shutil.rmtree(disk / "out")
    assert outcomes[-1] is None
    assert outcomes.count(None) < most - 3


def refused(out: Path) -> str | None:
    try:
        runs.save(runs.new_run(), out, overwrite=True)
    except OutputError as error:
        return str(error)
    return None
