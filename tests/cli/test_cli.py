"""The command line as a user meets it: what comes out, and one clear line for each mistake."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fast_snow
from fast_snow import output
from fast_snow.cli.main import main
from fast_snow.output import graph_json
from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.scene import SceneConfig
from tests.scenes import rendered

SCENE = SceneConfig(size=(120, 160), frames=8)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene") / "recording"
    write_recording(rendered(SCENE), folder)
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.mp4"
    write_video(rendered(SCENE), path)
    return path


@pytest.fixture(scope="module")
def finished(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("run") / "out"
    assert command("infer", recording, "-o", out) == 0
    return out


def command(*arguments: object) -> int:
    """Run the command line and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return 0 if end.value.code is None else end.value.code


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that is a user's mistake and return its one line."""
    assert command(*arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("fast-snow: ")
    return lines[0]


def test_infer_writes_a_valid_graph_with_everything_it_points_to(finished: Path, capsys: pytest.CaptureFixture[str]):
    assert command("validate", finished) == 0
    assert "valid" in capsys.readouterr().out
    document = json.loads((finished / "4dsg.json").read_text())
    assert document["metadata"]["num_frames"] == SCENE.frames
    for anchor in document["metadata"]["visual_anchor"]:
        assert (finished / anchor["path"]).read_bytes()[:2] == b"\xff\xd8"
    record = output.read_record(finished)
    assert {slot: use["name"] for slot, use in record["engines"].items()} == {
        "geometry": "recorded",
        "segmenter": "recorded",
        "tracker": "recorded",
    }
    assert record["frames"] == SCENE.frames
    masks = list(output.read_masks(finished))
    assert [each.t for each in masks] == list(range(SCENE.frames))


@pytest.mark.slow
def test_the_first_run_says_that_kernels_are_compiled_and_for_how_long(recording: Path, tmp_path: Path):
    arguments = [sys.executable, "-m", "fast_snow", "infer", str(recording), "--overwrite", "-o", str(tmp_path / "out")]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, second = (subprocess.run(arguments, env=environment, capture_output=True, text=True) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stderr.count("compiling kernels (first run only)") == 1
    assert re.search(r"^times +include [0-9.]+ s of compiling the kernels, first run only$", first.stdout, re.MULTILINE)
    assert "compiling" not in second.stderr + second.stdout


def test_the_python_interface_makes_the_same_graph(finished: Path, recording: Path, tmp_path: Path):
    result = fast_snow.build_graph(recording)
    result.save(tmp_path / "out")
    assert (tmp_path / "out/4dsg.json").read_bytes() == (finished / "4dsg.json").read_bytes()
    assert sorted(p.relative_to(finished) for p in finished.rglob("*.jpg")) == sorted(
        p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.jpg")
    )
    assert list(fast_snow.load(tmp_path / "out").tracks) == list(result.graph.tracks)


def test_view_writes_one_page(finished: Path, capsys: pytest.CaptureFixture[str]):
    assert command("view", finished) == 0
    page = Path(capsys.readouterr().out.strip())
    text = page.read_text()
    assert page == finished / "view.html"
    assert "<html" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_doctor_tells_what_is_there_and_never_shows_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert command("doctor") == 0
    told = capsys.readouterr().out
    assert "classical" in told
    assert "AGPL-3.0" in told
    assert "sk-secret" not in told


@pytest.mark.parametrize("arguments", [["--help"], ["infer", "--help"], ["view", "--help"], ["validate", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert command(*arguments) == 0
    assert "fast-snow" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--step.grid-size", "0"], "step.grid_size: got 0, expected between 1 and 256"),
        (["--step.grid-sise", "8"], "--step.grid-size"),
        (["--step.grid-size", "many"], "grid-size"),
        (["--engines.geometry", "da4"], "geometry"),
        (["--window.length", "5", "--window.overlap", "5"], "window.overlap: got 5, expected less than"),
        (["--preset", "nowhere.toml"], "No such file"),
    ],
)
def test_wrong_options(
    options: list[str], expected: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert expected in refused(capsys, "infer", video, "-o", tmp_path / "out", *options)
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "none.mp4" in refused(capsys, "infer", tmp_path / "none.mp4", "-o", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_is_no_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "text.mp4"
    path.write_text("not a video")
    assert "text.mp4" in refused(capsys, "infer", path, "-o", tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("slot", ["geometry", "segmenter", "tracker"])
def test_a_video_holds_no_recorded_slots(slot: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = refused(capsys, "infer", video, "-o", tmp_path / "out", f"--engines.{slot}", "recorded")
    assert f"--engines.{slot} recorded needs" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_replaced_only_when_asked_and_only_by_a_finished_one(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    assert command("infer", recording, "-o", out, "--sampling.max-frames", "3") == 0
    before = (out / "4dsg.json").read_bytes()
    capsys.readouterr()
    assert "--overwrite" in refused(capsys, "infer", recording, "-o", out, "--quiet")
    refused(capsys, "infer", tmp_path / "none.mp4", "-o", out, "--overwrite")
    assert (out / "4dsg.json").read_bytes() == before
    assert command("infer", recording, "-o", out, "--overwrite") == 0
    assert (out / "4dsg.json").read_bytes() != before
    assert list(tmp_path.iterdir()) == [out]


def test_an_output_place_that_cannot_be(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("")
    assert "expected a folder" in refused(capsys, "infer", video, "-o", tmp_path / "file")
    assert "cannot be written" in refused(capsys, "infer", video, "-o", tmp_path / "file/out")


@pytest.mark.parametrize("damage", ["{", "[]", '{"metadata": 3}', ""])
def test_validate_refuses_damage(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "4dsg.json"
    path.write_text(damage)
    assert "4dsg.json" in refused(capsys, "validate", path)


def test_view_of_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    refused(capsys, "view", tmp_path)


def test_a_failure_is_one_line_too(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(graph_json, "pieces", breaks)
    assert command("infer", recording, "-o", tmp_path / "out", "--quiet") == 1
    assert (
        capsys.readouterr().err.strip()
        == "fast-snow: failed: RuntimeError: first line; run again with --debug to see where"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".fast-snow"]  # the next run goes on from there
    assert command("infer", recording, "-o", tmp_path / "out", "--quiet", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def run_in_shell(*arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fast_snow", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(how: signal.Signals, video: Path, tmp_path: Path):
    with run_in_shell("infer", video, "-o", tmp_path / "out") as process:
        assert "geometry" in process.stderr.readline()  # the engines are at work
        process.send_signal(how)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.strip().splitlines()[-1] == "fast-snow: interrupted"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("finished")  # compiled kernels are cached by then
def test_no_space_left(recording: Path, tmp_path: Path):
    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    with run_in_shell("infer", recording, "-o", tmp_path / "out", preexec_fn=limit) as process:
        _, told = process.communicate(timeout=120)
    assert process.returncode == 2, told
    assert "no space left" in told.strip().splitlines()[-1]
    left = [path.name for path in (tmp_path / "out").iterdir()] if (tmp_path / "out").exists() else []
    assert left in ([], [".fast-snow"])  # what the next run goes on from
