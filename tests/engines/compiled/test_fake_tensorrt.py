"""The fake bindings have the names and arguments of the real ones, where those are installed."""

import importlib.util
import inspect
import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.torch

from tests.engines.compiled import fake_tensorrt  # noqa: E402

_ENUMS = (
    "DataType",
    "TensorIOMode",
    "MemoryPoolType",
    "BuilderFlag",
    "ExecutionContextAllocationStrategy",
)
_CLASSES = (
    "OnnxParser",
    "INetworkDefinition",
    "IOptimizationProfile",
    "ITimingCache",
    "IBuilderConfig",
    "Builder",
    "Runtime",
    "ICudaEngine",
    "IExecutionContext",
    "IProgressMonitor",
    "ILogger",
)
_METHODS = [
    (owner, name)
    for owner in _CLASSES
    for name, value in vars(getattr(fake_tensorrt, owner)).items()
    if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
]
_OWN = {("ICudaEngine", "dtype")}


def _real():
    if importlib.util.find_spec("tensorrt") is None:
        pytest.skip("TensorRT is not installed")
    import tensorrt

    if not hasattr(tensorrt, "Runtime"):
        pytest.skip("TensorRT is installed without its library")
    return tensorrt


def test_enums_have_the_real_members():
    real = _real()
    lacking = {
        f"{name}.{each.name}"
        for name in _ENUMS
        for each in getattr(fake_tensorrt, name)
        if not hasattr(getattr(real, name), each.name)
    }
    assert lacking <= {"BuilderFlag.TF32"}  # the builder asks before it uses that one


def test_methods_have_the_real_arguments():
    real = _real()
    differing = [
        f"{owner}.{name}"
        for owner, name in sorted(set(_METHODS) - _OWN)
        if not _alike(getattr(real, owner), owner, name)
    ]
    assert not differing


def _alike(real_class, owner, name):
    fake, real = getattr(getattr(fake_tensorrt, owner), name), getattr(real_class, name, None)
    if isinstance(fake, property):
        return real is not None and not callable(real)
    wanted = [each for each in inspect.signature(fake).parameters if each != "self"]
    signatures = re.findall(rf"{name}\(([^\n]*)\) ?->", getattr(real, "__doc__", None) or "")
    argument_lists = [re.findall(r"(\w+):", each.partition(",")[2]) for each in signatures]
    # What Python code overrides has the argument order of the call from C++, which its documentation shows or not.
    return wanted in argument_lists or (real is not None and owner in ("ILogger", "IProgressMonitor"))


class _Quiet(fake_tensorrt.ILogger):
    def log(self, severity, msg):
        pass


def test_the_fake_refuses_wrong_orders_of_calls(tmp_path):
    from tests.engines.compiled import small_network
    from tests.engines.compiled.fake_cuda import FakeCuda

    path = tmp_path / "small.onnx"
    small_network.write(path)
    model = fake_tensorrt.onnx.load(path)
    log = _Quiet()
    profile = {"images": [[1, 3, 8, 12], [2, 3, 8, 12], [4, 3, 8, 12]]}
    engine = fake_tensorrt.Runtime(log).deserialize_cuda_engine(fake_tensorrt.serialized(model, [profile]))
    stream = FakeCuda().stream(None)
    context = engine.create_execution_context(fake_tensorrt.ExecutionContextAllocationStrategy.USER_MANAGED)
    with pytest.raises(AssertionError, match="shapes come before addresses"):
        context.set_tensor_address("images", 64)
    assert not context.set_input_shape("images", (5, 3, 8, 12))
    assert context.infer_shapes() == ["images"]
    assert context.set_input_shape("images", (1, 3, 8, 12))
    with pytest.raises(AssertionError, match="every tensor needs an address"), stream.ordered():
        context.execute_async_v3(stream.handle)
    with pytest.raises(AssertionError, match="too little memory"):
        context.set_device_memory(256, 1)
