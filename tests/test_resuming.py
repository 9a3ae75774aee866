"""A run that dies is gone on with by the next one, to the same graph, bit for bit."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from fast_snow import packed_values
from fast_snow.cli.main import main
from fast_snow.config import WindowConfig
from fast_snow.errors import OutputError
from fast_snow.resuming import Memory, num_windows
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.output.runs import Killed, fault, files
from tests.scenes import rendered

SCENE = SceneConfig(size=(48, 64), frames=12)
CUT = ("--window.length", "4", "--window.overlap", "1", "--output.keyframe-every", "5")
ESTIMATED = ("--engines.tracker", "classical", "--engines.geometry", "recorded")
WINDOWS = 4
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


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs") / "scan"
    write_recording(rendered(SCENE), folder)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush nothing: a killed process loses nothing that it has written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def command(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        return Ended(end.value.code or 0, *capsys.readouterr())

    return command


@pytest.fixture(scope="module")
def unbroken(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing interrupted, but its record."""
    out = tmp_path_factory.mktemp("unbroken") / "out"
    with pytest.raises(SystemExit):
        main(["infer", str(recording), "-o", str(out), *CUT, *ESTIMATED, "--quiet"])
    return results(out)


def results(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(out).items() if name != "run.json"}


def interrupted(recording: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *settings: str, after: int = 2) -> None:
    """Leave a run that died when it would have stored the state after a window; its perception file is there."""
    stored = Memory.checkpoint

    def checkpoint(memory: Memory, step: object) -> None:
        if step.window == after:  # type: ignore[attr-defined]
            raise Killed
        stored(memory, step)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Memory, "checkpoint", checkpoint)
        main(["infer", str(recording), "-o", str(out), *CUT, *ESTIMATED, *settings, "--quiet"])


def perception_files(out: Path) -> list[Path]:
    return sorted((out / ".fast-snow/resume/perception").glob("*.npz"))


@pytest.mark.parametrize("at", [4, 12, 19, 26, 33, 47])
def test_killed_at_a_change_of_the_file_system(
    at: int, recording: Path, tmp_path: Path, unbroken: dict[str, bytes], run
):
    out = tmp_path / "out"
    with fault(at, Killed) as asked, suppress(Killed, SystemExit):
        main(["infer", str(recording), "-o", str(out), *CUT, *ESTIMATED, "--quiet"])
    assert len(asked) > at
    ended = run("infer", recording, "-o", out, *CUT, *ESTIMATED, "--quiet")
    assert ended.code == 0 or "already holds a run" in ended.err
    assert results(out) == unbroken


def test_a_killed_process_is_gone_on_with_and_the_run_says_so(
    recording: Path, tmp_path: Path, unbroken: dict[str, bytes], run
):
    arguments = ["infer", str(recording), "-o", str(tmp_path / "out"), *CUT, *ESTIMATED]
    killed = subprocess.run([sys.executable, "-c", KILLED, "2", *arguments], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    ended = run(*arguments)
    assert f"resuming: windows 0-2 of {WINDOWS} are there" in ended.err.splitlines()
    assert results(tmp_path / "out") == unbroken
    assert json.loads((tmp_path / "out/run.json").read_text())["resumed_windows"] == 2


@pytest.mark.slow
def test_killed_at_twenty_random_moments(recording: Path, tmp_path: Path, unbroken: dict[str, bytes], run):
    moments = random.Random(0)
    for number in range(20):
        out = tmp_path / str(number)
        arguments = ["infer", str(recording), "-o", str(out), *CUT, *ESTIMATED, "--quiet"]
        with subprocess.Popen([sys.executable, "-m", "fast_snow", *arguments], stderr=subprocess.DEVNULL) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=moments.uniform(1, 6))
            process.kill()
        run(*arguments)
        assert results(out) == unbroken


def test_a_run_that_goes_on_needs_the_engines_for_what_is_missing_alone(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: dict[str, bytes], run
):
    interrupted(recording, tmp_path / "out", monkeypatch)
    ended = run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED)
    assert ended.err.count("track: 0 of") == 1
    assert results(tmp_path / "out") == unbroken
    assert not (tmp_path / "out/.fast-snow").exists()


def test_at_most_two_windows_and_the_state_are_kept(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run
):
    stored, most = Memory.checkpoint, []

    def checkpoint(memory: Memory, step: object) -> None:
        most.append(len(perception_files(tmp_path / "out")))
        stored(memory, step)  # type: ignore[arg-type]

    monkeypatch.setattr(Memory, "checkpoint", checkpoint)
    assert run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED, "--quiet").code == 0
    assert len(most) == WINDOWS
    assert max(most) <= 2


@pytest.mark.parametrize("where", [0.01, 0.5, 0.99])
def test_flipped_bytes_of_a_perception_file_are_noticed_and_computed_again(
    where: float, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: dict[str, bytes], run
):
    interrupted(recording, tmp_path / "out", monkeypatch)
    path = perception_files(tmp_path / "out")[0]
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 0xFF
    path.write_bytes(content)
    ended = run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED)
    assert ended.code == 0
    assert ended.err.count("track: 0 of") in (1, 2)  # a byte of ZIP that nothing reads may be another one
    assert ("computed again" in ended.out.replace("\n", " ")) == (ended.err.count("track: 0 of") == 2)
    assert results(tmp_path / "out") == unbroken


def test_a_damaged_state_is_noticed(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: dict[str, bytes], run
):
    interrupted(recording, tmp_path / "out", monkeypatch)
    state = tmp_path / "out/.fast-snow/resume/state.npz"
    state.write_bytes(state.read_bytes()[:-200])
    ended = run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED)
    assert "what an interrupted run had done is not used" in ended.out.replace("\n", " ")
    assert results(tmp_path / "out") == unbroken


@pytest.mark.parametrize(
    ("setting", "resumed"), [(("--window.overlap", "2"), None), (("--step.grid-size", "8"), 0), ((), 3)]
)
def test_another_configuration_uses_what_it_can(
    setting: tuple[str, ...],
    resumed: int | None,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run,
):
    interrupted(recording, tmp_path / "out", monkeypatch)
    ended = run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED, *setting)
    assert ("input, engines or their settings were others" in ended.out.replace("\n", " ")) == (resumed is None)
    assert ended.err.count("resuming") == bool(resumed)
    assert run("infer", recording, "-o", tmp_path / "new", *CUT, *ESTIMATED, *setting, "--quiet").code == 0
    assert results(tmp_path / "out") == results(tmp_path / "new")


def test_an_input_that_changed_is_not_gone_on_with(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run
):
    copied = Path(shutil.copytree(recording, tmp_path / "scan"))
    interrupted(copied, tmp_path / "out", monkeypatch)
    os.utime(copied / "color/000003.jpg", (1, 1))
    ended = run("infer", copied, "-o", tmp_path / "out", *CUT, *ESTIMATED)
    assert "is not used" in ended.out
    assert "resuming" not in ended.err


@pytest.mark.parametrize("link", ["new/masks/000099.npz", "resume/perception/000099.npz"])
def test_links_in_a_workspace_are_never_followed(
    link: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: dict[str, bytes], run
):
    (tmp_path / "mine").write_text("mine")
    interrupted(recording, tmp_path / "out", monkeypatch)
    (tmp_path / "out/.fast-snow" / link).symlink_to(tmp_path / "mine")
    assert "it holds links" in run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED).out
    assert results(tmp_path / "out") == unbroken
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.fixture(params=["seen beforehand", "while it is written"])
def full(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which the run has room, but not its perception files."""
    if request.param == "seen beforehand":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: os.terminal_size((0, 0)) and _Usage(0, 0, 1000))
        return

    def write(path: Path, value: object, **options: bool) -> str:
        if path.parent.name == "perception":
            raise OutputError(f"{path}: cannot be written (No space left on device)")
        return stored(path, value, **options)

    stored = packed_values.write
    monkeypatch.setattr(packed_values, "write", write)


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.usefixtures("full")
def test_a_full_disk_ends_no_run_that_needs_no_perception_files(
    recording: Path, tmp_path: Path, unbroken: dict[str, bytes], run
):
    ended = run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED)
    assert ended.out.replace("\n", " ").count("if this run is interrupted") == 1
    assert results(tmp_path / "out") == unbroken


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_one_line_where_perception_files_are_wanted(recording: Path, tmp_path: Path, run):
    ended = run("infer", recording, "-o", tmp_path / "out", *CUT, *ESTIMATED, "--output.keep-perception", "--quiet")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "free" in ended.err or "No space left" in ended.err


def test_windows_are_counted_as_they_are_cut():
    config = WindowConfig(length=4, overlap=1)
    assert [num_windows(frames, config) for frames in (None, 1, 4, 5, 7, 8, 12)] == [None, 1, 1, 2, 2, 3, 4]


class TestRebuild:
    """`fast-snow rebuild` folds kept perception files anew."""

    @pytest.fixture(scope="class")
    def kept(self, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("kept") / "out"
        with pytest.raises(SystemExit):
            main(["infer", str(recording), "-o", str(out), *CUT, *ESTIMATED, "--output.keep-perception", "--quiet"])
        return out

    @pytest.fixture
    def out(self, kept: Path, tmp_path: Path) -> Iterator[Path]:
        yield Path(shutil.copytree(kept, tmp_path / "out"))

    def test_nothing_changes_without_settings(self, out: Path, unbroken: dict[str, bytes], run):
        before = files(out)
        assert len([name for name in before if name.startswith("perception/")]) == WINDOWS
        assert run("rebuild", out, "--quiet").code == 0
        after = files(out)
        assert {name: data for name, data in after.items() if name != "run.json"} == {
            name: data for name, data in before.items() if name != "run.json"
        }
        assert unbroken.items() <= after.items()
        record = json.loads(after["run.json"])
        assert set(after) == {"run.json", *record["files"]}
        assert record["config"] == json.loads(before["run.json"])["config"]

    def test_settings_of_the_fold_give_the_graph_that_infer_gives(
        self, out: Path, recording: Path, tmp_path: Path, run
    ):
        settings = ("--step.grid-size", "8", "--fusion.merge-centroid-dist-m", "1", "--depth-filter.conf-thresh", "0.6")
        assert run("rebuild", out, *settings, "--quiet").code == 0
        assert run("infer", recording, "-o", tmp_path / "new", *CUT, *ESTIMATED, *settings, "--quiet").code == 0
        kept = {name: data for name, data in results(out).items() if not name.startswith("perception/")}
        assert kept == results(tmp_path / "new")
        assert run("rebuild", out, "--quiet").code == 0  # settings stay until they are changed again
        assert results(out)["4dsg.json"] == kept["4dsg.json"]

    @pytest.mark.parametrize(
        "setting", ["--fusion.cross-run-iou-thresh=0.7", "--output.keyframe-every=2", "--sampling.max-frames=3"]
    )
    def test_settings_that_need_engines_or_images_are_refused(self, setting: str, out: Path, run):
        before = files(out)
        ended = run("rebuild", out, setting)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "run infer again" in ended.err
        assert files(out) == before

    @pytest.mark.parametrize("damage", ["flip", "cut", "missing", "other window"])
    def test_damaged_files_are_refused(self, damage: str, out: Path, run):
        path = out / "perception/000001.npz"
        content = path.read_bytes()
        path.unlink()
        if damage == "other window":
            shutil.copy(out / "perception/000002.npz", path)
        elif damage != "missing":
            middle = len(content) // 2
            path.write_bytes(content[:middle] + (b"" if damage == "cut" else b"!" + content[middle + 1 :]))
        ended = run("rebuild", out)
        assert (ended.code, ended.err.strip().count("\n")) == (2, 0)
        assert "000001.npz" in ended.err

    def test_recorded_slots_need_the_input(self, kept: Path, recording: Path, tmp_path: Path, run):
        copied, out = Path(shutil.copytree(recording, tmp_path / "scan")), tmp_path / "out"
        command = ("infer", copied, "-o", out, *CUT, "--output.keep-perception", "--quiet")
        assert run(*command).code == 0
        largest = max(path.stat().st_size for path in (out / "perception").iterdir())
        assert largest < 2000  # masks and depth are the input's
        assert run("rebuild", out, "--quiet").code == 0
        shutil.rmtree(copied)
        ended = run("rebuild", out)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "expected the input of the run" in ended.err

    def test_runs_without_perception_files_are_refused(self, recording: Path, tmp_path: Path, run):
        assert run("infer", recording, "-o", tmp_path / "out", *CUT, "--quiet").code == 0
        ended = run("rebuild", tmp_path / "out")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "keeps no perception files" in ended.err
