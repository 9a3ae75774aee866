"""What came of running a system over a clip once, and of all such runs; both live as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fast_snow import untrusted_json
from fast_snow.atomic_files import store
from fast_snow.errors import InputError
from fast_snow.limits import DATASET_JSON_FILE

EVALUATION = "evaluation.json"
SCHEMA_VERSION = 1
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
        metrics: by the names of `metric_definitions.MEASURES`; those that the clip's truth allows.
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

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as JSON's own types."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Every run over a manifest.

    Attributes:
        about: manifest, systems, repeats, configuration, versions, hardware, git commit (see `environment.provenance`).
        outcomes: by repeat, clip and system, in the order in which they ran.
    """

    about: Mapping[str, Any]
    outcomes: tuple[RunResult, ...]


def parse_result(values: Mapping[str, Any], where: Path) -> RunResult:
    """Read an outcome back.

    Args:
        values: as `Outcome.as_json` returns them.
        where: the file they come from, for the message.

    Raises:
        InputError: they are not an outcome's.
    """
    try:
        taken = dict(values)
        _require_kinds(taken)
        taken["frame_s"] = tuple(float(each) for each in taken["frame_s"])
        taken["notes"] = tuple(taken["notes"])
        taken["wall_s"] = float(taken["wall_s"])
        return RunResult(**taken)
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error)[:120].split())
        raise InputError(f"{where}: not a result of this version ({reason}); run the evaluation again") from error


_KINDS: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        str: ("clip", "system", "error", "graph_sha256"),
        int: ("repeat", "frames", "tracks", "observations", "peak_bytes", "peak_gpu_bytes"),
        list: ("frame_s", "notes"),
        dict: ("stage_s", "engines", "metrics"),
    }
)


def _require_kinds(values: Mapping[str, Any]) -> None:
    for kind, names in _KINDS.items():
        for name in names:
            if type(values[name]) is not kind:
                raise TypeError(f"{name} is no {kind.__name__}")
    if type(values["exhaustive"]) not in (bool, type(None)):
        raise TypeError("exhaustive is no truth value")
    numbers = (*values["stage_s"].values(), *values["metrics"].values())
    if not all(type(each) in (int, float) for each in numbers):
        raise TypeError("stage_s or metrics hold other things than numbers")
    if not all(type(each) is str for each in (*values["engines"].values(), *values["notes"])):
        raise TypeError("engines or notes hold other things than text")


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write all results to a file, which is complete or absent at any time.

    Raises:
        OutputError: the folder is missing, full or not writable.
    """
    values = {"about": dict(evaluation.about), "outcomes": [each.as_json() for each in evaluation.outcomes]}
    write_json(path, {"schema_version": SCHEMA_VERSION, **values})


def read_evaluation(path: Path) -> Evaluation:
    """Read the results of an evaluation.

    Args:
        path: its folder, or its `evaluation.json`.

    Raises:
        InputError: there are none, or they are damaged.
    """
    file = path / EVALUATION if path.is_dir() else path
    values = read_json(file)
    if values.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{file}: not the results of `fast-snow eval run` of this version; run the evaluation again")
    if not isinstance(values.get("about"), dict) or not isinstance(values.get("outcomes"), list):
        raise InputError(f"{file}: lacks `about` or `outcomes`; run the evaluation again")
    if not all(isinstance(each, dict) for each in values["outcomes"]):
        raise InputError(f"{file}: `outcomes` holds other things than objects; run the evaluation again")
    return Evaluation(about=values["about"], outcomes=tuple(parse_result(each, file) for each in values["outcomes"]))


def write_json(path: Path, values: object) -> None:
    """Write JSON to a file, which is complete or absent at any time."""
    store(path, (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing or holds none.
    """
    expected = "expected the results of `fast-snow eval run`: run the evaluation again"
    try:
        values = untrusted_json.load(path, limit=DATASET_JSON_FILE)
    except InputError as error:
        raise InputError(f"{error}; {expected}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: no JSON object, {expected}")
    return values
