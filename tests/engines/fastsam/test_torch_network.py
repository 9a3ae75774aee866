import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")
pytestmark = pytest.mark.torch
from fast_snow.config import FastSamConfig  # noqa: E402
from fast_snow.engines.fastsam.preprocessing import IMAGES, to_network  # noqa: E402
from fast_snow.engines.fastsam.segmenter import open_segmenter  # noqa: E402
from fast_snow.engines.fastsam.torch_network import FastSamNetwork, FastSamOutputs, in_half, open_network  # noqa: E402
from fast_snow.engines.fastsam.weights import load_fastsam  # noqa: E402
from fast_snow.errors import ConfigError, FastSnowWarning, InputError  # noqa: E402
from fast_snow.kernels.mask_measures import area, bounding_boxes  # noqa: E402
from fast_snow.kernels.masks import decode  # noqa: E402
from fast_snow.protocols import Progress, Segmenter, silent  # noqa: E402
from tests.engines.fastsam.scenes import drawn, frames_of, geometry_on  # noqa: E402

SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.segmenter import open_segmenter
from fast_snow.engines.fastsam.torch_network import open_network
from tests.engines.fastsam.scenes import drawn, frames_of, geometry_on

config = FastSamConfig(model_path=sys.argv[1], imgsz=64, conf_threshold=0.3, max_det=4)
opener = partial(open_network, Path(config.model_path), device="cpu")
with open_segmenter(config, open_network=opener, threads=1) as segment:
    assert len(segment(frames_of(drawn(1, 48, 64)), geometry_on((48, 64), 1))) == 1
from PIL import Image
assert Image.open.__module__ == "PIL.Image", "ultralytics opens images, and may install packages"
"""


def settings(weights: Path, **changes: object) -> FastSamConfig:
    return FastSamConfig(model_path=str(weights), imgsz=128, conf_threshold=0.5, max_det=8, **changes)


def opened(
    config: FastSamConfig, *, device: str = "cpu", threads: int = 0, progress: Progress = silent
) -> AbstractContextManager[Segmenter]:
    opener = partial(open_network, Path(config.model_path), device=device, threads=threads)
    return open_segmenter(config, open_network=opener, threads=1, progress=progress)


def test_detections_keep_their_promises(weights: Path) -> None:
    images, grid = drawn(3, 72, 128), (42, 70)
    told: list[tuple[str, int, int]] = []
    with opened(settings(weights, batch_size=2), progress=lambda *each: told.append(each)) as segment:
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
    with opened(config) as segment:
        (found,) = segment(frames_of(drawn(1, 48, 64)), geometry_on((24, 32), 1))
    assert len(found) == 0
    assert decode(found.masks).shape == (0, 24, 32)


def test_batches_shrink_where_memory_does_not_suffice(weights: Path) -> None:
    images = drawn(4, 48, 64)
    with opened(settings(weights, batch_size=4)) as segment:
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
    with opened(settings(weights), threads=before + 1) as segment:
        assert torch.get_num_threads() == before + 1
        assert {each.device.type for each in segment.network.module.parameters()} == {"cpu"}
    assert torch.get_num_threads() == before
    assert {each.device.type for each in segment.network.module.parameters()} == {"meta"}


def test_half_precision_decodes_in_fp32(weights: Path) -> None:
    """What a GPU computes, here: convolutions in fp16, boxes in fp32."""
    with ThreadPoolExecutor(1) as pool:
        images = to_network(drawn(2, 96, 160), 160, pool)
    exact = FastSamOutputs(load_fastsam(weights).network)
    expected, found = (FastSamNetwork(each, torch.device("cpu"))({IMAGES: images}) for each in (exact, in_half(exact)))
    for name, tolerance in (("scores", 1e-3), ("boxes", 0.1), ("coefficients", 0.02), ("prototypes", 0.02)):
        assert found[name].dtype == np.float32
        assert 0 < np.median(np.abs(found[name] - expected[name])) < tolerance, name
    assert (found["boxes"] != found["boxes"].astype(np.float16)).mean() > 0.9


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
    with opened(settings(weights)) as segment:
        segment(frames_of(drawn(1, 48, 64)), geometry_on((48, 64), 1))
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("ultralytics").level == logging.ERROR


def test_mistakes_are_named(weights: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"runtime\.device"),
        opened(settings(weights), device="tpu"),
    ):
        pass
    missing = settings(tmp_path / "FastSAM-s.pt")
    with pytest.raises(InputError, match="fetch-models"), opened(missing):
        pass
