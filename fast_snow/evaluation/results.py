"""Results of single runs and of whole evaluations, and how they are stored."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from fast_snow import untrusted_json
from fast_snow.atomic_files import store
from fast_snow.errors import InputError, OutputError
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import build_dataclass, members
from fast_snow.untrusted_files import shown

EVALUATION = "evaluation.json"
_T = TypeVar("_T")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One system, run over one clip once.

    Attributes:
        clip: its name.
        system: its name.
        repeat: which of the repeats, from 0.
        error: why the run or its scoring failed, in one line; empty where it did not.
        frames: of the clip, after sampling.
        tracks: objects in the graph.
        observations: STEP tokens in the graph.
        wall_s: from the first frame asked for to the finished graph.
        frame_s: for each frame, how long after the frame before it was done.
        stage_s: wall time per stage.
        peak_bytes: the most resident memory while it ran, what the process held before included.
        peak_gpu_bytes: the most GPU memory that torch held; 0 without one.
        graph_sha256: of the graph's document: repeats with the same are the same, bit for bit.
        engines: by slot.
        metrics: by the names of `metric_definitions.METRICS`; those that the clip's truth allows.
        exhaustive: whether the truth has every object; None where it has no objects.
        notes: what was worked around, and why a metric is not there.
    """

    clip: str
    system: str
    repeat: int
    error: str = ""
    frames: int = 0
    tracks: int = 0
    observations: int = 0
    wall_s: float = 0.0
    frame_s: tuple[float, ...] = ()
    stage_s: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    peak_bytes: int = 0
    peak_gpu_bytes: int = 0
    graph_sha256: str = ""
    engines: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    metrics: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    exhaustive: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All results, by repeat, clip and system as they ran, and what they were made with (`environment.provenance`)."""

    about: Mapping[str, Any]
    outcomes: tuple[RunResult, ...]
    schema_version: Literal[1] = 1


def read_result(kind: type[_T], path: Path) -> _T:
    """Read a `RunResult` or an `Evaluation` back from its file.

    Raises:
        InputError: the file is missing, or holds none.
    """
    values = read_json(path)
    try:
        return build_dataclass(kind, values, shown(path), complete=True)
    except InputError as error:
        raise InputError(f"{error}; not a result of this version: run the evaluation again") from None


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write all results to a file, which is complete or absent at any time.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    outcomes = [members(each) for each in evaluation.outcomes]
    about = dict(evaluation.about)
    write_json(path, {"schema_version": evaluation.schema_version, "about": about, "outcomes": outcomes})


def read_evaluation(path: Path) -> Evaluation:
    """Read the results of an evaluation, of which `path` is the folder or the `evaluation.json`.

    Raises:
        InputError: there are none, or they are damaged.
    """
    file = path / EVALUATION if path.is_dir() else path
    return read_result(Evaluation, file)


def make_folder(folder: Path) -> None:
    """Make a folder for results; raises OutputError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder with -o") from error


def write_json(path: Path, values: object) -> None:
    """Write JSON to a file, which is complete or absent at any time."""
    store(path, (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises InputError where the file is missing or holds none."""
    expected = "expected the results of `fast-snow eval run`: run the evaluation again"
    try:
        values = untrusted_json.load(path, limit=DATASET_JSON_FILE)
    except InputError as error:
        raise InputError(f"{error}; {expected}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: no JSON object, {expected}")
    return values


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV; a field is empty where it is None."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()


def file_identity(path: Path) -> dict[str, str]:
    """Return the name and digest of a file that results depend on."""
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
