"""Many clips by several workers: the graphs are those of one run after the other, whatever dies meanwhile."""

import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fast_snow.batching import folding, running, worker
from fast_snow.batching.report import BatchResult, BatchRow, Tally
from fast_snow.batching.resources import Resources
from fast_snow.batching.running import batch
from fast_snow.cli.commands import Batch
from fast_snow.config import Config, SourceConfig
from fast_snow.errors import FastSnowWarning
from fast_snow.output.workspace import Workspace
from fast_snow.presets import as_options
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.batching.conftest import SIZE, PromptWorker, alone, copied, folded
from tests.inputs.layout_files import write_lerobot
from tests.output.runs import files
from tests.resuming.runs import CONFIG, infer, results
from tests.scenes import rendered

ONE = Resources(workers=1, folding=1, time_limit_s=300)
TWO = Resources(workers=2, folding=2, time_limit_s=300)


def runs(out: Path) -> dict[str, dict[str, bytes]]:
    return {each.name: results(each) for each in out.iterdir() if (each / "4dsg.json").is_file()}


def statuses(result: BatchResult) -> dict[str, str]:
    return {row.video: row.status for row in result.rows}


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers to which happens what their inputs are called."""
    monkeypatch.setattr(running, "WORKER", "tests.batching.faulty_worker")


def corrupt(clip: Path) -> None:
    for image in (clip / "color").iterdir():
        image.write_bytes(image.read_bytes()[:40])


def test_two_clips_are_those_of_single_runs_and_a_corrupt_one_fails_alone(
    clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    corrupt(copied(clips[0], "corrupt", tmp_path))
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(["# three", str(clips[0]), "corrupt", str(clips[1])]))
    out = tmp_path / "out"
    command = Batch(inputs=(str(listed),), out=str(out), resources=ONE, config=CONFIG, quiet=True)
    assert command.run() == 1
    assert runs(out) == alone(clips, tmp_path / "alone")
    rows = list(csv.DictReader((out / "batch.csv").read_text().splitlines()))
    assert [(row["video"], row["status"]) for row in rows] == [
        ("clip00", "done"),
        ("corrupt", "failed"),
        ("clip01", "done"),
    ]
    assert "color" in rows[1]["error"]
    table = json.loads((out / "batch.json").read_text())
    assert table["windows"] == sum(row["windows"] for row in table["rows"]) == 4
    assert "corrupt: " in capsys.readouterr().out
    assert "failed: " in (out / "corrupt.log").read_text()


@pytest.mark.parametrize(("use", "shown"), [((), ""), ((0.25, 0.75), ", GPUs 50% busy")])
def test_the_progress_says_how_busy_gpus_are_where_there_are_any(
    use: tuple[float, ...], shown: str, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "gpu_use", lambda: use)
    prompt = PromptWorker()
    folded(clips[0], tmp_path / "out", prompt)
    tally = Tally([BatchRow(video="clip", source="")], 1)
    for each in prompt.perceived:
        tally.perceived(0, frames=each.frames, seconds=1.0, peak_bytes=each.peak_bytes, gpu_use=each.gpu_use)
    line, _, _ = tally.line()
    assert re.fullmatch(rf"videos \(2 windows, .* frames per second{shown}\)", line)


def test_a_run_that_was_killed_while_it_took_its_place_is_put_there_before_it_is_skipped(
    clips: list[Path], tmp_path: Path
):
    infer(clips[0], tmp_path / "run")
    before, workspace = files(tmp_path / "run"), Workspace(tmp_path / "run")
    workspace.placing.mkdir(parents=True)
    (tmp_path / "run/4dsg.json").rename(workspace.placing / "4dsg.json")  # it comes last
    new = {name: hashlib.sha256(data).hexdigest() for name, data in before.items()}
    workspace.journal.write_text(json.dumps({"new": new, "old": {}}))
    key = json.loads(before["run.json"])["key"]
    with pytest.warns(FastSnowWarning, match="is now in place"):
        assert folding._is_finished(tmp_path / "run", key)
    assert files(tmp_path / "run") == before


@pytest.mark.slow
def test_finished_runs_are_skipped_while_their_key_is_the_same(clips: list[Path], tmp_path: Path):
    first = batch(clips, tmp_path, config=CONFIG, resources=TWO)
    before = files(tmp_path / "clip00")
    again = batch(clips, tmp_path, config=CONFIG, resources=TWO)
    assert (first.count("done"), again.count("skipped"), again.windows) == (2, 2, 0)
    assert files(tmp_path / "clip00") == before
    other = batch(clips[:1], tmp_path, config=type(CONFIG)(), resources=TWO)
    assert "already holds a run; replace it with --overwrite" in other.rows[0].error
    assert batch(clips[:1], tmp_path, config=type(CONFIG)(), resources=TWO, overwrite=True).count("done") == 1


@pytest.mark.slow
def test_twelve_clips_by_processes(twelve: list[Path], twelve_alone: dict[str, dict[str, bytes]], tmp_path: Path):
    result = batch(twelve, tmp_path, config=CONFIG, resources=TWO)
    assert result.count("done") == len(twelve)
    assert runs(tmp_path) == twelve_alone


@pytest.mark.slow
def test_twelve_clips_by_actors_of_ray(
    twelve: list[Path], twelve_alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = [sys.executable, "-m", "fast_snow", "batch", *map(str, twelve), "-o", str(tmp_path), "--ray", "local"]
    done = subprocess.run([*command, "--workers", "2", "--quiet", *as_options(CONFIG)], check=False)
    assert done.returncode == 0
    assert runs(tmp_path) == twelve_alone


@pytest.mark.slow
def test_workers_that_are_killed_cost_nothing_but_their_windows(clips: list[Path], tmp_path: Path, faulty: None):
    clip = tmp_path / "once-killed"
    write_recording(rendered(SceneConfig(size=SIZE, frames=13)), clip)  # four windows
    result = batch([clip, clips[0]], tmp_path / "out", config=CONFIG, resources=TWO)
    assert [(row.status, row.retries) for row in result.rows] == [("done", 2), ("done", 0)]
    assert runs(tmp_path / "out") == alone([clip, clips[0]], tmp_path / "alone")
    assert result.windows == sum(row.windows for row in result.rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error", "resources"),
    [
        ("deadly", "was killed by SIGKILL", TWO),
        ("hungry", "out of memory", Resources(workers=2, folding=2, memory_gb=4)),
        ("hanging", "took longer than 60 s", Resources(workers=2, folding=2, time_limit_s=60)),
    ],
)
def test_what_no_worker_can_do_fails_alone(
    fault: str, error: str, resources: Resources, clips: list[Path], tmp_path: Path, faulty: None
):
    bad = copied(clips[0], f"{fault}-clip", tmp_path)
    result = batch([bad, *clips], tmp_path / "out", config=CONFIG, resources=resources)
    assert [row.status for row in result.rows] == ["failed", "done", "done"]
    assert error in result.rows[0].error
    assert runs(tmp_path / "out") == alone(clips, tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_an_interrupted_batch_is_resumed(
    sent: signal.Signals, twelve: list[Path], twelve_alone: dict[str, dict[str, bytes]], tmp_path: Path
):
    command = [sys.executable, "-m", "fast_snow", "batch", *map(str, twelve), "-o", str(tmp_path), "--workers", "2"]
    command += as_options(CONFIG)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while sum((tmp_path / clip.stem / "4dsg.json").exists() for clip in twelve) < 2:  # then the first is counted
            time.sleep(0.05)
        os.kill(process.pid, sent)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == (130 if sent == signal.SIGINT else -sent)
    if sent == signal.SIGINT:
        assert "the same command resumes" in said
        rows = json.loads((tmp_path / "batch.json").read_text())["rows"]
        assert {"done", "interrupted"} == {row["status"] for row in rows}
    with suppress(ProcessLookupError):  # children of a killed process go by themselves
        for _ in range(600):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        pytest.fail("a child lives on")
    result = batch(twelve, tmp_path, config=CONFIG, resources=TWO)
    assert set(statuses(result).values()) == {"done", "skipped"}
    assert runs(tmp_path) == twelve_alone


@pytest.mark.slow
def test_all_episodes_of_a_dataset_are_run(tmp_path: Path):
    pytest.importorskip("pyarrow")
    dataset = write_lerobot(rendered(SceneConfig(size=(96, 128), frames=6)), tmp_path / "arm")
    result = batch([dataset], tmp_path / "out", resources=ONE)
    assert statuses(result) == {"arm-000000": "done", "arm-000001": "done"}
    infer(dataset, tmp_path / "alone", replace(Config(), source=SourceConfig(episode=1)))
    assert results(tmp_path / "out/arm-000001") == results(tmp_path / "alone")
    assert results(tmp_path / "out/arm-000000") != results(tmp_path / "alone")


@pytest.mark.slow
def test_one_clip_is_perceived_by_both_workers_and_no_more_windows_wait_than_are_allowed(
    clips: list[Path], tmp_path: Path, faulty: None
):
    clip = copied(clips[1], "slow-clip", tmp_path)
    result = batch([clip], tmp_path / "out", config=CONFIG, resources=TWO)
    assert all(result.peak_bytes)
    assert runs(tmp_path / "out") == alone([clip], tmp_path / "alone")
