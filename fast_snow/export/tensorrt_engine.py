"""From ONNX to a TensorRT engine for a GPU of this machine."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fast_snow.atomic_files import storing
from fast_snow.engines.compiled import artefacts, tensorrt_bindings, tensorrt_runner
from fast_snow.engines.compiled.artefacts import Machine
from fast_snow.engines.compiled.cuda_streams import Cuda
from fast_snow.engines.compiled.network import Network
from fast_snow.engines.compiled.tensorrt_bindings import Untyped
from fast_snow.engines.torch_runtime import memory
from fast_snow.errors import ConfigError, EngineError
from fast_snow.export.exportable import ShapeProfile
from fast_snow.protocols import Progress, silent

_WORKSPACE_SHARE = 0.8
"""Of the free memory: the builder tries out kernels, and its own tensors need room too."""
_MOST_ERRORS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRt:
    """TensorRT on one GPU: `build` takes `(onnx, engine, profiles, timing_cache, progress)`."""

    machine: Machine
    build: Callable[[Path, Path, Mapping[str, ShapeProfile], Path, Progress], None]
    open_network: Callable[[Path], AbstractContextManager[Network]]


def of_device(device: str) -> TensorRt:
    """Return TensorRT on a GPU of this machine: `auto`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: no TensorRT, or no such GPU.
    """
    trt = tensorrt_bindings.import_tensorrt()
    chosen = Cuda().device(device)
    machine = artefacts.this_machine(chosen.index or 0)
    if machine is None:
        raise ConfigError(f"runtime.device: the NVIDIA driver does not offer {chosen}; check the driver")
    known = machine.tensorrt or str(trt.__version__)
    free = memory.free_bytes(chosen)
    return TensorRt(
        machine=Machine(gpu=machine.gpu, compute_capability=machine.compute_capability, tensorrt=known),
        build=partial(build, workspace_bytes=None if free is None else int(free * _WORKSPACE_SHARE)),
        open_network=partial(tensorrt_runner.open_network, device=str(chosen)),
    )


def build(
    onnx: Path,
    engine: Path,
    profiles: Mapping[str, ShapeProfile],
    timing_cache: Path,
    progress: Progress = silent,
    *,
    workspace_bytes: int | None = None,
) -> None:
    """Build an engine; its file is complete or not there.

    Networks are strongly typed: precision is what the ONNX graph says. Every input with an axis of free size needs a
    profile. The timing cache, how fast kernels were in earlier builds, is read where it fits this GPU, and updated.
    Kernels may use all memory unless `workspace_bytes` bounds it.

    Raises:
        ConfigError: no TensorRT.
        EngineError: the graph has operators that TensorRT lacks, an input has no profile, or the build failed.
    """
    trt = tensorrt_bindings.import_tensorrt()
    log = tensorrt_bindings.recorder(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_strongly_typed(trt))
    _parse(trt, network, onnx, log)
    config = builder.create_builder_config()
    _configure(trt, config, workspace_bytes)
    _add_profile(builder, network, config, profiles, onnx.name)
    _use_timing_cache(config, timing_cache)
    monitor = _monitor(trt, f"building {engine.name}", progress)
    config.progress_monitor = monitor
    serialized = builder.build_serialized_network(network, config)
    monitor.raise_interruption()
    if serialized is None:
        raise EngineError(f"{onnx.name}: TensorRT {trt.__version__} could not build an engine ({log.last_error()})")
    _write(engine, serialized)
    if (cache := config.get_timing_cache()) is not None:
        _write(timing_cache, cache.serialize())


def _strongly_typed(trt: Untyped) -> int:
    """Return the flags of a strongly typed network: TensorRT 10 wants to be told, from 11 on there is no other kind."""
    flag = getattr(getattr(trt, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Untyped, network: Untyped, onnx: Path, log: Untyped) -> None:
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(onnx)):
        errors = [" ".join(str(parser.get_error(i)).split()) for i in range(parser.num_errors)]
        more = f"; and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
        reason = ("; ".join(errors[:_MOST_ERRORS]) or "it does not say why") + more
        raise EngineError(f"{onnx.name}: TensorRT {trt.__version__} cannot parse the graph ({reason})")


def _configure(trt: Untyped, config: Untyped, workspace_bytes: int | None) -> None:
    if workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    # What the graph calls fp32 is to be fp32; TF32 has ten bits of mantissa and would not pass its tolerance.
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)


def _add_profile(
    builder: Untyped, network: Untyped, config: Untyped, profiles: Mapping[str, ShapeProfile], name: str
) -> None:
    profile = builder.create_optimization_profile()
    free = [each for each in map(network.get_input, range(network.num_inputs)) if -1 in tuple(each.shape)]
    for tensor in free:
        sizes = profiles.get(tensor.name)
        if sizes is None:
            raise EngineError(f"{name}: input {tensor.name} has axes of free size, but the export spec has no profile")
        profile.set_shape(tensor.name, sizes.smallest, sizes.usual, sizes.largest)
    if free and config.add_optimization_profile(profile) < 0:
        raise EngineError(f"{name}: TensorRT refuses the optimisation profile {dict(profiles)}")


def _use_timing_cache(config: Untyped, path: Path) -> None:
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        # Of another GPU or version: it would only cost time, so the build starts with an empty one.
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _write(path: Path, content: Untyped) -> None:
    with storing(path) as file:
        file.write(memoryview(content))


class _Phases:
    """What TensorRT's progress monitor does; only the outermost phases are told."""

    def __init__(self, what: str, progress: Progress) -> None:
        self._what, self._progress = what, progress
        self._outermost: dict[str, int] = {}
        self._interruption: BaseException | None = None

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        if not parent_phase:
            self._outermost[phase_name] = num_steps
            self._tell(0, num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        if phase_name in self._outermost:
            self._tell(step + 1, self._outermost[phase_name])
        return self._interruption is None

    def phase_finish(self, phase_name: str) -> None:
        self._outermost.pop(phase_name, None)

    def raise_interruption(self) -> None:
        if self._interruption is not None:
            raise self._interruption

    def _tell(self, done: int, total: int) -> None:
        try:
            self._progress(self._what, min(done, total), total)
        except BaseException as error:  # noqa: BLE001 (must not cross C++; ends the build and is raised after it)
            self._interruption = error


def _monitor(trt: Untyped, what: str, progress: Progress) -> Untyped:
    class Monitor(_Phases, trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # pybind11 insists on the explicit call
            _Phases.__init__(self, what, progress)

    return Monitor()
