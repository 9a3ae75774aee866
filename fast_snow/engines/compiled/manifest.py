"""What is written beside a compiled network: what it was made from, for which machine, and how well it agrees."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from fast_snow import untrusted_json
from fast_snow.atomic_files import store
from fast_snow.errors import EngineError, InputError
from fast_snow.limits import SMALL_JSON_FILE
from fast_snow.typed_json import Check, Sha256, at_least, build_dataclass, in_range, short
from fast_snow.weights.record import sha256_of

FORMAT_VERSION = 2
TARGETS = ("onnx", "tensorrt")
PRECISIONS = ("fp32", "fp16")


def _is_line(value: str) -> bool:
    return value != "" and value.isprintable()


def _names_file(value: str) -> bool:
    return _is_line(value) and value not in (".", "..") and not set(value) & set("/\\:")


_Line = Annotated[str, Check(_is_line, "one line of text")]
_FileName = Annotated[str, Check(_names_file, "a file name without a folder")]
_Size = Annotated[int, in_range(1, 2**62)]
_Difference = Annotated[float, at_least(0)]
Axis = Annotated[int, in_range(0, 2**62)] | _Line
Sizes = tuple[_Size, ...]
Profile = Annotated[
    tuple[Sizes, Sizes, Sizes], Check(lambda sizes: len(set(map(len, sizes))) == 1, "3 lists of sizes of one length")
]
"""Smallest, usual and largest sizes of one input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A file as it was when it was written; it stands beside the manifest, and its name is without folder."""

    name: _FileName
    size_bytes: Annotated[int, in_range(0, 2**62)]
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """One input or output; an axis of free size has a name instead of a size."""

    name: _Line
    dtype: _Line
    shape: tuple[Axis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far an output's elements may be from torch's value `x`: `absolute + relative * |x|`."""

    absolute: _Difference
    relative: _Difference = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Difference from torch over all elements of one output: largest and mean, absolute.

    `worst` is the largest as a share of what its element's tolerance allows; at most 1.
    """

    largest: _Difference
    mean: _Difference
    worst: _Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOrigin:
    """Where a TensorRT engine was built, which is where it runs, and the ONNX file that it was built from."""

    gpu: _Line
    compute_capability: _Line
    tensorrt: _Line
    onnx: FileRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that must be known of a compiled network before it is loaded.

    Names are like `da3` and `da3-small`, the frame is the size of the network's input. Profiles are the sizes that a
    TensorRT engine is tuned for, tolerance and parity the allowed and the measured difference from torch. Weights may
    be in files beside the network's; ONNX, which runs anywhere, has no origin.
    """

    model: _Line
    variant: _Line
    target: Annotated[str, Check(TARGETS.__contains__, " or ".join(TARGETS))]
    precision: Annotated[str, Check(PRECISIONS.__contains__, " or ".join(PRECISIONS))]
    frame: tuple[_Size, _Size]
    opset: Annotated[int, at_least(1)]
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    profiles: Mapping[_Line, Profile]
    weights_sha256: Sha256
    packages: Mapping[_Line, _Line]
    tolerance: Mapping[_Line, Tolerance]
    parity: Mapping[_Line, Agreement]
    artefact: FileRecord
    external: tuple[FileRecord, ...] = ()
    origin: EngineOrigin | None = None


def path_beside(artefact: Path) -> Path:
    """Return where the manifest of an artefact stands."""
    return artefact.with_name(artefact.name + ".json")


def record_of(path: Path) -> FileRecord:
    """Return the record of a file as it is now; raises InputError where it is missing or no regular file."""
    sha256 = sha256_of(path)
    return FileRecord(name=path.name, size_bytes=path.stat().st_size, sha256=sha256)


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest as JSON: the file is complete or as it was before."""
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(manifest)}, indent=1, allow_nan=False)
    store(path, f"{text}\n".encode())


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest; nothing in the file is trusted.

    Raises:
        EngineError: it cannot be read, is of another format version, or a field is missing or not what it must be.
    """
    try:
        content = untrusted_json.load(path, limit=SMALL_JSON_FILE)
        if isinstance(content, dict):
            version = content.pop("format_version", None)
            if version != FORMAT_VERSION:
                found = f"{path}: format version {short(version)}"
                raise InputError(f"{found}, this version of fast-snow reads {FORMAT_VERSION}")
        return build_dataclass(Manifest, content, str(path), complete=True)
    except InputError as error:
        raise EngineError(f"not a readable manifest of a compiled network: {error}") from None
