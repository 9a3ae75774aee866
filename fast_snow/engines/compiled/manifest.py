"""What is written beside a compiled network: what it was made from, for which machine, and how well it agrees."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fast_snow import untrusted_json
from fast_snow.engines.compiled.json_fields import Fields
from fast_snow.errors import EngineError, InputError
from fast_snow.limits import SMALL_JSON_FILE
from fast_snow.untrusted_files import open_file

FORMAT_VERSION = 1
TARGETS = ("onnx", "tensorrt")
PRECISIONS = ("fp32", "fp16")
_PIECE_BYTES = 1 << 20

Axis = int | str
Sizes = tuple[int, ...]
Profile = tuple[Sizes, Sizes, Sizes]
"""Smallest, usual and largest sizes of one input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A file as it was when it was written.

    Attributes:
        name: without folder; the file stands beside the manifest.
        size_bytes: its length.
        sha256: of its content, in hexadecimal.
    """

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """One input or output; an axis of free size has a name instead of a size."""

    name: str
    dtype: str
    shape: tuple[Axis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Absolute difference from torch over all elements of one output."""

    largest: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOrigin:
    """Where a TensorRT engine was built, which is where it runs.

    Attributes:
        gpu: name of the GPU.
        compute_capability: like `9.0`.
        tensorrt: version.
        onnx: the file it was built from.
    """

    gpu: str
    compute_capability: str
    tensorrt: str
    onnx: FileRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that must be known of a compiled network before it is loaded.

    Attributes:
        model: `fastsam` or `da3`.
        variant: like `FastSAM-s` or `da3-small`.
        target: `onnx` or `tensorrt`.
        precision: `fp32` or `fp16`.
        frame: height and width of the network's input.
        opset: of ONNX.
        inputs: in the network's order.
        outputs: in the network's order.
        profiles: sizes that a TensorRT engine is tuned for, by input.
        weights_sha256: of the weights it was made from.
        packages: versions of the packages that made it.
        tolerance: the largest allowed difference from torch, by output.
        parity: the measured difference from torch, by output.
        artefact: the network's file.
        external: files of its weights, where they are not in the network's file.
        origin: of a TensorRT engine; None for ONNX, which runs anywhere.
    """

    model: str
    variant: str
    target: str
    precision: str
    frame: tuple[int, int]
    opset: int
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    profiles: Mapping[str, Profile]
    weights_sha256: str
    packages: Mapping[str, str]
    tolerance: Mapping[str, float]
    parity: Mapping[str, Agreement]
    artefact: FileRecord
    external: tuple[FileRecord, ...] = ()
    origin: EngineOrigin | None = None


def path_beside(artefact: Path) -> Path:
    """Return where the manifest of an artefact stands."""
    return artefact.with_name(artefact.name + ".json")


def record_of(path: Path) -> FileRecord:
    """Return the record of a file as it is now.

    Raises:
        InputError: it is missing or no regular file.
    """
    digest = hashlib.sha256()
    with open_file(path) as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return FileRecord(name=path.name, size_bytes=path.stat().st_size, sha256=digest.hexdigest())


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest: the file is complete or as it was before.

    Args:
        manifest: what to write.
        path: of the JSON file.
    """
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(manifest)}, indent=1, allow_nan=False)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text + "\n", encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read(path: Path) -> Manifest:
    """Read and check a manifest; nothing in the file is trusted.

    Args:
        path: of the JSON file.

    Returns:
        The manifest.

    Raises:
        EngineError: it cannot be read, is of another format version, or a field is missing or not what it must be.
    """
    try:
        content = untrusted_json.load(path, limit=SMALL_JSON_FILE)
    except InputError as error:
        raise EngineError(f"not a readable manifest of a compiled network: {error}") from None
    fields = Fields(content, str(path))
    version = fields.integer("format_version", low=0)
    if version != FORMAT_VERSION:
        raise EngineError(f"{path}: format version {version}, this version of fast-snow reads {FORMAT_VERSION}")
    return _manifest(fields)


def _manifest(fields: Fields) -> Manifest:
    height, width = fields.sizes("frame", length=2)
    return Manifest(
        model=fields.text("model"),
        variant=fields.text("variant"),
        target=fields.one_of("target", TARGETS),
        precision=fields.one_of("precision", PRECISIONS),
        frame=(height, width),
        opset=fields.integer("opset", low=1),
        inputs=tuple(_tensor(each) for each in fields.items("inputs")),
        outputs=tuple(_tensor(each) for each in fields.items("outputs")),
        profiles={name: _profile(fields.part("profiles"), name) for name in fields.part("profiles").names()},
        weights_sha256=fields.sha256("weights_sha256"),
        packages={name: fields.part("packages").text(name) for name in fields.part("packages").names()},
        tolerance={name: fields.part("tolerance").measure(name) for name in fields.part("tolerance").names()},
        parity={name: _agreement(fields.part("parity").part(name)) for name in fields.part("parity").names()},
        artefact=_file(fields.part("artefact")),
        external=tuple(_file(each) for each in fields.items("external")),
        origin=None if fields.absent("origin") else _origin(fields.part("origin")),
    )


def _tensor(fields: Fields) -> TensorRecord:
    return TensorRecord(name=fields.text("name"), dtype=fields.text("dtype"), shape=fields.axes("shape"))


def _profile(fields: Fields, name: str) -> Profile:
    smallest, usual, largest = fields.rows(name, count=3)
    return smallest, usual, largest


def _agreement(fields: Fields) -> Agreement:
    return Agreement(largest=fields.measure("largest"), mean=fields.measure("mean"))


def _file(fields: Fields) -> FileRecord:
    return FileRecord(
        name=fields.file_name("name"), size_bytes=fields.integer("size_bytes", low=0), sha256=fields.sha256("sha256")
    )


def _origin(fields: Fields) -> EngineOrigin:
    return EngineOrigin(
        gpu=fields.text("gpu"),
        compute_capability=fields.text("compute_capability"),
        tensorrt=fields.text("tensorrt"),
        onnx=_file(fields.part("onnx")),
    )
