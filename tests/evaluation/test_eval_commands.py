"""The commands of `fast-snow eval`, from options to what is printed."""

from pathlib import Path

import pytest

pytest.importorskip("motmetrics")
pytest.importorskip("trackeval")
pytest.importorskip("evo")

from fast_snow.cli import shown_evaluation
from fast_snow.cli.eval_commands import EvalCheck, EvalCompare, EvalRun
from fast_snow.config import Config, SamplingConfig
from fast_snow.errors import ConfigError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation import results
from fast_snow.evaluation.metrics.metric_definitions import METRICS
from fast_snow.evaluation.report.tables import tabulate_runs
from fast_snow.evaluation.systems import SYSTEMS, select_systems
from tests.evaluation.cases import evaluation, result

MANIFEST = Path(__file__).resolve().parents[2] / "configs" / "eval" / "fast_snow_eval_manifest.json"
QUICK = Config(sampling=SamplingConfig(max_frames=3, max_side=160))


def test_what_the_terminal_shows_is_measured():
    assert set(shown_evaluation.IN_TERMINAL) <= {each.name for each in METRICS}


def test_a_report_is_printed(capsys):
    shown_evaluation.print_evaluation(
        tabulate_runs(evaluation(result("x", "snow"), result("y", "snow", error="[red]no")))
    )
    shown = capsys.readouterr().out
    assert "10.00" in shown
    assert "failed  y, snow, repeat 0: [red]no" in shown


def test_figures_that_say_little_are_marked(capsys):
    made = evaluation(result("x", "snow", exhaustive=False, metrics={"idf1": 0.125, "idr": 0.5}))
    shown_evaluation.print_evaluation(tabulate_runs(made))
    shown = " ".join(capsys.readouterr().out.split())
    assert "0.125*" in shown
    assert "0.500 " in shown
    assert "annotates only some objects" in shown
    shown_evaluation.print_evaluation(tabulate_runs(evaluation(result("x", "snow", exhaustive=True))))
    assert "*" not in capsys.readouterr().out


def test_better_and_worse_need_the_whole_interval(tmp_path: Path, capsys):
    a = [result(f"clip {k}", "snow", seconds=2.0, idf1=0.2 + 0.1 * k) for k in range(4)]
    b = [result(f"clip {k}", "fast-snow", seconds=1.0, idf1=0.1 + 0.2 * k) for k in range(4)]
    results.write_evaluation(evaluation(*a, *b), tmp_path / results.EVALUATION)
    assert EvalCompare(a=f"{tmp_path}:snow", b=f"{tmp_path}:fast-snow").run() == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["frames/s"][-1] == "better"
    assert lines["p50"][-1] == "better"
    assert lines["IDF1"][-1] not in ("better", "worse")


def test_systems_are_named():
    assert list(select_systems(["snow", "fast-snow"])) == ["snow", "fast-snow"]
    with pytest.raises(ConfigError, match="got sow; expected some of fast-snow, snow"):
        select_systems(["sow"])
    with pytest.raises(ConfigError, match="got none"):
        select_systems([])


@pytest.mark.parametrize("wrong", [{"repeat": 0}, {"systems": "sow"}, {"clips": "no such clip"}])
def test_a_wrong_option_is_one_line(clips: Path, tmp_path: Path, wrong):
    with pytest.raises(ConfigError):
        EvalRun(**({"manifest": MANIFEST, "root": clips, "out": tmp_path / "out"} | wrong)).run()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_shipped_manifest_is_complete(clips: Path, capsys):
    assert EvalCheck(manifest=MANIFEST, root=clips).run() == 0
    assert "no problems" in capsys.readouterr().out


@pytest.mark.slow
def test_both_systems_run_on_a_clip_of_the_shipped_manifest(clips: Path, tmp_path: Path, capsys):
    pytest.importorskip("sklearn")
    names = [clip.name for clip in manifests.load_manifest(MANIFEST, clips).clips if "blackswan" in clip.name]
    asked = EvalRun(
        manifest=MANIFEST, root=clips, clips=names[0], repeat=2, out=tmp_path / "out", quiet=True, config=QUICK
    )
    assert asked.run() == 0
    made = results.read_evaluation(tmp_path / "out")
    assert [each.system for each in made.outcomes] == [*SYSTEMS, *SYSTEMS]
    assert all("idf1" in each.metrics for each in made.outcomes)
    assert all(row.identical for row in tabulate_runs(made).rows)
    assert "total" in capsys.readouterr().out
