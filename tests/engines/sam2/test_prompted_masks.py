"""SAM2 behind the engine answers as upstream's processor and model used straight, and refuses what it cannot load."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from transformers import Sam2ImageProcessor, Sam2Processor  # noqa: E402

from fast_snow.engines.sam2.prompted_masks import open_masks  # noqa: E402
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning  # noqa: E402
from fast_snow.kernels.masks import decode, validate  # noqa: E402
from tests.engines.sam2.networks import SIDE, image, network, save  # noqa: E402

POINTS = np.random.default_rng(1).integers(0, 72, (5, 4, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def module():
    return network()


@pytest.fixture(scope="module")
def folder(module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(module, tmp_path_factory.mktemp("sam2"))


def opened(folder: Path, at_once: int = 64):
    return open_masks(folder, device="cpu", precision="fp32", prompts_at_once=at_once)


def upstream(module, picture: np.ndarray, points: np.ndarray, size: tuple[int, int] | None = None):
    """Return masks at the image's or another size, and scores, as transformers' own documentation makes them."""
    processor = Sam2Processor(Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}))
    inputs = processor(
        images=picture,
        input_points=[points.tolist()],
        input_labels=np.ones((1, *points.shape[:2]), int).tolist(),
        return_tensors="pt",
    )
    with torch.no_grad():
        said = module(**{k: v for k, v in inputs.items() if k != "original_sizes"}, multimask_output=False)
    (masks,) = processor.post_process_masks(said.pred_masks, [size or picture.shape[:2]])
    return masks[:, 0].numpy(), said.iou_scores[0, :, 0].numpy()


def test_answers_as_upstream_does(module, folder: Path):
    masks, score = upstream(module, image(), POINTS)
    with opened(folder) as look:
        found = look(image(), (72, 96))(POINTS)
    validate(found.masks)
    assert 0.05 < masks.mean() < 0.95, "the network must say something for this to mean anything"
    assert len(np.unique(masks.reshape(5, -1), axis=0)) > 1
    np.testing.assert_array_equal(decode(found.masks), masks)
    np.testing.assert_allclose(found.score, score, atol=1e-6)


def test_points_on_a_smaller_grid_mean_the_same_place(module, folder: Path):
    masks, score = upstream(module, image(), POINTS, size=(36, 48))
    with opened(folder) as look:
        found = look(image(), (36, 48))(POINTS / 2)
    np.testing.assert_array_equal(decode(found.masks), masks)
    np.testing.assert_allclose(found.score, score, atol=1e-6)


def test_batches_do_not_change_the_answer(folder: Path):
    with opened(folder) as look:
        whole = look(image(), (36, 48))(POINTS / 2)
    with opened(folder, at_once=2) as look:
        pieces = look(image(), (36, 48))(POINTS / 2)
    np.testing.assert_array_equal(decode(whole.masks), decode(pieces.masks))
    np.testing.assert_allclose(whole.score, pieces.score, atol=1e-6)


def test_half_precision_says_almost_the_same(folder: Path):
    with opened(folder) as look:
        whole = decode(look(image(), (36, 48))(POINTS / 2).masks)
    with open_masks(folder, device="cpu", precision="bf16", prompts_at_once=64) as look:
        half = decode(look(image(), (36, 48))(POINTS / 2).masks)
    assert 0.9 < (half == whole).mean() < 1, "the same but for rounding, which shows"


def test_no_points_no_masks(folder: Path):
    with opened(folder) as look:
        found = look(image(), (36, 48))(np.zeros((0, 4, 2), np.float32))
    assert len(found) == 0
    assert found.masks.shape == (36, 48)


def test_smaller_batches_where_memory_runs_out(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(folder) as look:
        asked = look(image(), (36, 48))
        expected = asked(POINTS / 2)
        forward = look._network.module.forward

        def crowded(*args, **kwargs):
            if kwargs["input_points"].shape[1] > 2:
                raise torch.OutOfMemoryError
            return forward(*args, **kwargs)

        monkeypatch.setattr(look._network.module, "forward", crowded)
        with pytest.warns(FastSnowWarning, match="SAM2: prompts at once: out of memory"):
            found = asked(POINTS / 2)
    np.testing.assert_array_equal(decode(found.masks), decode(expected.masks))


def test_an_image_holds_until_the_next_and_nothing_after_closing(folder: Path):
    with opened(folder) as look:
        first = look(image(), (36, 48))
        look(image(1), (36, 48))
        with pytest.raises(EngineError, match="after it was closed"):
            first(POINTS)
        last = look(image(), (36, 48))
    with pytest.raises(EngineError, match="after it was closed"):
        last(POINTS)
    with pytest.raises(EngineError, match="after it was closed"):
        look(image(), (36, 48))


def test_the_published_video_model_is_read_too(module, folder: Path, tmp_path: Path):
    other = save(module, tmp_path)
    described = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**described, "model_type": "sam2_video"}))
    with opened(folder) as look, opened(other) as look_too:
        expected, found = look(image(), (36, 48))(POINTS / 2), look_too(image(), (36, 48))(POINTS / 2)
    np.testing.assert_array_equal(decode(found.masks), decode(expected.masks))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "describes bert, expected sam2"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9]),
            "is truncated",
        ),
    ],
)
def test_what_cannot_be_loaded_is_one_clear_line(module, tmp_path: Path, harm, message: str):
    folder = save(module, tmp_path)
    harm(folder)
    with pytest.raises(ConfigError, match=message) as raised, opened(folder):
        pass
    assert "\n" not in str(raised.value)
    assert "fast-snow fetch-models sam2" in str(raised.value)


def test_weights_of_another_size_are_refused(module, tmp_path: Path):
    folder = save(module, tmp_path)
    described = json.loads((folder / "config.json").read_text())
    described["mask_decoder_config"]["mlp_dim"] = 48
    (folder / "config.json").write_text(json.dumps(described))
    with pytest.raises(ConfigError, match=r"does not fit config.json: .* of another shape"), opened(folder):
        pass
