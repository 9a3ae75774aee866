"""TensorRT's bindings without TensorRT, so that how they are called can be tested on any machine.

Names and argument names are those of the documented bindings (`test_fake_tensorrt.py` compares them where the real
ones are installed). Everything is checked as strictly as the documentation reads, wrong order of calls included, and
engines really compute: the ONNX graph is inside the engine and runs on ONNX Runtime, on the memory whose addresses were
given. Passing here shows that the calls are right; it shows nothing of TensorRT's own numbers or speed.
"""

import ctypes
import enum
import json

import numpy as np
import onnx
import onnxruntime

__version__ = "11.4.0.1"
NetworkDefinitionCreationFlag = None
"""TensorRT 10 has it."""
COMPUTE_CAPABILITY = "9.0"
_MAGIC = b"FAKE-TENSORRT\n"
_UNSUPPORTED_OPERATORS = {"NonZero"}


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    BF16 = 7
    INT64 = 8


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class BuilderFlag(enum.Enum):
    TF32 = 0


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self):
        self.initialised = True

    def log(self, severity, msg):
        raise NotImplementedError


class IProgressMonitor:
    def __init__(self):
        self.initialised = True

    def phase_start(self, phase_name, parent_phase, num_steps):
        raise NotImplementedError

    def step_complete(self, phase_name, step):
        raise NotImplementedError

    def phase_finish(self, phase_name):
        raise NotImplementedError


def _say(logger, message):
    logger.log(ILogger.Severity.ERROR, message)


# What builds.


class ITensor:
    def __init__(self, name, shape):
        self.name, self.shape = name, shape


class INetworkDefinition:
    def __init__(self):
        self.model = None

    @property
    def num_inputs(self):
        return len(self.model.graph.input)

    def get_input(self, index):
        value = self.model.graph.input[index]
        return ITensor(value.name, _dims(value))


class ParserError:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


class OnnxParser:
    def __init__(self, network, logger):
        assert logger.initialised, "the logger's __init__ was not called"
        self.network, self.errors = network, []

    @property
    def num_errors(self):
        return len(self.errors)

    def get_error(self, index):
        return self.errors[index]

    def parse_from_file(self, model):
        assert isinstance(model, str), "the bindings take a string"
        try:
            self.network.model = onnx.load(model)
        except Exception as error:  # noqa: BLE001
            self.errors.append(ParserError(f"cannot parse: {type(error).__name__}"))
            return False
        bad = [each for each in self.network.model.graph.node if each.op_type in _UNSUPPORTED_OPERATORS]
        self.errors += [ParserError(f"In node {each.name}:\nno importer for {each.op_type}") for each in bad]
        return not bad


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002 (the bindings' names)
        assert len(min) == len(opt) == len(max)
        self.shapes[input] = [list(min), list(opt), list(max)]


class ITimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return IHostMemory(self.content)


def IHostMemory(content):
    """Stand for a class of which only the buffer counts."""
    return memoryview(content)


class IBuilderConfig:
    def __init__(self):
        self.pools, self.flags, self.profiles = {}, {BuilderFlag.TF32}, []
        self.progress_monitor, self.cache = None, None

    def set_memory_pool_limit(self, pool, pool_size):
        assert isinstance(pool, MemoryPoolType)
        assert pool_size > 0
        self.pools[pool] = pool_size

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def add_optimization_profile(self, profile):
        if any(not lo <= opt <= hi for each in profile.shapes.values() for lo, opt, hi in zip(*each, strict=True)):
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.content and not cache.content.startswith(b"timing") and not ignore_mismatch:
            return False
        self.cache = cache
        return True

    def get_timing_cache(self):
        return self.cache


class Builder:
    def __init__(self, logger):
        assert logger.initialised, "the logger's __init__ was not called"
        self.logger = logger

    def create_network(self, flags=0):
        wanted = 0 if NetworkDefinitionCreationFlag is None else 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        assert flags == wanted, "strongly typed: since TensorRT 11 without a flag"
        return INetworkDefinition()

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        free = {each.name for each in map(network.get_input, range(network.num_inputs)) if -1 in each.shape}
        if free and not (config.profiles and free <= set(config.profiles[0].shapes)):
            _say(self.logger, "Network has dynamic inputs, but no optimization profile")
            return None
        if not _report(config.progress_monitor):
            _say(self.logger, "Build was cancelled")
            return None
        config.cache.content = b"timing" + config.cache.content[6:] + b"+"
        return IHostMemory(serialized(network.model, [each.shapes for each in config.profiles]))


def _report(monitor):
    if monitor is None:
        return True
    assert monitor.initialised, "the monitor's __init__ was not called"
    monitor.phase_start("Building", None, 2)
    monitor.phase_start("Timing", "Building", 1)
    go_on = monitor.step_complete("Timing", 0)
    monitor.phase_finish("Timing")
    go_on = go_on and monitor.step_complete("Building", 0) and monitor.step_complete("Building", 1)
    monitor.phase_finish("Building")
    return go_on


def serialized(model, profiles, *, version=__version__):
    content = model.SerializeToString()
    header = {"version": version, "compute_capability": COMPUTE_CAPABILITY, "profiles": profiles, "size": len(content)}
    return _MAGIC + json.dumps(header).encode() + b"\n" + content


# What runs.


class Runtime:
    def __init__(self, logger):
        assert logger.initialised, "the logger's __init__ was not called"
        self.logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        assert isinstance(serialized_engine, bytes)
        if not serialized_engine.startswith(_MAGIC):
            _say(self.logger, "Serialization assertion magicTagRead == kMAGIC_TAG failed")
            return None
        header, _, content = serialized_engine.removeprefix(_MAGIC).partition(b"\n")
        described = json.loads(header)
        if described["version"] != __version__:
            _say(self.logger, f"The engine plan file is not compatible with this version of TensorRT, got {header!r}")
            return None
        if described["size"] != len(content):
            _say(self.logger, "engine is cut short")
            return None
        return ICudaEngine(self.logger, onnx.load_from_string(content), described["profiles"])


class ICudaEngine:
    def __init__(self, logger, model, profiles):
        self.logger, self.model, self.profiles = logger, model, profiles
        self.values = {each.name: each for each in (*model.graph.input, *model.graph.output)}
        self.inputs = [each.name for each in model.graph.input]
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    @property
    def num_io_tensors(self):
        return len(self.values)

    @property
    def num_optimization_profiles(self):
        return len(self.profiles)

    def get_tensor_name(self, index):
        return list(self.values)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        kinds = {np.float32: DataType.FLOAT, np.float16: DataType.HALF, np.int64: DataType.INT64}
        return kinds[self.dtype(name)]

    def is_shape_inference_io(self, name):
        assert name in self.values
        return False

    def get_tensor_profile_shape(self, name, profile_index):
        assert name in self.inputs, "only inputs have profiles"
        fixed = _dims(self.values[name])
        return self.profiles[profile_index].get(name, [fixed] * 3)

    def create_execution_context(self, strategy=ExecutionContextAllocationStrategy.STATIC):
        return IExecutionContext(self, strategy)

    def dtype(self, name):
        return onnx.helper.tensor_dtype_to_np_dtype(self.values[name].type.tensor_type.elem_type).type


class IExecutionContext:
    def __init__(self, engine, strategy):
        self.engine, self.strategy = engine, strategy
        self.profile, self.shapes, self.addresses, self.memory = 0, {}, {}, 0
        self.warm = False

    def set_optimization_profile_async(self, profile_index, stream_handle):
        assert stream_handle in STREAMS, "no such stream"
        if not 0 <= profile_index < self.engine.num_optimization_profiles:
            return False
        self.profile, self.shapes = profile_index, {}
        return True

    def set_input_shape(self, name, shape):
        assert name in self.engine.inputs
        low, _, high = self.engine.get_tensor_profile_shape(name, self.profile)
        if len(low) != len(shape) or any(not a <= s <= b for a, s, b in zip(low, shape, high, strict=True)):
            _say(self.engine.logger, f"{name}: {shape} does not satisfy any optimization profiles")
            return False
        self.warm = self.warm and self.shapes.get(name) == tuple(shape)
        self.shapes[name] = tuple(shape)
        return True

    def infer_shapes(self):
        lacking = [each for each in self.engine.inputs if each not in self.shapes]
        if not lacking:
            self.shapes |= {name: each.shape for name, each in self._answers(zeros=True).items()}
        return lacking

    def get_tensor_shape(self, name):
        return self.shapes.get(name, _dims(self.engine.values[name]))

    def update_device_memory_size_for_shapes(self):
        assert all(each in self.shapes for each in self.engine.inputs), "shapes come before the size of memory"
        return 256 * sum(int(np.prod(self.shapes[each])) for each in self.engine.inputs)

    def set_device_memory(self, memory, size):
        assert self.strategy == ExecutionContextAllocationStrategy.USER_MANAGED
        assert memory
        assert size >= self.update_device_memory_size_for_shapes(), "too little memory"
        self.memory = memory

    def set_tensor_address(self, name, memory):
        assert all(each in self.shapes for each in self.engine.inputs), "shapes come before addresses"
        assert name in self.engine.values
        assert isinstance(memory, int)
        assert memory
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        stream = STREAMS[stream_handle]
        assert set(self.addresses) == set(self.engine.values), "every tensor needs an address"
        assert all(each in self.shapes for each in self.engine.inputs), "every input needs a shape"
        managed = self.strategy == ExecutionContextAllocationStrategy.USER_MANAGED
        assert self.memory or not managed, "no device memory"
        assert self.warm or not stream.capturing, "one run has to come before a capture"
        self.warm = True
        stream.enqueue(self._compute)
        return True

    def _compute(self):
        for name, values in self._answers().items():
            _memory(self.addresses[name], values.shape, values.dtype)[...] = values

    def _answers(self, *, zeros=False):
        feeds = {}
        for name in self.engine.inputs:
            shape, dtype = self.shapes[name], self.engine.dtype(name)
            feeds[name] = np.zeros(shape, dtype) if zeros else _memory(self.addresses[name], shape, dtype)
        names = [each.name for each in self.engine.session.get_outputs()]
        return dict(zip(names, self.engine.session.run(names, feeds), strict=True))


STREAMS = {}
"""What `fake_cuda` made, by handle."""


def _dims(value):
    return tuple(each.dim_value if each.HasField("dim_value") else -1 for each in value.type.tensor_type.shape.dim)


def _memory(address, shape, dtype):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = (ctypes.c_byte * size).from_address(address)
    return np.frombuffer(raw, dtype=dtype).reshape(shape)
