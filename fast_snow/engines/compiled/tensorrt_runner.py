"""Compiled networks on TensorRT."""

import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from fast_snow.engines.compiled import tensorrt_bindings, tensorrt_engines
from fast_snow.engines.compiled.cuda_streams import Cuda, Replay, Stream, to_device, to_host
from fast_snow.engines.compiled.network import Arrays, Network
from fast_snow.engines.compiled.tensorrt_bindings import Untyped
from fast_snow.engines.compiled.tensorrt_engines import Shapes
from fast_snow.engines.torch_runtime import memory
from fast_snow.errors import EngineError, FastSnowWarning

_MOST_SHAPES = 4
"""Shapes that are kept ready: full chunks, a clip's last one, and what is left of memory running out."""

Tensors = Mapping[str, torch.Tensor]


@dataclass(slots=True, kw_only=True, eq=False)
class _Prepared:
    """One set of input shapes, with all that its CUDA graph has in it."""

    context: Untyped
    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]
    scratch: torch.Tensor
    runs: int = 0
    replay: Replay | None = None
    capturable: bool = True


class TensorRtRunner:
    """A loaded engine.

    The outputs it returns are its own: they hold until the next call. Each set of input shapes has an execution
    context of its own, because a CUDA graph is bound to the context's state; the contexts take turns in one block of
    scratch memory. The first call with new shapes runs plainly, the second captures a graph, the others replay it.
    """

    def __init__(self, path: Path, device: torch.device, cuda: Cuda) -> None:
        self._trt = tensorrt_bindings.import_tensorrt()
        self._log = tensorrt_bindings.recorder(self._trt)
        self._path = path
        self._device = device
        self._stream: Stream = cuda.stream(device)
        self._runtime: Untyped = self._trt.Runtime(self._log)
        self._engine: Untyped = tensorrt_engines.load_engine(path, self._trt, self._runtime, self._log)
        self.inputs, self.outputs = tensorrt_engines.tensors(path, self._trt, self._engine)
        self._scratch: torch.Tensor | None = None
        self._prepared: OrderedDict[Shapes, _Prepared] = OrderedDict()

    def __call__(self, inputs: Tensors) -> Tensors:
        """Run the network on inputs by name, on the runner's device; the outputs are valid until the next call.

        Raises:
            EngineError: inputs that the engine does not take, or TensorRT failed.
            torch.OutOfMemoryError: the device's memory does not suffice for these shapes.
        """
        self._check(inputs)
        shapes = tuple(tuple(inputs[name].shape) for name in self.inputs)
        with torch.inference_mode(), self._stream.ordered():
            prepared = self._ready(shapes)
            for name, static in prepared.inputs.items():
                static.copy_(inputs[name])
            self._run(prepared)
        return prepared.outputs

    def synchronize(self) -> None:
        """Wait until the last call is done."""
        self._stream.synchronize()

    def close(self) -> None:
        """Free everything; contexts go before the engine they belong to."""
        if self._engine is not None:
            self._stream.synchronize()
        self._prepared.clear()
        self._scratch = self._engine = self._runtime = None

    def _check(self, inputs: Tensors) -> None:
        if self._engine is None:
            raise EngineError(f"{self._path.name}: was called after it was closed")
        if set(inputs) != set(self.inputs):
            wanted = ", ".join(self.inputs)
            raise EngineError(f"{self._path.name}: got inputs {', '.join(sorted(inputs))}, expected {wanted}")
        for name, dtype in self.inputs.items():
            got = inputs[name]
            if got.dtype != dtype or got.device != self._device:
                raise EngineError(
                    f"{self._path.name}: input {name} is {got.dtype} on {got.device},"
                    f" expected {dtype} on {self._device}"
                )

    def _ready(self, shapes: Shapes) -> _Prepared:
        if shapes in self._prepared:
            self._prepared.move_to_end(shapes)
            return self._prepared[shapes]
        while len(self._prepared) >= _MOST_SHAPES:
            self._stream.synchronize()  # the oldest may still be running
            self._prepared.popitem(last=False)
        try:
            prepared = self._prepare(shapes)
        except torch.OutOfMemoryError:
            self._drop_prepared()  # what is kept for other shapes must not starve the caller's smaller pieces
            raise
        self._prepared[shapes] = prepared
        return prepared

    def _prepare(self, shapes: Shapes) -> _Prepared:
        profile = tensorrt_engines.profile_for(self._path, self._engine, self.inputs, shapes)
        context = self._engine.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            raise self._failure("create an execution context")
        if profile and not context.set_optimization_profile_async(profile, self._stream.handle):
            raise self._failure(f"select optimisation profile {profile}")
        for name, shape in zip(self.inputs, shapes, strict=True):
            if not context.set_input_shape(name, shape):
                raise self._failure(f"take {name} of shape {shape}")
        if unknown := context.infer_shapes():
            raise self._failure(f"tell shapes that depend on {', '.join(unknown)}")
        scratch = self._scratch_of(context.update_device_memory_size_for_shapes())
        context.set_device_memory(scratch.data_ptr(), scratch.numel())
        prepared = _Prepared(
            context=context,
            inputs={name: self._buffer(context, name, dtype) for name, dtype in self.inputs.items()},
            outputs={name: self._buffer(context, name, dtype) for name, dtype in self.outputs.items()},
            scratch=scratch,
        )
        for name, buffer in (prepared.inputs | prepared.outputs).items():
            if not context.set_tensor_address(name, buffer.data_ptr()):
                raise self._failure(f"take the address of {name}")
        return prepared

    def _buffer(self, context: Untyped, name: str, dtype: torch.dtype) -> torch.Tensor:
        shape = tuple(context.get_tensor_shape(name))
        if any(each < 0 for each in shape):
            raise EngineError(f"{self._path.name}: the shape of {name} depends on the data: not supported")
        return torch.empty(shape, dtype=dtype, device=self._device)

    def _scratch_of(self, size: int) -> torch.Tensor:
        if self._scratch is None or self._scratch.numel() < size:
            self._drop_prepared()  # their graphs have the old block's address in them
            self._scratch = torch.empty(max(1, size), dtype=torch.uint8, device=self._device)
        return self._scratch

    def _drop_prepared(self) -> None:
        self._stream.synchronize()
        self._prepared.clear()
        self._scratch = None

    def _run(self, prepared: _Prepared) -> None:
        if prepared.runs == 1 and prepared.capturable:
            self._capture(prepared)
        prepared.runs += 1
        if prepared.replay is not None:
            prepared.replay()
        else:
            self._enqueue(prepared)

    def _enqueue(self, prepared: _Prepared) -> None:
        if not prepared.context.execute_async_v3(self._stream.handle):
            raise self._failure("run")

    def _capture(self, prepared: _Prepared) -> None:
        try:
            prepared.replay = self._stream.capture(lambda: self._enqueue(prepared))
        except (RuntimeError, EngineError) as error:
            prepared.capturable = False
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"{self._path.name}: no CUDA graph, running slower ({reason})", FastSnowWarning, stacklevel=2)

    def _failure(self, what: str) -> Exception:
        reason = self._log.last_error()
        message = f"{self._path.name}: TensorRT could not {what} ({reason})"
        ran_out = "outofmemory" in reason.lower().replace(" ", "")
        return torch.OutOfMemoryError(message) if ran_out else EngineError(message)


@contextmanager
def open_runner(path: Path, *, device: str = "auto", cuda: Cuda | None = None) -> Iterator[TensorRtRunner]:
    """Load an engine that takes and returns torch tensors (`device`: `auto`, `cuda` or `cuda:N`); leaving frees it.

    Raises:
        ConfigError: no GPU, or no TensorRT.
        EngineError: the engine cannot be loaded here.
    """
    cuda = cuda or Cuda()
    tensorrt_bindings.import_tensorrt()
    chosen = cuda.device(device)
    runner = TensorRtRunner(path, chosen, cuda)
    try:
        yield runner
    finally:
        runner.close()
        memory.release(chosen)


@contextmanager
def open_network(path: Path, *, device: str = "auto", cuda: Cuda | None = None) -> Iterator[Network]:
    """Load an engine that takes and returns NumPy arrays. Outputs belong to the caller; leaving frees the engine.

    The network raises `MemoryError` where the device's memory does not suffice.
    """
    used = cuda or Cuda()
    with open_runner(path, device=device, cuda=used) as runner:
        chosen = used.device(device)

        def run(inputs: Arrays) -> Arrays:
            try:
                answers = runner({name: to_device(array, used, chosen) for name, array in inputs.items()})
                staged = {name: to_host(tensor, used) for name, tensor in answers.items()}
            except torch.OutOfMemoryError as error:
                raise MemoryError(f"{path.name}: out of memory in TensorRT ({str(error)[:200]})") from None
            if chosen.type == "cuda":
                torch.cuda.current_stream(chosen).synchronize()
            return {name: tensor.numpy().copy() for name, tensor in staged.items()}

        yield run
