"""The page of benchmarks says what the committed results say."""

import json
import shutil
from pathlib import Path

import pytest

from bench import gpu_status
from bench.markdown import table
from bench.report import COMMANDS, RESULTS, SECTIONS, page, pages

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_pages_are_what_the_results_say():
    for path, text in pages(ROOT).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, "run `python -m bench.report`"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / RESULTS).mkdir(parents=True)
    shutil.copy(ROOT / COMMANDS, tmp_path / COMMANDS)
    return tmp_path


def test_a_changed_figure_changes_the_page(root: Path):
    results = json.loads((ROOT / RESULTS / "kernels.json").read_text())
    for each in results["results"].values():
        each["ratio"] = 12345.0
    (root / RESULTS / "kernels.json").write_text(json.dumps(results))
    assert page(root).count("| 12345x |") == len(results["results"])
    assert results["hardware"]["processor"] in page(root)


def test_results_that_nothing_shows_are_refused(root: Path):
    (root / RESULTS / "unheard_of.json").write_text("{}")
    with pytest.raises(ValueError, match=r"unheard_of\.json: nothing shows it"):
        page(root)


def test_an_evaluation_is_shown(root: Path):
    pytest.importorskip("scipy")
    from fast_snow.evaluation.report.html_page import as_tables
    from fast_snow.evaluation.report.tables import tabulate_runs
    from fast_snow.evaluation.results import write_json
    from tests.evaluation.cases import evaluation, result

    made = evaluation(result("x", "fast-snow", idf1=0.75, exhaustive=False), result("x", "snow", idf1=None))
    write_json(root / RESULTS / "evaluation.json", as_tables(tabulate_runs(made)))
    shown = page(root)
    assert "| x, fast-snow | 10.000 | 55.56 |" in shown
    assert "0.750" in shown
    assert "2 repeats with seed 0" in shown
    assert "annotate only some objects" in shown
    assert "spread m" not in shown  # no run has it


def test_engines_of_a_gpu_machine_are_shown(root: Path):
    figures = {"engine": "sam3", "setting": {"objects": 16}, "frame_p50_s": 0.1, "frame_p95_s": 0.2}
    skipped = {"engine": "da3-onnx", "setting": {}, "frame_p50_s": None, "frame_p95_s": None}
    results = {
        "hardware": {"processor": "some", "cores": "2"},
        "weights": "random",
        "engines": [figures | {"frames_per_second": 10.0, "peak_bytes": 2**30}, skipped],
    }
    (root / RESULTS / "gpu_check.json").write_text(json.dumps(results))
    assert "| sam3 | objects 16 | 100.00 | 200.00 | 10.00 | 1.00 |" in page(root)


def test_the_state_of_gpus_is_made_of_a_check(root: Path):
    compared = {"name": "sam3: bf16 against fp32", "relative_error_of_logits": [0.001, 0.02]}
    compared["mean_iou_per_frame"] = [0.99, None, 0.97]
    part = {"seconds": 3.0, "results": [compared, {"name": "x", "failed": "E: broken"}], "left_out": ["y"]}
    results = {"hardware": {"gpus": ["a GPU"], "torch": "2.11"}, "date": "2026-12-01", "size": "full"}
    assert "not yet" in gpu_status.page({})
    shown = gpu_status.page(results | {"parts": {"correctness": part}})
    assert "Run on a GPU, 2026-12-01, torch 2.11" in shown
    assert "1 settings in 3 s. failed: x: E: broken. no time for: y" in shown
    assert "| sam3: bf16 against fp32 | 2.0e-02 | 0.9700 |" in shown


def test_every_section_has_its_own_title():
    titles = [title for title, _ in SECTIONS.values()]
    assert len(set(titles)) == len(titles)


def test_tables_are_markdown():
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
