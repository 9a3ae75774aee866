"""The check of GPU machines runs to its end on this one, also where packages are missing that such a machine lacks."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import engines, gpu_status
from fast_snow.config import Config
from fast_snow.selection.candidates import Candidate

for package in ("torch", "ultralytics", "depth_anything_3", "transformers", "sam3", "onnxruntime"):
    pytest.importorskip(package)
pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import runpy, sys
for name in {missing!r}:
    sys.modules[name] = None
sys.argv = ["gpu_check", "--tiny", "--device", "cpu", "--json", {path!r}]
runpy.run_module("bench.gpu_check", run_name="__main__")
"""


def report(path: Path, *missing: str) -> dict:
    code = WITHOUT.format(missing=("av", "pycolmap", "tyro", "jsonschema", *missing), path=str(path))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, timeout=900)
    return json.loads(path.read_text())


@pytest.mark.slow
def test_every_part_is_done(tmp_path: Path):
    found = report(tmp_path / "report.json")
    assert found["weights"] == "random"
    assert found["missing_models"] == {}
    assert found["not_run"] == []
    parts = {name: each["results"] for name, each in found["parts"].items()}
    assert not any("failed" in each for results in parts.values() for each in results)
    assert not any(each["left_out"] for each in found["parts"].values())
    measured = [each for each in gpu_status.measured(found) if not each["skipped"]]
    names = {each["engine"] for each in measured}
    assert names >= {"fastsam-onnx", "fastsam-torch", "da3-onnx", "da3-torch", "sam2", "sam3", "sam3-hf", "edgetam"}
    assert all(each["frames_per_second"] > 0 for each in measured)
    assert {each["tracker"] for each in parts["correctness"]} == {"sam3", "sam3-hf", "edgetam"}
    assert all(iou == pytest.approx(1.0) for each in parts["correctness"] for iou in each["mean_iou_per_frame"])
    assert all(error < 1e-5 for each in parts["correctness"] for error in each["relative_error_of_logits"])
    assert all(each["relative_error_of_logits"] for each in parts["correctness"])
    assert all(each["aten_calls"] > 0 for each in parts["profile"])
    assert all((tmp_path / each["trace"]).is_file() for each in parts["profile"])
    assert len(parts["compiled"][0]) == 3  # its name and the two networks that were compared with torch
    assert parts["end_to_end"][0]["frames_per_second"] > 0
    assert parts["end_to_end"][0]["tracks"] > 0
    assert "not yet" in gpu_status.page(found)  # this was not a GPU


@pytest.mark.slow
def test_what_is_missing_is_named(tmp_path: Path):
    found = report(tmp_path / "report.json", "sam3", "ultralytics", "depth_anything_3")
    assert set(found["missing_models"]) == {"sam3", "fastsam", "da3"}
    assert {each["engine"] for each in gpu_status.measured(found) if not each["skipped"]} == {
        "sam2",
        "sam3-hf",
        "edgetam",
    }
    assert "skipped" in found["parts"]["end_to_end"]["results"][0]
    assert not any("failed" in each for part in found["parts"].values() for each in part["results"])


def test_parts_are_chosen(tmp_path: Path):
    path = tmp_path / "report.json"
    command = [sys.executable, "-m", "bench.gpu_check", "--tiny", "--device", "cpu", "--only", "rates"]
    subprocess.run([*command, "--json", path], check=True, cwd=ROOT, capture_output=True, timeout=900)
    found = json.loads(path.read_text())
    assert list(found["parts"]) == ["rates"]
    assert found["parts"]["rates"]["results"] == []  # there is no GPU


def test_wheels_are_listed():
    command = [sys.executable, "-m", "bench.gpu_check", "--list-wheels"]
    listed = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    assert "sam3==0.1.4" in listed


def test_onnx_on_the_cpu_is_skipped_where_there_is_a_gpu():
    candidate = Candidate(name="da3-onnx", family="da3", meaning="", opener=lambda: None, caveats=("leaves it idle",))
    config = Config()
    assert engines.idle(candidate, config, 1) == ("leaves it idle",)
    assert engines.idle(candidate, config, 0) == ()
    assert engines.idle(candidate, replace(config, runtime=replace(config.runtime, device="cpu")), 1) == ()
