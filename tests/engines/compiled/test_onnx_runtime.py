import gc
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch

from fast_snow.engines import hardware  # noqa: E402
from fast_snow.engines.compiled import onnx_runtime  # noqa: E402
from fast_snow.errors import ConfigError, EngineError  # noqa: E402
from tests.engines.compiled import small_network  # noqa: E402


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "small.onnx"
    small_network.write(path)
    return path


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_computes_what_torch_computes(path, device):
    with onnx_runtime.open_network(path, device=device, threads=1) as network:
        assert callable(network)
        for count in (1, 3):
            inputs = small_network.sample(count)
            wanted = small_network.reference(inputs)
            outputs = network(inputs)
            assert set(outputs) == set(wanted)
            for name, values in outputs.items():
                np.testing.assert_allclose(values, wanted[name], atol=1e-4)


def test_outputs_belong_to_the_caller(path):
    inputs = small_network.sample(1)
    with onnx_runtime.open_network(path) as network:
        first = network(inputs)["maps"]
        kept = first.copy()
        network({"images": np.zeros_like(inputs["images"])})
    np.testing.assert_array_equal(first, kept)


def test_leaving_frees_the_session(path):
    with onnx_runtime.open_network(path) as network:
        session = weakref.ref(network._session)  # the only way to see that it is gone
    gc.collect()
    assert session() is None
    with pytest.raises(EngineError, match="after it was closed"):
        network(small_network.sample(1))


def test_truncated_and_missing_files_are_told_in_one_line(path, tmp_path, capfd):
    damaged = tmp_path / "damaged.onnx"
    for content in (b"", b"not a network", path.read_bytes()[:-200]):
        damaged.write_bytes(content)
        with pytest.raises(EngineError, match="cannot load it; fast-snow export-engines --force") as caught:
            onnx_runtime.open_network(damaged).__enter__()
        assert "\n" not in str(caught.value)
    with pytest.raises(EngineError, match="no such ONNX file"):
        onnx_runtime.open_network(tmp_path / "none.onnx").__enter__()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"pictures": np.zeros((1, 3, 8, 12), np.float32)}, "got inputs pictures, expected images"),
        ({"images": np.zeros((1, 3, 8, 12))}, "input images is float64, expected float32"),
        ({"images": np.zeros((1, 3, 8, 13), np.float32)}, "ONNX Runtime failed"),
    ],
)
def test_wrong_inputs_are_told_in_one_line(path, inputs, message):
    with onnx_runtime.open_network(path) as network, pytest.raises(EngineError, match=message) as caught:
        network(inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["gpu", "cpu:1", "cuda:x", ""])
def test_devices_that_do_not_exist_are_told(path, device):
    with pytest.raises(ConfigError, match="expected auto, cpu, cuda or cuda:N"):
        onnx_runtime.open_network(path, device=device).__enter__()


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="has the CUDA provider")
def test_cuda_without_its_provider_says_what_to_install(path):
    with pytest.raises(ConfigError, match=r"has only .*CPUExecutionProvider.*pip install onnxruntime-gpu"):
        onnx_runtime.open_network(path, device="cuda").__enter__()


@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers() or not hardware.gpu_count(),
    reason="needs a GPU and onnxruntime-gpu",
)
def test_computes_on_the_gpu(path):
    inputs = small_network.sample(2)
    with onnx_runtime.open_network(path, device="cuda") as network:
        np.testing.assert_allclose(network(inputs)["maps"], small_network.reference(inputs)["maps"], atol=1e-2)
    with pytest.raises(ConfigError, match="but there are"):
        onnx_runtime.open_network(path, device="cuda:99").__enter__()


def test_memory_that_runs_out_is_a_memory_error(tmp_path):
    import onnx

    # Expands a scalar to what no machine has; ONNX Runtime's allocation fails, as it does for too large batches.
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Expand", ["value", "shape"], ["filled"])],
        "large",
        [
            onnx.helper.make_tensor_value_info("value", onnx.TensorProto.FLOAT, [1]),
            onnx.helper.make_tensor_value_info("shape", onnx.TensorProto.INT64, [2]),
        ],
        [onnx.helper.make_tensor_value_info("filled", onnx.TensorProto.FLOAT, ["a", "b"])],
    )
    path = tmp_path / "large.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    with onnx_runtime.open_network(path) as network:
        with pytest.raises(MemoryError, match="out of memory in ONNX Runtime"):
            network({"value": np.ones(1, np.float32), "shape": np.array([2**24, 2**24])})
        small = network({"value": np.ones(1, np.float32), "shape": np.array([2, 3])})
    np.testing.assert_array_equal(small["filled"], np.ones((2, 3), np.float32))
