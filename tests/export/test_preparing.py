"""From what the user asks for to artefacts in their folder."""

import dataclasses
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch

from fast_snow.config import Config, Da3Config, EnginesConfig, FastSamConfig  # noqa: E402
from fast_snow.engines import hardware  # noqa: E402
from fast_snow.engines.compiled import artefacts, tensorrt_runner  # noqa: E402
from fast_snow.engines.compiled import manifest as manifests  # noqa: E402
from fast_snow.engines.da3.preprocessing import preprocess  # noqa: E402
from fast_snow.errors import ConfigError, FastSnowWarning  # noqa: E402
from fast_snow.export import parity, preparing, tensorrt_engine  # noqa: E402
from fast_snow.export.tensorrt_engine import TensorRt  # noqa: E402
from tests.engines.compiled import fake_tensorrt  # noqa: E402
from tests.engines.compiled.fake_cuda import FakeCuda  # noqa: E402
from tests.engines.compiled.manifests import HERE  # noqa: E402


@pytest.fixture
def config(tmp_path):
    return dataclasses.replace(
        Config(),
        engines=EnginesConfig(compiled_path=str(tmp_path / "compiled")),
        fastsam=FastSamConfig(model_path=str(tmp_path / "FastSAM-s.pt")),
        da3=Da3Config(model_path=str(tmp_path / "da3-small")),
    )


@pytest.fixture
def da3(config, tmp_path):
    """Weights of a tiny Depth Anything 3, and none of FastSAM."""
    pytest.importorskip("depth_anything_3.registry")
    from tests.engines.da3.tiny import save_random, tiny_variants

    with tiny_variants(tmp_path):
        folder = save_random(tmp_path / "da3-small", "da3-small")
        yield dataclasses.replace(config, da3=Da3Config(model_path=str(folder), process_res=56, chunk_size=2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "sam3"}, "--model: got 'sam3', expected fastsam, da3, all"),
        ({"precision": "bf16"}, "--precision: got 'bf16', expected auto, fp32, fp16"),
        ({"target": "coreml"}, "--target: got 'coreml', expected onnx, tensorrt"),
        ({"shape": (0, 1280)}, "--shape: got 0x1280, expected height x width"),
    ],
)
def test_words_that_are_none_are_told(config, changes, message):
    with pytest.raises(ConfigError, match=message):
        preparing.compile_networks(config, **changes)


def test_missing_weights_say_how_to_get_them(config):
    with pytest.raises(ConfigError, match=r"fastsam: no weights in .*fetch-models FastSAM-s; da3: no weights in"):
        preparing.compile_networks(config)
    with pytest.raises(ConfigError, match=r"^da3: no weights in .*fetch-models da3-small"):
        preparing.compile_networks(config, model="da3")


@pytest.mark.parametrize("model", ["fastsam", "da3"])
@pytest.mark.parametrize("video", [(720, 1280), (1080, 1920), (480, 640), (1920, 1080), (375, 1242)])
def test_a_network_s_own_size_stands_for_itself(config, model, video):
    size = preparing.network_size(config, model, video)
    assert preparing.network_size(config, model, size) == size


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_tensorrt_without_a_gpu_is_told_before_anything_is_loaded(da3, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    with pytest.raises(ConfigError, match="TensorRT needs an NVIDIA GPU"):
        preparing.compile_networks(da3, model="da3", target="tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigError, match=r'uv pip install -e "\.\[gpu\]"'):
        preparing.compile_networks(da3, model="da3", target="tensorrt")
    assert not Path(da3.engines.compiled_path).exists()


@pytest.mark.filterwarnings("ignore:The feature will be removed:DeprecationWarning")  # within torch's exporter
def test_networks_are_compared_on_frames_of_the_video(da3, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (3, 90, 160, 3), dtype=np.uint8)
    samples = []

    def compare(network, reference, sample, tolerance, frames):
        samples.append(sample(4)["images"])
        return parity.Parity(outputs={}, frames=tuple(frames))

    monkeypatch.setattr(parity, "compare", compare)
    preparing.compile_networks(da3, model="da3", shape=images.shape[1:3], images=images)
    np.testing.assert_array_equal(samples[0], preprocess(images[[0, 1, 2, 0]], da3.da3.process_res))


@pytest.mark.filterwarnings("ignore:The feature will be removed:DeprecationWarning")  # within torch's exporter
def test_da3_is_exported_for_a_video_s_size_and_found_again(da3, monkeypatch):
    monkeypatch.setattr(hardware, "gpu_count", lambda: 0)
    with pytest.warns(FastSnowWarning, match=r"fastsam: no weights in .* it is skipped"):
        (exported,) = preparing.compile_networks(da3, shape=(90, 160))
    assert exported.path == Path(da3.engines.compiled_path) / "da3-small_28x56_fp32.onnx"
    manifest = exported.manifest
    assert manifest.weights_sha256 == manifests.record_of(Path(da3.da3.model_path) / "model.safetensors").sha256
    found = artefacts.find_network(
        exported.path.parent, "da3", "da3-small", (28, 56), "onnx", manifest.weights_sha256, None
    )
    assert isinstance(found, artefacts.Found)
    (again,) = preparing.compile_networks(da3, model="da3", shape=(28, 56))
    assert again.up_to_date

    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    backend = TensorRt(
        machine=HERE, build=tensorrt_engine.build, open_network=partial(tensorrt_runner.open_network, cuda=FakeCuda())
    )
    monkeypatch.setattr(tensorrt_engine, "of_device", lambda _: backend)
    graph, engine = preparing.compile_networks(da3, model="da3", precision="fp32", shape=(90, 160), target="tensorrt")
    assert graph.up_to_date
    assert engine.path.name == "da3-small_28x56_fp32.engine"
    assert set(engine.manifest.parity) == {"depth", "confidence", "pose"}
