"""Weights under the names of the official checkpoint, and one clear line for everything that is wrong with a file."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sam3")
pytestmark = pytest.mark.torch
from safetensors.torch import save_file  # noqa: E402

from fast_snow.engines.sam3.package import model  # noqa: E402
from fast_snow.errors import ConfigError, FastSnowWarning, InputError  # noqa: E402
from tests.engines.sam3.package.scenes import CPU, fresh_tracker, one_thread, tiny_tracker  # noqa: E402, F401


def official(tracker):
    """Name weights as Meta's `sam3.pt` does: the image encoder is the detector's."""
    named = {
        ("detector." if name.startswith("backbone.") else "tracker.") + name: tensor.contiguous()
        for name, tensor in tracker.state_dict().items()
    }
    return named | {
        "detector.transformer.decoder.weight": torch.zeros(2),
        "detector.backbone.language_backbone.weight": torch.zeros(2),
    }


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(model, "untrained", lambda _: fresh_tracker(seed=5))


def write(path, content):
    torch.save(content, path)


@pytest.mark.parametrize("wrapped", [False, True])
def test_loads_the_official_layout(wrapped, tmp_path, tiny):
    weights = official(tiny_tracker())
    write(tmp_path / "sam3.pt", {"model": weights} if wrapped else weights)
    assert_loaded(tmp_path)


def test_loads_safetensors(tmp_path, tiny):
    real = {name: tensor for name, tensor in official(tiny_tracker()).items() if not tensor.is_complex()}
    tables = [name for name, tensor in official(tiny_tracker()).items() if tensor.is_complex()]
    assert all(name.endswith("freqs_cis") for name in tables)
    save_file(real, tmp_path / "sam3.safetensors")
    assert_loaded(tmp_path)


def assert_loaded(folder):
    """All that tracking needs: the layers that only the detector reads are left out."""
    expected, loaded = tiny_tracker().state_dict(), model.load(str(folder), CPU).state_dict()
    assert {name for name in set(expected) - set(loaded) if ".vision_backbone.convs." not in name} == set()
    assert any(not torch.equal(each, expected[name]) for name, each in fresh_tracker(5).state_dict().items())
    assert all(torch.equal(each, expected[name]) for name, each in loaded.items())


def test_no_weights(tmp_path):
    with pytest.raises(ConfigError, match=r"expected a folder with sam3\.safetensors or sam3\.pt; run fast-snow"):
        model.load(str(tmp_path), CPU)


def test_a_truncated_file(tmp_path):
    write(tmp_path / "sam3.pt", official(tiny_tracker()))
    whole = (tmp_path / "sam3.pt").read_bytes()
    (tmp_path / "sam3.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"not a readable checkpoint .*fetch the official weights"):
        model.load(str(tmp_path), CPU)


@pytest.mark.parametrize("name", ["sam3.pt", "sam3.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_not_a_checkpoint(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        model.load(str(tmp_path), CPU)


class _Code:
    ran = False

    def __reduce__(self):
        return exec, ("from tests.engines.sam3.package import test_model as m; m._Code.ran = True",)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    write(tmp_path / "sam3.pt", {"model": _Code()})
    with pytest.raises(InputError, match="not a readable checkpoint"):
        model.load(str(tmp_path), CPU)
    assert not _Code.ran


@pytest.mark.parametrize(
    "content", [[1, 2], {"model": {"epoch": 3}}, {3: torch.zeros(2)}, {"model": {(1, 2): torch.zeros(2)}}]
)
def test_a_file_without_weights(content, tmp_path):
    write(tmp_path / "sam3.pt", content)
    with pytest.raises(InputError, match="expected named weights"):
        model.load(str(tmp_path), CPU)


def test_another_network(tmp_path, tiny):
    write(tmp_path / "sam3.pt", {"model": {"backbone.weight": torch.zeros(3)}})
    with pytest.raises(InputError, match=r"backbone\.vision_backbone.* and \d+ more missing of a SAM3 tracker"):
        model.load(str(tmp_path), CPU)


def test_a_missing_tensor(tmp_path, tiny):
    weights = official(tiny_tracker())
    del weights["tracker.no_mem_embed"]
    write(tmp_path / "sam3.pt", weights)
    with pytest.raises(InputError, match=r"sam3\.pt: no_mem_embed missing of a SAM3 tracker"):
        model.load(str(tmp_path), CPU)


def test_a_tensor_too_many_is_named_and_ignored(tmp_path, tiny):
    write(tmp_path / "sam3.pt", official(tiny_tracker()) | {"tracker.added": torch.zeros(2)})
    with pytest.warns(FastSnowWarning, match=r"sam3\.pt: 1 tensor is not part of a SAM3 tracker, like added: ignored"):
        assert_loaded(tmp_path)


@pytest.mark.parametrize(("name", "error"), [("sam3.pt", InputError), ("sam3.1_multiplex.pt", ConfigError)])
def test_sam_3_1_is_named(name, error, tmp_path):
    write(tmp_path / name, {"tracker.model.no_mem_embed": torch.zeros(1, 1, 4), "detector.backbone.x": torch.zeros(1)})
    with pytest.raises(
        error,
        match=r"SAM 3\.1 \(sam3\.1_multiplex\.pt\), expected those of SAM3; run fast-snow fetch-models sam3,"
        r" or choose --engines\.tracker sam3\.1$",
    ) as raised:
        model.load(str(tmp_path), CPU)
    assert "\n" not in str(raised.value)


def test_weights_arrive_in_the_precision_of_the_network(tmp_path, tiny):
    weights = official(tiny_tracker())
    write(tmp_path / "sam3.pt", weights | {"tracker.no_mem_embed": weights["tracker.no_mem_embed"].half()})
    loaded = model.load(str(tmp_path), CPU)
    assert {each.dtype for each in loaded.parameters()} == {torch.float32}
    assert all(each.requires_grad for each in loaded.parameters())


def test_weights_of_another_size(tmp_path, tiny):
    weights = official(tiny_tracker())
    weights["tracker.no_mem_embed"] = torch.zeros(1, 1, 7)
    write(tmp_path / "sam3.pt", weights)
    with pytest.raises(InputError, match=r"no_mem_embed \(1, 1, 7\) of other shapes, expected \(1, 1, 64\)"):
        model.load(str(tmp_path), CPU)
