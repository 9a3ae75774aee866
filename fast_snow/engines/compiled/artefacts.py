"""Which compiled network can be used on this machine, and why others cannot."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fast_snow.engines import hardware
from fast_snow.engines.compiled import manifest as manifests
from fast_snow.engines.compiled.manifest import FileRecord, Manifest
from fast_snow.errors import EngineError, InputError

_SUFFIXES = {"onnx": ".onnx", "tensorrt": ".engine"}
_DISTRIBUTIONS = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a TensorRT engine is bound to; the version of TensorRT is None where it is not installed."""

    gpu: str
    compute_capability: str
    tensorrt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A compiled network that may be loaded; `check` it before."""

    path: Path
    manifest: Manifest


def tensorrt_version() -> str | None:
    """Return the version of the installed TensorRT without importing it; None where there is none."""
    for name in _DISTRIBUTIONS:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def this_machine(index: int = 0) -> Machine | None:
    """Return what engines are bound to on a GPU of this machine; None where there is no such GPU."""
    found = hardware.gpus()
    if index >= len(found):
        return None
    gpu = found[index]
    return Machine(gpu=gpu.name, compute_capability=gpu.compute_capability, tensorrt=tensorrt_version())


def path_of(folder: Path, variant: str, frame: tuple[int, int], precision: str, target: str) -> Path:
    """Return where a compiled network stands, like `folder/da3-small_280x504_fp16.onnx`."""
    height, width = frame
    name = _NOT_IN_A_NAME.sub("-", variant)
    return folder / f"{name}_{height}x{width}_{precision}{_SUFFIXES[target]}"


def command(model: str, target: str, frame: tuple[int, int], precision: str | None = None) -> str:
    """Return the command that makes a compiled network."""
    wanted = "" if precision is None else f" --precision {precision}"
    return f"fast-snow export-engines --model {model} --target {target} --shape {frame[0]}x{frame[1]}{wanted}"


def find_network(
    folder: Path,
    model: str,
    variant: str,
    frame: tuple[int, int],
    target: str,
    weights_sha256: str | None,
    machine: Machine | None,
) -> Found | str:
    """Find the best compiled network for a machine; else say why there is none, and the command that makes one.

    Half precision comes first on a GPU, full precision on a CPU. Files are compared by size only; `check` compares
    their content. `weights_sha256` is that of the weights that would be loaded otherwise; None if there are none to
    compare with. A machine of None runs on its CPU.
    """
    if target == "tensorrt" and (machine is None or machine.tensorrt is None):
        return "no NVIDIA GPU found" if machine is None else 'needs TensorRT: uv pip install -e ".[gpu]"'
    reasons = []
    for precision in ("fp16", "fp32") if machine else ("fp32", "fp16"):
        path = path_of(folder, variant, frame, precision, target)
        if not path.exists() and not manifests.path_beside(path).exists():
            continue
        try:
            return _usable(path, model, target, frame, precision, weights_sha256, machine)
        except EngineError as error:
            reasons.append(f"{error}; rebuild it: {command(model, target, frame, precision)} --force")
    if reasons:
        return "; ".join(reasons)
    height, width = frame
    return f"no {target} network of {variant} for {height}x{width} in {folder}: {command(model, target, frame)}"


def check_content(found: Found) -> None:
    """Compare the content of a found network with what its manifest recorded.

    Raises:
        EngineError: a file is missing or has changed.
    """
    manifest = found.manifest
    again = f"{command(manifest.model, manifest.target, manifest.frame, manifest.precision)} --force"
    for record in (manifest.artefact, *manifest.external):
        path = found.path.with_name(record.name)
        try:
            current = manifests.record_of(path)
        except InputError as error:
            raise EngineError(f"{error}; rebuild it: {again}") from None
        if current != record:
            raise EngineError(f"{path}: damaged, its SHA-256 is not the one of its manifest; rebuild it: {again}")


def _usable(
    path: Path,
    model: str,
    target: str,
    frame: tuple[int, int],
    precision: str,
    weights_sha256: str | None,
    machine: Machine | None,
) -> Found:
    """Return a network whose manifest fits; raise `EngineError` where it does not."""
    manifest = manifests.read_manifest(manifests.path_beside(path))
    got = (manifest.model, manifest.target, manifest.frame, manifest.precision)
    if got != (model, target, frame, precision) or manifest.artefact.name != path.name:
        raise EngineError(f"{path}: its manifest is of another network, {manifest.artefact.name}")
    if weights_sha256 is not None and manifest.weights_sha256 != weights_sha256:
        raise EngineError(
            f"{path}: made from other weights ({manifest.weights_sha256[:12]}, these are {weights_sha256[:12]})"
        )
    if target == "tensorrt" and machine is not None:
        _refuse_foreign(manifest, path, machine)
    for record in (manifest.artefact, *manifest.external):
        _refuse_other_size(path.with_name(record.name), record)
    return Found(path=path, manifest=manifest)


def _refuse_foreign(manifest: Manifest, path: Path, machine: Machine) -> None:
    origin = manifest.origin
    if origin is None:
        raise EngineError(f"{path}: its manifest does not say for which GPU it was built")
    if origin.compute_capability != machine.compute_capability:
        raise EngineError(
            f"{path}: built for {origin.gpu} (compute capability {origin.compute_capability}),"
            f" this is {machine.gpu} ({machine.compute_capability})"
        )
    if origin.tensorrt != machine.tensorrt:
        raise EngineError(f"{path}: built by TensorRT {origin.tensorrt}, installed is {machine.tensorrt}")


def _refuse_other_size(path: Path, record: FileRecord) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise EngineError(f"{path}: {error.strerror}") from None
    if size != record.size_bytes:
        raise EngineError(f"{path}: damaged, {size} bytes where its manifest records {record.size_bytes}")
