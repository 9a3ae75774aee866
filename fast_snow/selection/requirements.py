"""What an engine needs of this machine: packages, weights, a GPU, a compiled network. Nothing heavy is imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from fast_snow import weights
from fast_snow.config import Config
from fast_snow.engines.compiled import artefacts
from fast_snow.engines.compiled.network import Network, OpenNetwork
from fast_snow.engines.hardware import gpu_count
from fast_snow.errors import EngineError
from fast_snow.inputs.recording import Recording
from fast_snow.types import GridShape

Target = Literal["tensorrt", "onnx"]
BACKEND = {"tensorrt": "TensorRT", "onnx": "ONNX Runtime"}
_EXTRA = {"onnxruntime": "onnx", "tensorrt": "gpu"}


def installed(*modules: str) -> tuple[str, ...]:
    """Return what is missing of the packages that an engine imports, with the command that installs it."""
    return tuple(
        f'needs the package {each}: uv pip install -e ".[{_EXTRA.get(each, "models")}]"'
        for each in modules
        if find_spec(each) is None
    )


def has_sam3_1() -> tuple[str, ...]:
    """Return what is missing of the package of SAM 3.1, which is `sam3` built from its source; it is not imported."""
    found = find_spec("sam3")
    folders = (found.submodule_search_locations or ()) if found is not None else ()
    if any((Path(each) / "model" / "multiplex_utils.py").is_file() for each in folders):
        return ()
    held = "PyPI's sam3, which has none" if folders else "no package sam3"
    return (f"needs SAM 3.1 in the package sam3: got {held}; install it from its source (docs/models.md)",)


def weights_present(config: Config, model: weights.Model) -> tuple[str, ...]:
    """Return what is wrong with the weights of an engine, with what to do."""
    located = weights.locate(config, model)
    if located.complete:
        return ()
    return (f"needs weights in {located.folder}, where {' and '.join(located.problems)}: {located.remedy}",)


def masks_given(recording: Recording | None) -> tuple[str, ...]:
    """Return what is missing where the input brings no masks."""
    return () if recording is not None and recording.has_masks else (lacks("masks"),)


def lacks(what: str) -> str:
    """Say that the input does not bring what a recorded engine needs."""
    return f"needs {what}, missing in the input: add it"


def no_gpu(config: Config) -> tuple[str, ...]:
    """Return why trained models are not taken unasked where they would run on a CPU."""
    if config.runtime.device == "cpu":
        return ("slow on CPU (runtime.device is cpu)",)
    return () if gpu_count() else ("no GPU found (slow on CPU)",)


def runtime(config: Config) -> dict[str, Any]:
    """Return what every classical engine is told."""
    return {"seed": config.runtime.seed, "threads": config.runtime.threads}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A compiled network that takes so many frames at once (0: any), and why it cannot be used, or not unasked."""

    backend: str
    open: OpenNetwork
    missing: tuple[str, ...]
    caveats: tuple[str, ...] = ()
    most_frames: int = 0


def artefact(config: Config, *, model: weights.Model, variant: str, frame: GridShape, target: Target) -> Artefact:
    """Look for the compiled network of a model."""
    missing = installed("onnxruntime") if target == "onnx" else installed("tensorrt", "torch")
    compiled = artefacts.find_network(
        weights.on_disk(config.engines.compiled_path),
        model,
        variant,
        frame,
        target,
        _sha256(config, model),
        artefacts.this_machine(_gpu_index(config)) if not missing and _on_gpu(config, target) else None,
    )
    if isinstance(compiled, str):
        missing = missing or (f"cannot be loaded: {compiled}",)
        return Artefact(backend=BACKEND[target], open=unreachable, missing=missing)
    return Artefact(
        backend=BACKEND[target],
        open=lambda: _checked(compiled, config, model, target),
        missing=missing,
        caveats=_idle_gpu(config) if target == "onnx" and not missing else (),
        most_frames=max((largest[0] for _, _, largest in compiled.manifest.profiles.values()), default=0),
    )


@contextmanager
def _checked(compiled: artefacts.Found, config: Config, model: weights.Model, target: Target) -> Iterator[Network]:
    artefacts.check_content(compiled)
    if _sha256(config, model) is None:
        _refuse_stale(compiled, config, model)
    if target == "tensorrt":
        from fast_snow.engines.compiled import tensorrt_runner

        opened = tensorrt_runner.open_network(compiled.path, device=config.runtime.device)
    else:
        from fast_snow.engines.compiled import onnx_runtime

        opened = onnx_runtime.open_network(compiled.path, device=config.runtime.device, threads=config.runtime.threads)
    with opened as network:
        yield network


def unreachable() -> Any:  # noqa: ANN401 (nothing is returned)
    """Stand in for what opens an engine that has unmet requirements."""
    raise AssertionError("unreachable: engine has unmet requirements")


def _sha256(config: Config, model: weights.Model) -> str | None:
    """Return the checksum that the weights had when they were fetched; None where nobody recorded it."""
    path = _weights_file(config, model)
    recorded = weights.read(path.parent).get(path.name)
    return None if recorded is None else recorded.sha256


def _weights_file(config: Config, model: weights.Model) -> Path:
    """Return the file that holds the numbers."""
    located = weights.locate(config, model)
    return located.folder / located.files[-1]


def _refuse_stale(compiled: artefacts.Found, config: Config, model: weights.Model) -> None:
    """Refuse a network that was made from other weights than those that lie there now."""
    path, manifest = _weights_file(config, model), compiled.manifest
    if path.exists() and weights.sha256_of(path) != manifest.weights_sha256:
        raise EngineError(
            f"{compiled.path}: made from other weights than {path}; rebuild it:"
            f" {artefacts.command(model, manifest.target, manifest.frame, manifest.precision)}"
        )


def _gpu_index(config: Config) -> int:
    index = config.runtime.device.partition(":")[2]
    return int(index) if index.isdecimal() else 0


def _on_gpu(config: Config, target: Target) -> bool:
    """Tell whether a network would run on the GPU."""
    if config.runtime.device == "cpu" or not gpu_count():
        return False
    if target == "tensorrt":
        return True
    from fast_snow.engines.compiled.onnx_runtime import has_cuda

    return has_cuda()


def _idle_gpu(config: Config) -> tuple[str, ...]:
    """Return why ONNX Runtime is not taken unasked where it would leave the GPU idle."""
    if config.runtime.device == "cpu" or not gpu_count() or _on_gpu(config, "onnx"):
        return ()
    return ("this ONNX Runtime does not use the GPU: pip uninstall onnxruntime, then pip install onnxruntime-gpu",)
