"""The check of GPU machines runs to its end on this one, also where packages are missing that such a machine lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert found["left_out"] == {}
    measured = {each["engine"] for each in found["engines"] if not each["skipped"]}
    assert measured >= {"fastsam-onnx", "fastsam-torch", "da3-onnx", "da3-torch", "sam2", "sam3", "sam3-hf", "edgetam"}
    assert all(each["frames_per_second"] > 0 for each in found["engines"] if not each["skipped"])
    assert len(found["parity_with_torch"]) == 2
    assert all(each == pytest.approx(1.0) for each in found["sam3_precision"]["mean_iou_per_frame"])
    assert found["end_to_end"]["frames_per_second"] > 0
    assert found["end_to_end"]["tracks"] > 0


@pytest.mark.slow
def test_what_is_missing_is_named(tmp_path: Path):
    found = report(tmp_path / "report.json", "sam3", "ultralytics", "depth_anything_3")
    assert set(found["left_out"]) == {"sam3", "fastsam", "da3"}
    assert {each["engine"] for each in found["engines"] if not each["skipped"]} == {"sam3-hf"}
    assert "skipped" in found["end_to_end"]
    assert not any("failed" in found[part] for part in ("end_to_end", "sam3_precision"))
