"""Compiles networks: ONNX, and TensorRT engines from it; each is checked against torch before it counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from fast_snow.engines.compiled import artefacts, onnx_runtime
from fast_snow.engines.compiled import manifest as manifests
from fast_snow.engines.compiled.manifest import EngineOrigin, Manifest, TensorRecord
from fast_snow.engines.compiled.network import Network
from fast_snow.errors import EngineError
from fast_snow.export import parity
from fast_snow.export.exportable import Exportable, ExportSpec
from fast_snow.export.parity import Parity
from fast_snow.export.staging import put_in_place, staging
from fast_snow.export.tensorrt_engine import TensorRt
from fast_snow.protocols import Progress, silent
from fast_snow.typed_json import members

FEW = (1, 2)
"""Frames at which every network is compared with torch."""
_TIMING_CACHE = "tensorrt_timing.cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A compiled network in its place, its manifest beside it; `up_to_date` if nothing had to be done."""

    path: Path
    manifest: Manifest
    up_to_date: bool


def export_engines(
    exportables: Iterable[Exportable],
    folder: Path,
    *,
    tensorrt: TensorRt | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> tuple[Exported, ...]:
    """Compile networks; each artefact is complete or, where anything fails, as it was before.

    Answers are compared with torch's for one frame and two, those of engines also for as many as they take. Models are
    taken one after the other, so that a generator holds one at a time. With `tensorrt` an engine is built from each
    ONNX file as well.

    Raises:
        EngineError: a network could not be written, or differs too much from torch.
        OutputError: the folder cannot be written.
    """
    exported: list[Exported] = []
    for model in exportables:
        graph = _export_onnx(model, folder, force, progress)
        exported.append(graph)
        if tensorrt is not None:
            exported.append(_export_engine(model, graph, tensorrt, force, progress))
    return tuple(exported)


def _export_onnx(model: Exportable, folder: Path, force: bool, progress: Progress) -> Exported:
    spec = model.spec
    path = artefacts.path_of(folder, spec.variant, spec.frame, spec.precision, "onnx")
    found = None if force else _up_to_date(path, spec)
    if found is not None:
        return Exported(path=path, manifest=found, up_to_date=True)
    with staging(folder) as temporary:
        staged = temporary / path.name
        progress(f"writing {path.name}", 0, 3)
        model.write(staged)
        _check_graph(staged)
        progress(f"comparing {path.name} with torch", 1, 3)
        with onnx_runtime.open_network(staged) as network:
            measured = _compare(network, model, path.name, FEW)
        progress(f"recording {path.name}", 2, 3)
        files = [staged, *sorted(each for each in temporary.iterdir() if each != staged)]
        manifest = _manifest(spec, files, measured, _tensors(staged), target="onnx", origin=None)
        put_in_place(files, manifest, folder)
    progress(f"wrote {path.name}", 3, 3)
    return Exported(path=path, manifest=manifest, up_to_date=False)


def _export_engine(model: Exportable, graph: Exported, tensorrt: TensorRt, force: bool, progress: Progress) -> Exported:
    spec, folder, machine = model.spec, graph.path.parent, tensorrt.machine
    path = artefacts.path_of(folder, spec.variant, spec.frame, spec.precision, "tensorrt")
    origin = EngineOrigin(
        gpu=machine.gpu,
        compute_capability=machine.compute_capability,
        tensorrt=machine.tensorrt or "unknown",
        onnx=graph.manifest.artefact,
    )
    found = None if force else _up_to_date(path, spec)
    if found is not None and found.origin == origin:
        return Exported(path=path, manifest=found, up_to_date=True)
    with staging(folder) as temporary:
        staged = temporary / path.name
        tensorrt.build(graph.path, staged, spec.profiles, folder / _TIMING_CACHE, progress)
        progress(f"comparing {path.name} with torch", 0, 1)
        with tensorrt.open_network(staged) as network:
            measured = _compare(network, model, path.name, (*FEW, _most(model)))
        tensors = (graph.manifest.inputs, graph.manifest.outputs)
        manifest = _manifest(spec, [staged], measured, tensors, target="tensorrt", origin=origin)
        put_in_place([staged], manifest, folder)
    progress(f"wrote {path.name}", 1, 1)
    return Exported(path=path, manifest=manifest, up_to_date=False)


def _up_to_date(path: Path, spec: ExportSpec) -> Manifest | None:
    """Return the manifest of what is there, if it is whole and was made from the same; None otherwise."""
    try:
        manifest = manifests.read_manifest(manifests.path_beside(path))
        artefacts.check_content(artefacts.Found(path=path, manifest=manifest))
    except EngineError:
        return None
    same = all(getattr(manifest, name) == value for name, value in members(spec).items())
    return manifest if same else None


def _check_graph(path: Path) -> None:
    if not path.is_file():
        raise EngineError(f"{path.name}: the exporter wrote no file")
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise EngineError(
            f"{path.name}: the exporter wrote invalid ONNX ({' '.join(str(error).split())[:300]})"
        ) from None


def _compare(network: Network, model: Exportable, name: str, frames: Sequence[int]) -> Parity:
    counts = sorted({min(each, _most(model)) for each in frames})
    tolerance = model.spec.tolerance
    try:
        measured = parity.compare(network, model.reference, model.sample, tolerance, counts)
    except EngineError as error:
        raise EngineError(f"{name}: {error}") from None
    except MemoryError as error:
        raise EngineError(f"{name}: cannot be compared with torch: {error}") from None
    parity.require(measured, tolerance, name)
    return measured


def _most(model: Exportable) -> int:
    """Return how many frames the network's profiles take at once."""
    return min(profile.largest[0] for profile in model.spec.profiles.values())


def _tensors(path: Path) -> tuple[tuple[TensorRecord, ...], tuple[TensorRecord, ...]]:
    graph = onnx.load(str(path), load_external_data=False).graph
    constant = {each.name for each in graph.initializer}
    inputs = tuple(_tensor(each) for each in graph.input if each.name not in constant)
    return inputs, tuple(_tensor(each) for each in graph.output)


def _tensor(value: Any) -> TensorRecord:  # noqa: ANN401 (protobuf)
    kind = value.type.tensor_type
    return TensorRecord(
        name=value.name,
        dtype=onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        shape=tuple(
            each.dim_value if each.HasField("dim_value") else each.dim_param or f"axis_{i}"
            for i, each in enumerate(kind.shape.dim)
        ),
    )


def _manifest(
    spec: ExportSpec,
    files: Sequence[Path],
    measured: Parity,
    tensors: tuple[tuple[TensorRecord, ...], tuple[TensorRecord, ...]],
    *,
    target: str,
    origin: EngineOrigin | None,
) -> Manifest:
    artefact, *external = (manifests.record_of(each) for each in files)
    return Manifest(
        **members(spec),
        target=target,
        inputs=tensors[0],
        outputs=tensors[1],
        parity=dict(measured.outputs),
        artefact=artefact,
        external=tuple(external),
        origin=origin,
    )
