"""SAM2 at a grid of points keeps the masks that transformers' own pipeline keeps."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from PIL import Image  # noqa: E402
from transformers import Sam2ImageProcessor, pipeline  # noqa: E402

from fast_snow import testing  # noqa: E402
from fast_snow.config import Sam2Config  # noqa: E402
from fast_snow.engines.sam2.network import ImageNetwork  # noqa: E402
from fast_snow.engines.sam2.segmenter import grid_points, is_stable, open_segmenter  # noqa: E402
from fast_snow.errors import ConfigError, FastSnowWarning  # noqa: E402
from fast_snow.kernels.masks import decode, validate  # noqa: E402
from fast_snow.types import Detections, Frames  # noqa: E402
from tests.engines.fastsam.scenes import geometry_on  # noqa: E402
from tests.engines.sam2.networks import SIDE, image, network, save  # noqa: E402

SIZE = (72, 96)


@pytest.fixture(scope="module", autouse=True)
def contrast() -> Iterator[None]:
    """Make masks of the peaks of the logits, some stable and some not: random weights answer flat ones."""

    def stretch(layer: torch.nn.Module, _: object, answer: tuple[torch.Tensor, ...]) -> object:
        if type(layer).__name__ != "Sam2MaskDecoder":
            return None
        logits, *others = answer
        mean, spread = logits.mean((-2, -1), keepdim=True), logits.std((-2, -1), keepdim=True)
        return ((logits - mean) / spread * 8 - 14, *others)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.nn.modules.module.register_module_forward_hook(stretch):
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(network(), tmp_path_factory.mktemp("sam2"))


@pytest.fixture
def config(folder: Path) -> Sam2Config:
    return Sam2Config(
        model_path=str(folder), points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.3, box_nms_thresh=0.9
    )


def frames(*images: np.ndarray) -> Frames:
    t = np.arange(len(images))
    return Frames(image=np.stack(images), t=t.astype(np.int32), time_s=t / 10, source_frame=t.astype(np.int64))


def found(config: Sam2Config, *images: np.ndarray, grid: tuple[int, int] = SIZE) -> list[Detections]:
    with open_segmenter(config, device="cpu") as segment:
        return list(segment(frames(*images), geometry_on(grid, len(images))))


def upstream(config: Sam2Config, picture: np.ndarray) -> dict[str, np.ndarray]:
    """Return what transformers' own pipeline keeps; its grid misses a part of pictures that are not square."""
    generate = pipeline(
        "mask-generation", model=network(), image_processor=Sam2ImageProcessor(size={"height": SIDE, "width": SIDE})
    )
    kept = generate(
        Image.fromarray(picture),
        points_per_crop=config.points_per_side,
        points_per_batch=config.points_per_batch,
        pred_iou_thresh=config.pred_iou_thresh,
        stability_score_thresh=config.stability_score_thresh,
        crops_nms_thresh=config.box_nms_thresh,
    )
    return {"masks": np.stack([np.asarray(each) for each in kept["masks"]]), "scores": kept["scores"].numpy()}


@pytest.mark.parametrize(
    "changes", [{}, {"points_per_batch": 7}, {"stability_score_thresh": 0.4}, {"box_nms_thresh": 0.6}], ids=str
)
def test_keeps_what_transformers_own_pipeline_keeps(config: Sam2Config, changes: dict[str, float]) -> None:
    config = replace(config, **changes)
    picture = image()[:, :72].copy()
    everything = upstream(replace(config, stability_score_thresh=1e-6, box_nms_thresh=1.0), picture)
    worst = np.sort(everything["scores"])
    config = replace(config, pred_iou_thresh=float(worst[9] + worst[10]) / 2)
    expected = upstream(config, picture)

    (kept,) = found(config, picture, grid=(72, 72))

    assert 1 < len(expected["masks"]) < len(everything["masks"]), "thresholds must decide something"
    validate(kept.masks)
    np.testing.assert_array_equal(decode(kept.masks), expected["masks"])
    np.testing.assert_allclose(kept.score, expected["scores"], atol=1e-6)
    assert (np.diff(kept.score) <= 0).all()


def test_frames_are_independent_and_on_the_analysis_grid(config: Sam2Config) -> None:
    both = found(config, image(0), image(1), grid=(36, 48))
    for each, seed in zip(both, (0, 1), strict=True):
        (alone,) = found(config, image(seed), grid=(36, 48))
        assert each.masks.shape == (36, 48)
        np.testing.assert_array_equal(decode(each.masks), decode(alone.masks))
        np.testing.assert_array_equal(each.box_xyxy, alone.box_xyxy)
    assert len(both[0].score)


def test_an_image_is_encoded_once(config: Sam2Config) -> None:
    encoded: list[int] = []

    def count(layer: torch.nn.Module, *_: object) -> None:
        if type(layer).__name__ == "Sam2VisionModel":
            encoded.append(1)

    with torch.nn.modules.module.register_module_forward_hook(count):
        found(replace(config, points_per_batch=5), image(), image(1))
    assert len(encoded) == 2


def test_frames_without_anything_good(config: Sam2Config) -> None:
    (nothing,) = found(replace(config, pred_iou_thresh=1.0), image())
    assert len(nothing.score) == 0
    assert nothing.masks.shape == SIZE


def test_smaller_batches_where_memory_runs_out(config: Sam2Config, monkeypatch: pytest.MonkeyPatch) -> None:
    (expected,) = found(config, image())
    answer = ImageNetwork.answer

    def crowded(self: ImageNetwork, embeddings: object, points: torch.Tensor, *, several: bool) -> object:
        if len(points) > 10:
            raise torch.OutOfMemoryError
        return answer(self, embeddings, points, several=several)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageNetwork, "answer", crowded)
    with pytest.warns(FastSnowWarning, match="SAM2: points per batch: out of memory: retrying with 8"):
        (fewer,) = found(replace(config, points_per_batch=16), image())
    np.testing.assert_array_equal(decode(fewer.masks), decode(expected.masks))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_finds_much_the_same(config: Sam2Config, precision: str) -> None:
    (single,) = found(config, image())
    (half,) = found(replace(config, precision=precision), image())  # type: ignore[arg-type]
    best = decode(single.masks)[0]
    ious = [(best & each).sum() / (best | each).sum() for each in decode(half.masks)]
    assert max(ious) > 0.8


def test_points_are_the_middles_of_equal_cells() -> None:
    points = grid_points(2)
    np.testing.assert_array_equal(points, np.float32([(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]))


def test_stability_is_the_iou_between_the_raised_and_the_lowered_threshold() -> None:
    logits = torch.tensor([[[2.0, 2.0, 0.0]], [[2.0, -2.0, -2.0]], [[0.0, 0.0, 0.0]], [[-2.0, -2.0, -2.0]]])
    assert is_stable(logits, 0.5).tolist() == [True, True, False, False]  # 2/3, 1, 0/3, 0/0
    assert is_stable(logits, 2 / 3).tolist() == [False, True, False, False]


def test_refuses_another_network(config: Sam2Config, tmp_path: Path) -> None:
    empty = replace(config, model_path=str(tmp_path))
    with pytest.raises(ConfigError, match=r"^sam2.model_path: .*config.json is missing; run fast-snow fetch-models"):
        found(empty, image())


def test_keeps_the_protocol_of_segmenters(config: Sam2Config) -> None:
    testing.check_segmenter(lambda: open_segmenter(config, device="cpu"))
