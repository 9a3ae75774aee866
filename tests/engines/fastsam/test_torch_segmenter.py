import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")
pytestmark = pytest.mark.torch
from fast_snow.config import FastSamConfig  # noqa: E402
from fast_snow.engines.fastsam import torch_segmenter  # noqa: E402
from fast_snow.errors import ConfigError, FastSnowWarning, InputError  # noqa: E402
from fast_snow.kernels.mask_measures import area, bounding_boxes  # noqa: E402
from fast_snow.kernels.masks import decode  # noqa: E402
from tests.engines.fastsam.scenes import drawn, frames_of, geometry_on  # noqa: E402

SCRIPT = """
import sys
from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.torch_segmenter import open_segmenter
from tests.engines.fastsam.scenes import drawn, frames_of, geometry_on

config = FastSamConfig(model_path=sys.argv[1], imgsz=64, conf_threshold=0.3, max_det=4)
with open_segmenter(config, device="cpu") as segment:
    assert len(segment(frames_of(drawn(1, 48, 64)), geometry_on((48, 64), 1))) == 1
from PIL import Image
assert Image.open.__module__ == "PIL.Image", "ultralytics opens images, and may install packages"
"""


def settings(weights: Path, **changes: object) -> FastSamConfig:
    return FastSamConfig(model_path=str(weights), imgsz=128, conf_threshold=0.5, max_det=8, **changes)


def test_detections_keep_their_promises(weights: Path) -> None:
    images, grid = drawn(3, 72, 128), (42, 70)
    told: list[tuple[str, int, int]] = []
    with torch_segmenter.open_segmenter(
        settings(weights, batch_size=2), device="cpu", progress=lambda *each: told.append(each)
    ) as segment:
        found = segment(frames_of(images), geometry_on(grid, 3))
    assert told == [("FastSAM", 1, 3), ("FastSAM", 2, 3), ("FastSAM", 3, 3)]
    assert len(found) == 3
    for each in found:
        assert 0 < len(each) <= 8
        assert each.masks.shape == grid
        assert (area(each.masks) > 0).all()
        assert (np.diff(each.score) <= 0).all()
        assert (each.score > 0.5).all()
        # Nearest pixel centres move an edge by at most one pixel.
        inside = bounding_boxes(each.masks)
        assert (inside[:, :2] >= each.box_xyxy[:, :2] - 1).all()
        assert (inside[:, 2:] <= each.box_xyxy[:, 2:] + 1).all()


def test_a_frame_without_objects(weights: Path) -> None:
    config = FastSamConfig(model_path=str(weights), imgsz=64, conf_threshold=1.0)
    with torch_segmenter.open_segmenter(config, device="cpu") as segment:
        (found,) = segment(frames_of(drawn(1, 48, 64)), geometry_on((24, 32), 1))
    assert len(found) == 0
    assert decode(found.masks).shape == (0, 24, 32)


def test_batches_shrink_where_memory_does_not_suffice(weights: Path) -> None:
    images = drawn(4, 48, 64)
    with torch_segmenter.open_segmenter(settings(weights, batch_size=4), device="cpu") as segment:
        expected = segment(frames_of(images), geometry_on((48, 64), 4))

        def only_two(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if isinstance(inputs[0], torch.Tensor) and len(inputs[0]) > 2:
                raise torch.OutOfMemoryError

        hook = torch.nn.modules.module.register_module_forward_pre_hook(only_two)
        try:
            with pytest.warns(FastSnowWarning, match="FastSAM: frames per batch: out of memory: retrying with 2"):
                found = segment(frames_of(images), geometry_on((48, 64), 4))
        finally:
            hook.remove()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.score, other.score, rtol=0, atol=1e-4)


def test_leaving_frees_the_network_and_restores_threads(weights: Path) -> None:
    before = torch.get_num_threads()
    with torch_segmenter.open_segmenter(settings(weights), device="cpu", threads=before + 1) as segment:
        assert torch.get_num_threads() == before + 1
        assert segment.predict.model is not None
    assert torch.get_num_threads() == before
    assert segment.predict.model is None


def test_nothing_is_written_where_the_user_lives(weights: Path, tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    root = Path(__file__).resolve().parents[3]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "XDG_", "PYTEST"))}
    environment = kept | {"HOME": str(home), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(weights)], cwd=work, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
    assert sorted(work.rglob("*")) == []
    assert [path for path in home.rglob("*") if "ltralytics" in str(path)] == []


def test_ultralytics_stays_quiet(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with torch_segmenter.open_segmenter(settings(weights), device="cpu") as segment:
        segment(frames_of(drawn(1, 48, 64)), geometry_on((48, 64), 1))
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("ultralytics").level == logging.ERROR


def test_mistakes_are_named(weights: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"runtime\.device"),
        torch_segmenter.open_segmenter(settings(weights), device="tpu"),
    ):
        pass
    missing = settings(tmp_path / "FastSAM-s.pt")
    with pytest.raises(InputError, match="fetch-models"), torch_segmenter.open_segmenter(missing, device="cpu"):
        pass
