import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch
from fast_snow.config import FastSamConfig  # noqa: E402
from fast_snow.engines.compiled.network import Arrays  # noqa: E402
from fast_snow.engines.compiled.onnx_runtime import open_network  # noqa: E402
from fast_snow.engines.fastsam import torch_network  # noqa: E402
from fast_snow.engines.fastsam.detections import BOXES, COEFFICIENTS, PROTOTYPES, SCORES  # noqa: E402
from fast_snow.engines.fastsam.preprocessing import IMAGES  # noqa: E402
from fast_snow.engines.fastsam.segmenter import open_segmenter  # noqa: E402
from fast_snow.errors import FastSnowWarning  # noqa: E402
from fast_snow.export.fastsam import prepare_fastsam  # noqa: E402
from fast_snow.kernels.masks import decode  # noqa: E402
from fast_snow.protocols import Segmenter  # noqa: E402
from fast_snow.types import Detections  # noqa: E402
from tests.engines.fastsam.networks import UltralyticsNetwork  # noqa: E402
from tests.engines.fastsam.predictor import by_ultralytics  # noqa: E402
from tests.engines.fastsam.scenes import drawn, frames_of, geometry_on  # noqa: E402

BATCH = 2


def settings(weights: Path) -> FastSamConfig:
    return FastSamConfig(
        model_path=str(weights), conf_threshold=0.5, iou_threshold=0.8, imgsz=256, max_det=16, batch_size=BATCH
    )


@pytest.fixture(scope="module")
def onnx_file(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "fastsam.onnx"
    prepare_fastsam(weights, precision="fp32", config=settings(weights), frame=(160, 256)).write(path)
    return path


def in_torch(weights: Path, config: FastSamConfig, threads: int = 1) -> AbstractContextManager[Segmenter]:
    opener = partial(torch_network.open_network, weights, device="cpu")
    return open_segmenter(config, open_network=opener, threads=threads)


def assert_substantial(found: Detections) -> None:
    """Refuse a comparison that says nothing: few detections, or masks that are empty, full or all alike."""
    dense = decode(found.masks)
    filled = dense.mean(axis=(1, 2))
    assert len(found) >= 5
    assert ((filled > 0.01) & (filled < 0.6)).sum() >= 5
    assert len(np.unique(np.packbits(dense.reshape(len(found), -1), axis=1), axis=0)) >= 5


def real_frames(clips: Path) -> np.ndarray:
    """Return frames of two scenes, every second pixel: 320 wide and 180 high."""
    found = []
    for name in ("videos/bedroom.mp4", "videos/juggle.mp4"):
        video = cv2.VideoCapture(str(clips / name))
        for position in (20, 150):
            video.set(cv2.CAP_PROP_POS_FRAMES, position)
            found.append(video.read()[1][::2, ::2, ::-1])
        video.release()
    return np.stack(found)


def views(images: np.ndarray) -> dict[str, np.ndarray]:
    """Cut frames so that the letterbox pads by many, by an odd number, by 4 (mod 8) and on the other side."""
    return {
        "wide": images,
        "tall": np.ascontiguousarray(images.transpose(0, 2, 1, 3)),
        "odd": np.ascontiguousarray(images[:, :177, :239]),
        "four": np.ascontiguousarray(images[:, :156, :256]),
    }


@pytest.mark.parametrize("view", ["wide", "tall", "odd", "four"])
def test_equals_ultralytics_on_real_frames(weights: Path, clips: Path, view: str) -> None:
    images, config = views(real_frames(clips))[view], settings(weights)
    grid = images.shape[1:3]
    with in_torch(weights, config, threads=2) as segment:
        ours = segment(frames_of(images), geometry_on(grid, len(images)))
    for found, expected in zip(ours, by_ultralytics(images, config, grid), strict=True):
        assert_substantial(found)
        np.testing.assert_allclose(found.box_xyxy, expected.box_xyxy, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(found.score, expected.score)
        # Two libraries add up the same products in orders of their own: a pixel at the very edge may differ.
        assert (decode(found.masks) != decode(expected.masks)).mean() < 1e-4


def test_onnx_agrees_with_ultralytics(weights: Path, onnx_file: Path) -> None:
    """Compares what the networks answer before any threshold, where the last digit would decide what is kept."""
    images, config = drawn(3, 90, 160), settings(weights)
    reference, asked = UltralyticsNetwork(weights), 0
    with open_network(onnx_file, threads=1) as network:

        def compared(inputs: Arrays) -> Arrays:
            nonlocal asked
            asked += len(inputs[IMAGES])
            answer, expected = network(inputs), reference(inputs)
            for name, tolerance in ((SCORES, 1e-4), (BOXES, 0.05), (COEFFICIENTS, 1e-3), (PROTOTYPES, 1e-3)):
                np.testing.assert_allclose(answer[name], expected[name], rtol=1e-3, atol=tolerance, err_msg=name)
            return answer

        opener = partial(nullcontext, compared)
        with open_segmenter(config, open_network=opener, threads=2) as segment:
            for found in segment(frames_of(images), geometry_on((90, 160), 3)):
                assert_substantial(found)
    assert asked == 3


def test_frames_do_not_depend_on_their_batch(weights: Path) -> None:
    images, config = drawn(3, 96, 160), settings(weights)
    told: list[tuple[str, int, int]] = []
    opener = partial(nullcontext, UltralyticsNetwork(weights))
    progress = lambda what, done, total: told.append((what, done, total))  # noqa: E731
    with open_segmenter(config, open_network=opener, threads=1, progress=progress) as segment:
        together = segment(frames_of(images), geometry_on((96, 160), 3))
        assert told == [("FastSAM", 1, 3), ("FastSAM", 2, 3), ("FastSAM", 3, 3)]
        for image, found in zip(images, together, strict=True):
            (alone,) = segment(frames_of(image[None]), geometry_on((96, 160), 1))
            assert len(alone) == len(found) > 0
            np.testing.assert_allclose(alone.score, found.score, rtol=0, atol=1e-4)


def test_equals_ultralytics_on_a_coarser_grid(weights: Path) -> None:
    images, config, grid = drawn(2, 90, 160), settings(weights), (70, 126)
    with in_torch(weights, config) as segment:
        ours = segment(frames_of(images), geometry_on(grid, 2))
    for found, expected in zip(ours, by_ultralytics(images, config, grid), strict=True):
        np.testing.assert_array_equal(found.score, expected.score)
        np.testing.assert_allclose(found.box_xyxy, expected.box_xyxy, rtol=0, atol=1e-3)
        # One scales logits, the other the finished mask: outlines differ by up to a pixel.
        assert (decode(found.masks) != decode(expected.masks)).mean() < 0.02


def test_needs_neither_torch_nor_ultralytics() -> None:
    script = """
import sys
import numpy as np
from contextlib import AbstractContextManager, nullcontext
from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.segmenter import open_segmenter
from tests.engines.fastsam.scenes import drawn, frames_of, geometry_on

def network(inputs):
    count, _, height, width = inputs["images"].shape
    boxes = np.tile(np.float32([[80], [48], [60], [40]]), (count, 1, 1))
    return {
        "boxes": boxes, "scores": np.ones((count, 1), np.float32), "coefficients": np.ones((count, 1, 1), np.float32),
        "prototypes": np.ones((count, 1, height // 4, width // 4), np.float32),
    }

with open_segmenter(FastSamConfig(imgsz=160), open_network=lambda: nullcontext(network), threads=1) as segment:
    (found,) = segment(frames_of(drawn(1, 96, 160)), geometry_on((96, 160), 1))
assert found.box_xyxy.tolist() == [[50, 28, 110, 68]], found.box_xyxy
assert not {"torch", "torchvision", "ultralytics"} & set(sys.modules), sorted(sys.modules)
"""
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root)


def test_where_memory_runs_out_batches_are_halved(weights: Path):
    network = UltralyticsNetwork(weights)
    images = drawn(3, 96, 128)
    asked: list[int] = []

    def cramped(inputs):
        count = len(inputs["images"])
        asked.append(count)
        if count > 1:
            raise MemoryError("out of memory")
        return network(inputs)

    config = settings(weights)
    roomy, narrow = (
        partial(open_segmenter, config, open_network=lambda each=each: nullcontext(each), threads=1)
        for each in (network, cramped)
    )
    with roomy() as segment:
        expected = segment(frames_of(images), geometry_on((48, 64), 3))
    with (
        narrow() as segment,
        pytest.warns(FastSnowWarning, match="FastSAM: frames per batch: out of memory: retrying with 1"),
    ):
        found = segment(frames_of(images), geometry_on((48, 64), 3))
    assert asked == [2, 1, 1, 1]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a.score, b.score, atol=1e-5)
