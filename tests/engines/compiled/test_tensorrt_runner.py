"""The TensorRT runner on a strict fake of the bindings, and on the real ones where there is a GPU."""

import importlib.util
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch

from fast_snow.engines.compiled import tensorrt_runner  # noqa: E402
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning  # noqa: E402
from tests.engines.compiled import fake_tensorrt, small_network  # noqa: E402
from tests.engines.compiled.fake_cuda import FakeCuda  # noqa: E402


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    return fake_tensorrt


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "small.onnx"
    small_network.write(path)
    return onnx.load(path)


def _profile(low, usual, high):
    return {"images": [[n, 3, small_network.HEIGHT, small_network.WIDTH] for n in (low, usual, high)]}


@pytest.fixture
def engine(tmp_path, graph, fake):
    path = tmp_path / "small.engine"
    path.write_bytes(fake.serialized(graph, [_profile(1, 2, 4), _profile(5, 16, 16)]))
    return path


def test_computes_what_torch_computes_at_every_call(engine):
    with tensorrt_runner.open_network(engine, cuda=FakeCuda()) as network:
        assert callable(network)
        for _ in range(4):
            for count in (1, 3):
                inputs = small_network.sample(count)
                inputs["images"] += np.float32(np.random.default_rng(3).random())
                outputs = network(inputs)
                wanted = small_network.reference(inputs)
                assert set(outputs) == set(wanted)
                for name, values in wanted.items():
                    np.testing.assert_allclose(outputs[name], values, atol=1e-5)


def test_a_shape_runs_plainly_once_then_as_a_graph(engine):
    cuda = FakeCuda()
    with tensorrt_runner.open_network(engine, cuda=cuda) as network:
        counts = []
        for frames in (3, 3, 3, 2, 3):
            network(small_network.sample(frames))
            (stream,) = cuda.streams
            counts.append((stream.captured, stream.replayed))
    assert counts == [(0, 0), (1, 1), (1, 2), (1, 2), (1, 3)]


def test_the_network_s_arrays_outlive_the_next_call_and_the_runner_s_tensors_do_not(engine):
    inputs, others = small_network.sample(2), {"images": np.zeros((2, 3, 8, 12), np.float32)}
    with tensorrt_runner.open_network(engine, cuda=FakeCuda()) as network:
        first = network(inputs)
        network(others)
        np.testing.assert_allclose(first["maps"], small_network.reference(inputs)["maps"], atol=1e-5)
    with tensorrt_runner.open_runner(engine, cuda=FakeCuda()) as runner:
        first = runner({"images": torch.from_numpy(inputs["images"])})
        second = runner({"images": torch.from_numpy(others["images"])})
        assert first["maps"].data_ptr() == second["maps"].data_ptr()


def test_takes_inputs_that_are_read_only_or_not_contiguous(engine):
    images = np.random.default_rng(0).random((2, 8, 12, 3), np.float32)
    images.flags.writeable = False
    with tensorrt_runner.open_network(engine, cuda=FakeCuda()) as network:
        outputs = network({"images": images.transpose(0, 3, 1, 2)})
    wanted = small_network.reference({"images": images.transpose(0, 3, 1, 2).copy()})
    np.testing.assert_allclose(outputs["maps"], wanted["maps"], atol=1e-5)


def test_more_shapes_than_are_kept_ready_still_compute(engine):
    cuda = FakeCuda()
    with tensorrt_runner.open_network(engine, cuda=cuda) as network:
        for count in (*range(1, 11), 1):  # both profiles, memory that must grow, shapes that come back
            inputs = small_network.sample(count)
            np.testing.assert_allclose(network(inputs)["maps"], small_network.reference(inputs)["maps"], atol=1e-5)


def test_works_where_the_graph_cannot_be_captured_and_says_so_once(engine):
    inputs = small_network.sample(2)
    with tensorrt_runner.open_network(engine, cuda=FakeCuda(can_capture=False)) as network:
        network(inputs)
        with pytest.warns(FastSnowWarning, match="no CUDA graph"):
            network(inputs)
        np.testing.assert_allclose(network(inputs)["maps"], small_network.reference(inputs)["maps"], atol=1e-5)


def test_memory_that_runs_out_is_a_memory_error_and_smaller_pieces_work(engine):
    cuda = FakeCuda(largest_pinned=2 * 3 * 8 * 12)
    with tensorrt_runner.open_network(engine, cuda=cuda) as network:
        with pytest.raises(MemoryError, match=r"small\.engine: out of memory"):
            network(small_network.sample(4))
        assert network(small_network.sample(2))["total"].shape == (2,)


def test_memory_that_runs_out_in_tensorrt_itself_is_a_memory_error_too(engine, fake, monkeypatch):
    def failing(self, strategy):
        self.logger.log(fake.ILogger.Severity.ERROR, "[defaultAllocator.cpp] Cuda Runtime\n(out of memory)")

    with tensorrt_runner.open_network(engine, cuda=FakeCuda()) as network:
        with monkeypatch.context() as patched:
            patched.setattr(fake.ICudaEngine, "create_execution_context", failing)
            with pytest.raises(MemoryError, match="could not create an execution context"):
                network(small_network.sample(4))
        assert network(small_network.sample(2))["total"].shape == (2,)
        with monkeypatch.context() as patched:
            patched.setattr(fake.IExecutionContext, "set_input_shape", lambda *_: False)
            with pytest.raises(EngineError, match=r"could not take images of shape .*TensorRT gave no reason"):
                network(small_network.sample(1))


def test_shapes_outside_the_profiles_are_told_with_what_fits(engine):
    with tensorrt_runner.open_network(engine, cuda=FakeCuda()) as network:
        with pytest.raises(EngineError, match=r"\(17, 3, 8, 12\), the engine takes \(1, 3, 8, 12\) to \(4, 3, 8, 12\)"):
            network(small_network.sample(17))
        assert network(small_network.sample(1))["maps"].shape == (1, 2, 8, 12)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"pictures": np.zeros((1, 3, 8, 12), np.float32)}, "got inputs pictures, expected images"),
        ({"images": np.zeros((1, 3, 8, 12))}, "float64 on cpu, expected torch.float32"),
    ],
)
def test_wrong_inputs_are_told(engine, inputs, message):
    with tensorrt_runner.open_network(engine, cuda=FakeCuda()) as network, pytest.raises(EngineError, match=message):
        network(inputs)


def test_a_closed_runner_answers_no_more(engine):
    with tensorrt_runner.open_runner(engine, cuda=FakeCuda()) as runner:
        pass
    with pytest.raises(EngineError, match="after it was closed"):
        runner({"images": torch.zeros(1, 3, 8, 12)})


def test_damaged_and_foreign_engines_are_told(tmp_path, graph, fake):
    path = tmp_path / "x.engine"
    whole = fake.serialized(graph, [_profile(1, 2, 4)])
    for content in (b"", whole[:-10], fake.serialized(graph, [], version="10.0.1")):
        path.write_bytes(content)
        with pytest.raises(EngineError, match=r"cannot load it: damaged, or built for another GPU") as caught:
            tensorrt_runner.open_network(path, cuda=FakeCuda()).__enter__()
        assert "\n" not in str(caught.value)
        assert "export-engines --target tensorrt --force" in str(caught.value)
    with pytest.raises(EngineError, match="No such file"):
        tensorrt_runner.open_network(tmp_path / "none.engine", cuda=FakeCuda()).__enter__()


def test_a_missing_or_old_tensorrt_is_told(tmp_path, monkeypatch, fake):
    monkeypatch.setattr(fake, "__version__", "9.3.0")
    with pytest.raises(ConfigError, match=r"TensorRT 9\.3\.0 is too old, expected 10 or newer"):
        tensorrt_runner.open_network(tmp_path / "x.engine", cuda=FakeCuda()).__enter__()
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigError, match=r'uv pip install -e "\.\[gpu\]"'):
        tensorrt_runner.open_network(tmp_path / "x.engine", cuda=FakeCuda()).__enter__()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told(engine):
    for device in ("auto", "cpu"):
        with pytest.raises(ConfigError, match="TensorRT needs an NVIDIA GPU"):
            tensorrt_runner.open_network(engine, device=device).__enter__()


@pytest.mark.skipif(
    not torch.cuda.is_available() or importlib.util.find_spec("tensorrt") is None, reason="needs a GPU and TensorRT"
)
def test_the_real_tensorrt_builds_and_runs(tmp_path):
    from fast_snow.export import tensorrt_engine

    graph, path = tmp_path / "small.onnx", tmp_path / "small.engine"
    small_network.write(graph)
    said = []
    tensorrt_engine.build(
        graph, path, small_network.PROFILES, tmp_path / "timing.cache", lambda *what: said.append(what)
    )
    assert said
    with tensorrt_runner.open_network(path) as network:
        for _ in range(3):
            for count in (1, 2, 4, 3):
                inputs = small_network.sample(count)
                wanted = small_network.reference(inputs)
                for name, values in network(inputs).items():
                    np.testing.assert_allclose(values, wanted[name], atol=1e-3)
