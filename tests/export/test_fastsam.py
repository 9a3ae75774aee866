from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ultralytics")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch
from fast_snow.config import FastSamConfig  # noqa: E402
from fast_snow.engines.compiled.onnx_runtime import open_network  # noqa: E402
from fast_snow.errors import ConfigError, InputError  # noqa: E402
from fast_snow.export.exportable import Exportable, ShapeProfile  # noqa: E402
from fast_snow.export.fastsam import prepare_fastsam  # noqa: E402
from tests.engines.fastsam.networks import UltralyticsNetwork, write_weights  # noqa: E402

FRAME = (96, 160)
CONFIG = FastSamConfig(batch_size=4)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are too small for more to help
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("export") / "random.pt")


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def exported(
    request: pytest.FixtureRequest, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Exportable, Path]:
    prepared = prepare_fastsam(weights, precision=request.param, config=CONFIG, frame=FRAME)
    path = tmp_path_factory.mktemp("onnx") / "fastsam.onnx"
    prepared.write(path)
    return prepared, path


def test_onnx_agrees_with_torch_for_every_batch_and_size(exported: tuple[Exportable, Path], weights: Path) -> None:
    prepared, path = exported
    other = prepare_fastsam(weights, precision=prepared.spec.precision, config=CONFIG, frame=(160, 64))
    with open_network(path, threads=1) as network:
        for sample in (prepared.sample(1), prepared.sample(3), other.sample(2)):
            expected, found = prepared.reference(sample), network(sample)
            assert found.keys() == expected.keys() == prepared.spec.tolerance.keys()
            for name, values in expected.items():
                assert found[name].dtype == np.float32
                assert found[name].shape == values.shape
                assert np.abs(found[name] - values).max() <= prepared.spec.tolerance[name].absolute, name


def test_tolerances_tell_another_network_apart(exported: tuple[Exportable, Path], tmp_path: Path) -> None:
    prepared, _ = exported
    other = prepare_fastsam(write_weights(tmp_path / "other.pt", seed=5), precision="fp32", config=CONFIG, frame=FRAME)
    sample = prepared.sample(1)
    expected, found = prepared.reference(sample), other.reference(sample)
    for name, tolerance in prepared.spec.tolerance.items():
        assert np.abs(found[name] - expected[name]).max() > tolerance.absolute, name


def test_the_reference_is_what_ultralytics_computes(weights: Path) -> None:
    prepared = prepare_fastsam(weights, precision="fp32", config=CONFIG, frame=FRAME)
    sample = prepared.sample(2)
    expected, found = UltralyticsNetwork(weights)(sample), prepared.reference(sample)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=prepared.spec.tolerance[name].absolute)


def test_weights_are_stored_in_the_precision_asked_for(exported: tuple[Exportable, Path]) -> None:
    prepared, path = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    stored = {each.data_type for each in model.graph.initializer if len(each.dims) == 4 and each.dims[0] > 1}
    expected = {"fp32": onnx.TensorProto.FLOAT, "fp16": onnx.TensorProto.FLOAT16}
    assert stored == {expected[prepared.spec.precision]}
    assert model.opset_import[0].version == prepared.spec.opset >= 17
    assert [each.name for each in model.graph.input] == list(prepared.spec.profiles)


def test_the_spec_says_what_was_exported(weights: Path) -> None:
    spec = prepare_fastsam(weights, precision="fp32", config=CONFIG, frame=FRAME).spec
    assert (spec.model, spec.variant, spec.frame) == ("fastsam", "random", FRAME)
    assert spec.profiles["images"] == ShapeProfile(
        smallest=(1, 3, *FRAME), usual=(4, 3, *FRAME), largest=(4, 3, *FRAME)
    )
    assert set(spec.packages) == {"torch", "ultralytics", "onnx"}
    assert len(spec.weights_sha256) == 64


def test_samples_repeat_and_look_like_images(weights: Path) -> None:
    prepared = prepare_fastsam(weights, precision="fp32", config=CONFIG, frame=FRAME)
    first, again = prepared.sample(2)["images"], prepared.sample(2)["images"]
    np.testing.assert_array_equal(first, again)
    assert first.shape == (2, 3, *FRAME)
    assert first.flags.c_contiguous
    assert first.min() >= 0
    assert first.max() <= 1
    assert first.std() > 0.1
    assert not np.array_equal(first[0], first[1])


def test_mistakes_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got 'int8', expected fp32 or fp16"):
        prepare_fastsam(weights, precision="int8", config=CONFIG, frame=FRAME)
    with pytest.raises(ConfigError, match="got 100 x 160, expected multiples of 32"):
        prepare_fastsam(weights, precision="fp32", config=CONFIG, frame=(100, 160))
    with pytest.raises(InputError, match="fetch-models"):
        prepare_fastsam(tmp_path / "none.pt", precision="fp32", config=CONFIG, frame=FRAME)
