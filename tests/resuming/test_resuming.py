"""A run that dies is gone on with by the next one, to the same graph, bit for bit."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from fast_snow import packed_values
from fast_snow.config import Config, WindowConfig
from fast_snow.errors import OutputError
from fast_snow.pipeline import Step
from fast_snow.presets import as_options
from fast_snow.resuming import Memory, num_windows
from tests.output.runs import Killed, fault
from tests.resuming.runs import CONFIG, WINDOWS, changed, infer, results

KILLED = """
import os, signal, sys
from fast_snow.resuming import Memory
stored = Memory.checkpoint
def checkpoint(memory, step):
    if step.window == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    stored(memory, step)
Memory.checkpoint = checkpoint
from fast_snow.cli.main import main
main(sys.argv[2:])
"""
"""A process that dies before it stores the state after a window."""


def interrupted(recording: Path, out: Path, monkeypatch: pytest.MonkeyPatch, config: Config = CONFIG) -> list[Path]:
    """Leave a run that died after its first window; returns the perception files of the others that are there."""
    stored = Memory.checkpoint

    def checkpoint(memory: Memory, step: Step) -> None:
        if step.window == 1:
            raise Killed
        stored(memory, step)

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "checkpoint", checkpoint)
        with pytest.raises(Killed):
            infer(recording, out, config)
    return perception_files(out)


def perception_files(out: Path) -> list[Path]:
    return sorted((out / ".fast-snow/resume/perception").glob("*.npz"))


@pytest.mark.parametrize("at", [33, *(pytest.param(at, marks=pytest.mark.slow) for at in (4, 8, 12, 19, 26, 40, 47))])
def test_killed_at_a_change_of_the_file_system(at: int, recording: Path, tmp_path: Path, unbroken: dict[str, bytes]):
    out = tmp_path / "out"
    with fault(at, Killed) as asked, suppress(Killed):
        infer(recording, out)
    assert len(asked) > at
    with suppress(OutputError):  # it is in place already
        infer(recording, out)
    assert results(out) == unbroken


def test_a_killed_process_is_gone_on_with_and_the_run_says_so(
    recording: Path, tmp_path: Path, unbroken: dict[str, bytes], printed: Callable[[], str]
):
    arguments = ["infer", str(recording), "-o", str(tmp_path / "out"), *as_options(CONFIG)]
    killed = subprocess.run([sys.executable, "-c", KILLED, "1", *arguments], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    perception = perception_files(tmp_path / "out")
    infer(recording, tmp_path / "out", quiet=False)
    assert f"resuming: windows 0-{len(perception)} of {WINDOWS} are there" in printed()
    assert results(tmp_path / "out") == unbroken
    assert json.loads((tmp_path / "out/run.json").read_text())["resumed_windows"] == 1
    assert not (tmp_path / "out/.fast-snow").exists()


@pytest.mark.slow
def test_killed_at_twenty_random_moments(recording: Path, tmp_path: Path, unbroken: dict[str, bytes]):
    moments = random.Random(0)
    for number in range(20):
        out = tmp_path / str(number)
        arguments = ["infer", str(recording), "-o", str(out), *as_options(CONFIG), "--quiet"]
        with subprocess.Popen([sys.executable, "-m", "fast_snow", *arguments], stderr=subprocess.DEVNULL) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=moments.uniform(1, 6))
            process.kill()
        with suppress(OutputError):  # it is in place already
            infer(recording, out)
        assert results(out) == unbroken


@pytest.mark.slow
def test_at_most_two_windows_and_the_state_are_kept(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stored, most = Memory.checkpoint, []

    def checkpoint(memory: Memory, step: Step) -> None:
        most.append(len(perception_files(tmp_path / "out")))
        stored(memory, step)

    monkeypatch.setattr(Memory, "checkpoint", checkpoint)
    infer(recording, tmp_path / "out")
    assert len(most) == WINDOWS
    assert max(most) <= 2


@pytest.mark.parametrize("where", [0.5, *(pytest.param(each / 20, marks=pytest.mark.slow) for each in range(20))])
def test_flipped_bytes_of_a_perception_file_are_noticed_and_computed_again(
    where: float,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unbroken: dict[str, bytes],
    printed: Callable[[], str],
):
    perception = interrupted(recording, tmp_path / "out", monkeypatch)
    content = bytearray(perception[0].read_bytes())
    content[int(where * len(content))] ^= 0xFF
    perception[0].write_bytes(content)
    printed()
    infer(recording, tmp_path / "out", quiet=False)
    told = printed()
    assert "computed again" in told or where != 0.5  # of the ZIP archive nothing reads some bytes at its ends
    assert told.count("track: 0 of") == WINDOWS - 1 - len(perception) + ("computed again" in told)
    assert results(tmp_path / "out") == unbroken


@pytest.mark.slow
def test_a_damaged_state_is_noticed(
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unbroken: dict[str, bytes],
    printed: Callable[[], str],
):
    interrupted(recording, tmp_path / "out", monkeypatch)
    state = tmp_path / "out/.fast-snow/resume/state.npz"
    state.write_bytes(state.read_bytes()[:-200])
    infer(recording, tmp_path / "out")
    assert "what an interrupted run had done is not used" in printed()
    assert results(tmp_path / "out") == unbroken


@pytest.mark.parametrize(
    "config", [changed("window.overlap", 2), pytest.param(changed("step.grid_size", 8), marks=pytest.mark.slow)]
)
def test_another_configuration_uses_what_it_can(
    config: Config, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
):
    interrupted(recording, tmp_path / "out", monkeypatch)
    infer(recording, tmp_path / "out", config)
    others = config.window != CONFIG.window
    assert ("its input, engines or their settings were others" in printed()) == others
    if not others:
        infer(recording, tmp_path / "new", config)
        assert results(tmp_path / "out") == results(tmp_path / "new")


@pytest.mark.slow
def test_an_input_that_changed_is_not_gone_on_with(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
):
    copied = Path(shutil.copytree(recording, tmp_path / "scan"))
    interrupted(copied, tmp_path / "out", monkeypatch)
    os.utime(copied / "color/000003.png", (1, 1))
    infer(copied, tmp_path / "out")
    assert "is not used" in printed()


@pytest.mark.slow
@pytest.mark.parametrize("link", ["new/masks/000099.npz", "resume/perception/000099.npz"])
def test_links_in_a_workspace_are_never_followed(
    link: str,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unbroken: dict[str, bytes],
    printed: Callable[[], str],
):
    (tmp_path / "mine").write_text("mine")
    interrupted(recording, tmp_path / "out", monkeypatch)
    (tmp_path / "out/.fast-snow" / link).symlink_to(tmp_path / "mine")
    infer(recording, tmp_path / "out")
    assert "it holds links" in printed()
    assert results(tmp_path / "out") == unbroken
    assert (tmp_path / "mine").read_text() == "mine"


class Usage(NamedTuple):
    """What `shutil.disk_usage` tells."""

    total: int
    used: int
    free: int


@pytest.fixture(params=["seen beforehand", pytest.param("while it is written", marks=pytest.mark.slow)])
def full(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which the run has room, but not its perception files."""
    if request.param == "seen beforehand":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1000))
        return

    def write(path: Path, value: object, **options: bool) -> str:
        if path.parent.name == "perception":
            raise OutputError(f"{path}: cannot be written (No space left on device)")
        return stored(path, value, **options)

    stored = packed_values.write
    monkeypatch.setattr(packed_values, "write", write)


@pytest.mark.usefixtures("full")
def test_a_full_disk_ends_no_run_that_needs_no_perception_files(
    recording: Path, tmp_path: Path, unbroken: dict[str, bytes], printed: Callable[[], str]
):
    infer(recording, tmp_path / "out")
    assert printed().count("if this run is interrupted") == 1
    assert results(tmp_path / "out") == unbroken


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_one_line_where_perception_files_are_wanted(recording: Path, tmp_path: Path):
    with pytest.raises(OutputError, match=r"^.*( GB are free, expected |No space left).*$"):
        infer(recording, tmp_path / "out", changed("output.keep_perception", True))


def test_windows_are_counted_as_they_are_cut():
    config = WindowConfig(length=4, overlap=1)
    assert [num_windows(frames, config) for frames in (None, 1, 4, 5, 7, 8, 12)] == [None, 1, 1, 2, 2, 3, 4]
