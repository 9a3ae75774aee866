"""Weights of SAM3 for transformers: what fits is loaded whole and silently, what does not is one clear line."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from safetensors.torch import load_file, save_file  # noqa: E402

from fast_snow.engines.sam3.transformers.network import load  # noqa: E402
from fast_snow.engines.sam3.transformers.tracker import SAM3  # noqa: E402
from fast_snow.errors import ConfigError, FastSnowWarning  # noqa: E402
from tests.engines.sam3.transformers.networks import TRACKER, VISION, network, save  # noqa: E402

CPU = torch.device("cpu")
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(network(), tmp_path_factory.mktemp("saved"))


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    for name in ("config.json", WEIGHTS):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(SAM3, folder, CPU, torch.float32)
    said = str(caught.value)
    assert said.startswith("sam3.model_path: ")
    assert said.endswith("; run fast-snow fetch-models sam3-hf")
    assert "\n" not in said
    return said


def test_loads_every_weight_without_a_word(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loaded = load(SAM3, saved, CPU, torch.float32)

    expected = network().state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)
    assert not loaded.training
    assert not any(each.requires_grad for each in loaded.parameters())
    assert capfd.readouterr() == ("", "")


def test_attention_never_holds_its_whole_score_matrix(saved: Path) -> None:
    loaded = load(SAM3, saved, CPU, torch.float32)
    chosen = {each.config._attn_implementation for each in loaded.modules() if hasattr(each, "config")}
    assert chosen == {"sdpa"}


def test_half_precision_keeps_positions_and_norms_in_single(saved: Path) -> None:
    loaded = load(SAM3, saved, CPU, torch.bfloat16)
    kinds = {type(layer).__name__: next(layer.parameters(recurse=False), None) for layer in loaded.modules()}
    dtype = {name: value.dtype for name, value in kinds.items() if value is not None}
    assert dtype["Linear"] == dtype["Conv2d"] == dtype["ConvTranspose2d"] == torch.bfloat16
    assert dtype["LayerNorm"] == dtype["Embedding"] == dtype["Sam3TrackerVideoModel"] == torch.float32


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
def test_takes_the_published_folder_of_the_whole_model(tmp_path: Path) -> None:
    from transformers import Sam3VideoConfig, Sam3VideoModel

    small = {"hidden_size": 128, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "bos_token_id": 1}
    detector = {
        "vision_config": VISION,
        "text_config": text | {"num_attention_heads": 2, "projection_dim": 16, "eos_token_id": 2},
        "geometry_encoder_config": small,
        "detr_encoder_config": small,
        "detr_decoder_config": small | {"num_queries": 5},
        "mask_decoder_config": {"hidden_size": 128, "num_attention_heads": 2},
    }
    torch.manual_seed(0)
    whole = Sam3VideoModel(Sam3VideoConfig(detector_config=detector, tracker_config=TRACKER))
    save(whole, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "sam3_video"

    loaded = load(SAM3, tmp_path, CPU, torch.float32).state_dict()

    parts = {"vision_encoder.backbone.": whole.detector_model.vision_encoder.backbone}
    parts |= {"vision_encoder.neck.": whole.tracker_neck, "": whole.tracker_model}
    expected = {prefix + name: value for prefix, part in parts.items() for name, value in part.state_dict().items()}
    assert loaded.keys() == expected.keys()
    for name, value in loaded.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_refuses_a_folder_without_weights(tmp_path: Path) -> None:
    assert "config.json is missing" in refusal(tmp_path / "nowhere")
    save(network(), tmp_path)
    (tmp_path / WEIGHTS).unlink()
    assert f"{WEIGHTS} is missing" in refusal(tmp_path)


def test_refuses_weights_that_are_cut_short(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        (folder / WEIGHTS).write_bytes(whole[:length])
        assert WEIGHTS in refusal(folder)


def test_refuses_another_network(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "sam2_video"}')
    assert "describes sam2_video, expected sam3_video or sam3_tracker_video" in refusal(folder)
    (folder / "config.json").write_text("[1]")
    assert "describes no known network" in refusal(folder)
    (folder / "config.json").write_text("{")
    assert "config.json is truncated or not JSON" in refusal(folder)


def test_refuses_a_configuration_of_the_wrong_types(folder: Path) -> None:
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(described | {"num_maskmem": "many"}))
    assert "cannot be loaded as SAM3's tracker (Validation error for field 'num_maskmem'" in refusal(folder)


def test_refuses_weights_of_which_some_are_missing(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    del weights["memory_attention.layer_norm.weight"]
    save_file(weights, folder / WEIGHTS)
    assert "1 tensors are missing and 0 of another shape, like memory_attention.layer_norm.weight" in refusal(folder)


def test_tensors_too_many_are_named_and_ignored(folder: Path) -> None:
    expected = load(SAM3, folder, CPU, torch.float32).state_dict()
    save_file(load_file(folder / WEIGHTS) | {"added": torch.zeros(2)}, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.warns(FastSnowWarning, match="1 tensor is not part of SAM3's tracker, like added: ignored"):
        found = load(SAM3, folder, CPU, torch.float32).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_refuses_weights_of_another_shape(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["memory_attention.layer_norm.weight"] = torch.zeros(3)
    save_file(weights, folder / WEIGHTS)
    assert "0 tensors are missing and 1 of another shape, like memory_attention.layer_norm.weight" in refusal(folder)
