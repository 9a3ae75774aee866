"""Running systems over clips: what is measured, what fails alone, what is not run twice."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("motmetrics")
pytest.importorskip("trackeval")
pytest.importorskip("evo")

from fast_snow.baselines.snow_config import DEFAULT as SNOW
from fast_snow.config import Config
from fast_snow.errors import InputError, OutputError
from fast_snow.evaluation import environment, results, runner
from fast_snow.evaluation.metrics import geometry
from fast_snow.evaluation.metrics.scoring import score_run
from fast_snow.evaluation.results import Evaluation, RunResult
from fast_snow.evaluation.runner import WARM_UP_FRAMES, evaluate_systems
from fast_snow.evaluation.systems import SystemRun, run_fast_snow
from fast_snow.inputs import Input
from tests.evaluation.cases import CONFIG, FRAMES, MANIFEST, Counted, case, missing, scene, truth_of
from tests.ray_cluster import ray_cluster


def run(folder: Path, *cases, systems=None, repeat: int = 1, config=CONFIG, manifest=MANIFEST, ray=None) -> Evaluation:
    systems = systems or {"fast-snow": run_fast_snow}
    return evaluate_systems(cases, systems, config, folder=folder, manifest=manifest, repeat=repeat, ray=ray)


def test_given_masks_and_poses_score_perfectly(tmp_path: Path):
    (found,) = run(tmp_path, case()).outcomes
    assert found.error == ""
    assert found.frames == FRAMES
    assert found.tracks == 2
    assert found.metrics["idf1"] == found.metrics["mota"] == found.metrics["hota"] == 1
    assert found.metrics["switches_per_1000"] == found.metrics["duplicate_ids"] == 0
    assert found.metrics["trajectory_rigid_m"] == pytest.approx(0, abs=1e-5)
    assert found.engines == {"geometry": "recorded", "segmenter": "recorded", "tracker": "recorded"}
    assert found.exhaustive is False
    assert len(found.notes) == 2  # that path and masks are the input's own


def test_time_and_memory_are_told(tmp_path: Path):
    (found,) = run(tmp_path, case()).outcomes
    assert len(found.frame_s) == FRAMES
    assert 0 < sum(found.frame_s) <= found.wall_s + 1e-3
    assert set(found.stage_s) == {"decode", "geometry", "segment", "track", "fold"}
    assert found.peak_bytes > 2**20


def test_windows_share_their_time_among_their_frames():
    config = replace(CONFIG, window=replace(CONFIG.window, length=3, overlap=1))
    made = run_fast_snow(case().open(config.sampling), config)
    assert made.graph.num_frames == FRAMES
    first, second = made.frame_s[:3], made.frame_s[3:]
    assert np.ptp(first) == np.ptp(second) == 0


def test_repeats_are_the_same_bit_for_bit(tmp_path: Path):
    outcomes = run(tmp_path, case(), repeat=3).outcomes
    assert [each.repeat for each in outcomes] == [0, 1, 2]
    assert len({each.graph_sha256 for each in outcomes}) == 1


def test_each_system_warms_up_once(tmp_path: Path):
    systems = {"a": Counted(run_fast_snow), "b": Counted(run_fast_snow)}
    outcomes = run(tmp_path, case("x"), case("y"), systems=systems, repeat=2).outcomes
    assert [(each.repeat, each.clip, each.system) for each in outcomes] == [
        (k, clip, system) for k in range(2) for clip in "xy" for system in "ab"
    ]
    assert [len(each.lengths) for each in systems.values()] == [1 + 4, 1 + 4]
    assert (
        f"{WARM_UP_FRAMES} frames"
        in environment.provenance(
            MANIFEST, CONFIG, systems=(), repeat=1, warm_up_frames=WARM_UP_FRAMES, fresh_peaks=True
        )["warm_up"]
    )


@pytest.mark.slow
def test_runs_on_ray_are_those_of_one_process_and_workers_keep_what_is_warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cases, calls = [case(name) for name in "xyz"], tmp_path / "calls"

    def noted(source: Input, config: Config) -> SystemRun:
        with calls.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return run_fast_snow(source, config)

    plain = run(tmp_path / "plain", *cases, missing(), repeat=2)
    with ray_cluster(monkeypatch):
        spread = run(tmp_path / "ray", *cases, missing(), systems={"fast-snow": noted}, repeat=2, ray="local")
    assert [timeless(each) for each in spread.outcomes] == [timeless(each) for each in plain.outcomes]
    processes = calls.read_text().split()
    assert len(processes) == 2 * len(cases) + len(set(processes))  # each run, and a warm-up per process


def timeless(result: RunResult) -> RunResult:
    return replace(result, wall_s=0.0, frame_s=(), stage_s={}, peak_bytes=0)


def test_one_clip_does_not_lose_the_others(tmp_path: Path):
    gone, there = run(tmp_path, missing(), case()).outcomes
    assert gone.error == "gone.mp4: not there at all; fetch it"
    assert gone.metrics == {}
    assert there.error == ""


def test_a_failing_system_does_not_lose_the_other(tmp_path: Path):
    def broken(source, config):
        raise ValueError("two\nlines")

    found = run(tmp_path, case(), systems={"broken": broken, "fast-snow": run_fast_snow}).outcomes
    assert [each.error for each in found] == ["ValueError: two lines", ""]


def test_the_settings_of_the_baseline_are_recorded(tmp_path: Path):
    about = run(tmp_path, case()).about
    assert about["config"]["snow"] == asdict(SNOW)
    assert about["config"]["runtime"]["seed"] == 0


def test_a_truth_of_another_clip_is_an_error_and_times_stay(tmp_path: Path):
    shifted = case()
    known = shifted.truth()
    objects = tuple(replace(each, frame=each.frame + 1000) for each in known.objects)
    (found,) = run(tmp_path, replace(shifted, truth=lambda: replace(known, objects=objects))).outcomes
    assert found.error.startswith("tracking: none of the annotated frames was sampled")
    assert "\n" not in found.error
    assert found.wall_s > 0
    assert "trajectory_rigid_m" in found.metrics


def test_an_interrupted_evaluation_goes_on(tmp_path: Path):
    interrupted = Counted(run_fast_snow, stop_at=2)  # warm-up, first clip, then Ctrl-C
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, case("x"), case("y"), systems={"fast-snow": interrupted})
    before = json.loads((tmp_path / "runs/x/fast-snow-0.json").read_text())
    again = Counted(run_fast_snow)
    x, y = run(tmp_path, case("x"), case("y"), systems={"fast-snow": again}).outcomes
    assert len(again.lengths) == 2  # warm-up and the second clip
    assert x.wall_s == before["wall_s"]
    assert y.error == ""
    assert results.read_evaluation(tmp_path).outcomes == (x, y)


def test_what_failed_is_tried_again_and_more_repeats_are_added(tmp_path: Path):
    run(tmp_path, missing("x"), case("y"))
    counted = Counted(run_fast_snow)
    outcomes = run(tmp_path, case("x"), case("y"), systems={"fast-snow": counted}, repeat=2).outcomes
    assert not any(each.error for each in outcomes)
    assert len(counted.lengths) == 1 + 3


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"config": replace(CONFIG, runtime=replace(CONFIG.runtime, seed=1))}, "config"),
        ({"manifest": {"name": "small", "sha256": "1" * 64}}, "manifest"),
    ],
)
def test_a_folder_holds_results_of_one_making(tmp_path: Path, changed, named):
    run(tmp_path, case())
    with pytest.raises(OutputError, match=f"results of another {named};"):
        run(tmp_path, case(), **changed)


def test_names_of_clips_cannot_leave_the_folder(tmp_path: Path):
    run(tmp_path / "out", case("../../x"))
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    assert len(list((tmp_path / "out/runs").iterdir())) == 1


def test_only_frames_that_were_given_count():
    """At half the rate, the frames between are nobody's misses."""
    config = replace(CONFIG, sampling=replace(CONFIG.sampling, target_fps=5.0))
    made = run_fast_snow(case().open(config.sampling), config)
    assert made.graph.num_frames == 3
    assert score_run(truth_of(scene()), made).metrics["idr"] == 1


def test_what_is_not_defined_is_left_out_and_told(tmp_path: Path, monkeypatch):
    """A path of three poses on one spot has no scale."""
    undefined = SimpleNamespace(rmse=float("nan"))
    monkeypatch.setattr(geometry.trajectory, "compare_trajectories", lambda *_, **__: undefined)
    (found,) = run(tmp_path, case()).outcomes
    assert "trajectory_similarity_m" not in found.metrics
    assert "trajectory_similarity_m is not defined here" in found.notes


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1, "about": {}, "outcomes": [{}]}'])
def test_damaged_results_are_refused(tmp_path: Path, text):
    (tmp_path / results.EVALUATION).write_text(text)
    with pytest.raises(InputError, match=r"evaluation\.json"):
        results.read_evaluation(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        results.read_evaluation(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        runner.evaluate_systems((), {}, CONFIG, folder=tmp_path / "file" / "out", manifest=MANIFEST)
