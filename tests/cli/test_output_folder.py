"""`infer` and its output folder: nothing of the user's is lost, and a finished run is never called failed."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from fast_snow import selection
from fast_snow.cli.main import main
from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.scene import SceneConfig
from tests.output.runs import OF_THE_USER, add_files_of_the_user, files
from tests.reasoning.runs import small_run
from tests.scenes import rendered

SCENE = SceneConfig(size=(48, 64), frames=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording and a video of one scene."""
    folder = tmp_path_factory.mktemp("inputs")
    scene = rendered(SCENE)
    write_recording(scene, folder / "scan.v2")
    write_video(scene, folder / "clip.mp4")
    return folder


@pytest.fixture
def recording(made: Path, tmp_path: Path) -> Path:
    """A recording that may be written to."""
    return Path(shutil.copytree(made / "scan.v2", tmp_path / "scan.v2"))


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is refused before any work."""

    def work(*_: object, **__: object) -> None:
        pytest.fail("the work began")

    monkeypatch.setattr(selection, "select_engines", work)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return 0 if end.value.code is None else end.value.code


def infer(*arguments: object) -> int:
    return command("infer", *arguments, "--quiet")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert infer(*arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_overwrite_keeps_what_the_user_put_there(recording: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert infer(recording, "-o", out, "--sampling.max-frames", 2) == 0
    add_files_of_the_user(out)
    assert infer(recording, "-o", out, "--overwrite") == 0
    found = files(out)
    assert {name: found[name] for name in OF_THE_USER} == OF_THE_USER
    assert json.loads(found["run.json"])["frames"] == SCENE.frames


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("where", [".", "color", "color/new", "depth/new", "masks", "..", "link", "link/color"])
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_the_input_is_never_written_to(
    where: str, overwrite: list[str], recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (recording / "4dsg.json").write_text("{}")
    (recording / "link").symlink_to(recording)
    before = files(tmp_path)
    assert "the input" in refused(capsys, recording, "-o", recording / where, *overwrite)
    assert files(tmp_path) == before


@pytest.mark.usefixtures("no_work")
def test_a_video_in_the_output_folder_is_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    video = shutil.copy(made / "clip.mp4", tmp_path)
    (tmp_path / "4dsg.json").write_text("{}")
    assert "is the input or holds it" in refused(capsys, video, "-o", tmp_path, "--overwrite")
    assert len(files(tmp_path)) == 2


def test_a_new_folder_within_a_recording_takes_a_run(recording: Path):
    before = files(recording)
    assert infer(recording, "-o", recording / "out") == 0
    assert infer(recording, "-o", recording / "out", "--overwrite") == 0
    found = files(recording)
    assert {name: data for name, data in found.items() if not name.startswith("out/")} == before


def test_the_run_of_the_current_folder_has_its_name(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (recording / "out/other").mkdir(parents=True)
    (recording / "out/other/4dsg.json").write_text("mine")
    monkeypatch.chdir(recording)
    assert infer(".", "--overwrite") == 0
    assert "scan.v2:" in capsys.readouterr().out
    assert json.loads((recording / "out/scan.v2/run.json").read_text())["input"]["name"] == "scan.v2"
    assert (recording / "out/other/4dsg.json").read_text() == "mine"
    monkeypatch.chdir(recording / "color")
    assert "already holds" in refused(capsys, "..", "-o", "../out/scan.v2")


@pytest.mark.parametrize("typed", ["--out=~/runs/one", "--out=~nobody-of-that-name/x"])
def test_the_home_folder_that_the_shell_left(
    typed: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    if "nobody" in typed:
        assert "no home folder of that name" in refused(capsys, recording, typed)
    else:
        assert infer(recording, typed) == 0
        assert (tmp_path / "home/runs/one/4dsg.json").is_file()
    assert not list(tmp_path.glob("~*"))


def test_a_folder_named_like_a_home_is_taken_as_it_is(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    assert infer(recording, "--out=~/x") == 0
    assert (tmp_path / "~/x/4dsg.json").is_file()


def test_names_that_are_not_unicode(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    shutil.copytree(made / "scan.v2", folder / os.fsdecode(b"\xe9"))
    assert command("infer", folder / os.fsdecode(b"\xe9"), "-o", folder / "out", "--quiet") == 0
    assert json.loads((folder / "out/run.json").read_text())["input"]["name"] == "\\udce9"
    assert command("view", folder / "out") == 0
    assert "keyframes only" in (folder / "out/view.html").read_text()


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp932"])
def test_terminals_of_few_characters(encoding: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = Path(shutil.copytree(made / "scan.v2", tmp_path / "дача ✓ \N{SNOWFLAKE}"))
    printed, told = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(told, encoding=encoding))
    assert command("infer", source, "-o", tmp_path / "out \N{SNOWFLAKE}") == 0
    sys.stdout.flush()
    assert b"4dsg.json" in printed.getvalue()
    assert command("view", tmp_path / "out \N{SNOWFLAKE}") == 0
    assert command("view", tmp_path / "none \N{SNOWFLAKE}") == 2
    sys.stderr.flush()
    assert b"none \\u2744" in told.getvalue()


def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "fast_snow", *map(str, arguments)], **options)


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    """A disk without space."""
    with Path("/dev/full").open("wb") as device:
        yield device


@pytest.mark.slow
def test_a_finished_run_is_not_called_failed_for_a_full_disk_behind_its_output(
    full: IO[bytes], made: Path, tmp_path: Path
):
    assert start("infer", made / "scan.v2", "-o", tmp_path / "out", stdout=full, stderr=full).wait() == 0
    assert json.loads((tmp_path / "out/run.json").read_text())["frames"] == SCENE.frames


def test_a_finished_run_is_not_called_failed_for_closed_output(made: Path, tmp_path: Path):
    closed = start("infer", made / "scan.v2", "-o", tmp_path / "out", preexec_fn=lambda: (os.close(1), os.close(2)))
    assert closed.wait() == 0
    assert json.loads((tmp_path / "out/run.json").read_text())["frames"] == SCENE.frames


def test_output_that_is_the_result_must_be_written(full: IO[bytes], made: Path, tmp_path: Path):
    small_run().save(tmp_path / "out")
    run = start("validate", tmp_path / "out", stdout=full, stderr=subprocess.PIPE)
    told = run.communicate()[1].decode()
    assert run.returncode == 1
    assert told.count("\n") == 1
    assert "No space left on device" in told


def race(made: Path, out: Path) -> None:
    """Let two processes start into one folder at once: one wins, the other is refused and takes nothing away."""
    both = [start("infer", made / "scan.v2", "-o", out, "--quiet", stderr=subprocess.PIPE) for _ in range(2)]
    told = [run.communicate()[1].decode() for run in both]
    assert sorted(run.returncode for run in both) == [0, 2], told
    refusal = next(line for run, line in zip(both, told, strict=True) if run.returncode == 2)
    assert "another run is at work in it" in refusal or "already holds a run" in refusal
    record = json.loads((out / "run.json").read_text())
    assert set(files(out)) == {"run.json", *record["files"]}
    assert command("validate", out) == 0


def kill(made: Path, out: Path, after_s: float) -> None:
    """Kill a run over a run after some time, and require a whole run after the next command."""
    import time

    before = {name: data for name, data in files(out).items() if not name.startswith(".fast-snow/")}
    with start("infer", made / "scan.v2", "-o", out, "--overwrite", "--quiet", stderr=subprocess.PIPE) as run:
        time.sleep(after_s)
        run.send_signal(signal.SIGKILL)
        run.communicate()
    assert infer(made / "scan.v2", "-o", out) == 2  # a run is there
    # What the next run with --overwrite goes on from stays in the hidden folder.
    found = {name: data for name, data in files(out).items() if not name.startswith(".fast-snow/")}
    record = json.loads(found["run.json"])
    assert set(found) == {"run.json", *record["files"], "NOTES.md"}
    assert found == before or record["frames"] == SCENE.frames


@pytest.mark.slow
def test_two_processes_race_for_one_folder(made: Path, tmp_path: Path):
    race(made, tmp_path / "out")


@pytest.mark.slow
def test_two_processes_race_for_one_folder_20_times(made: Path, tmp_path: Path):
    for number in range(20):
        race(made, tmp_path / str(number))


@pytest.mark.slow
def test_20_kills_of_whole_runs(made: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert infer(made / "scan.v2", "-o", out, "--sampling.max-frames", 2) == 0
    (out / "NOTES.md").write_text("mine")
    for number in range(20):
        kill(made, out, 0.2 * number)
