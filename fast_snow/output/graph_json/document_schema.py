"""The JSON Schema of a document: older versions brought to it, whether one conforms to it, and where it does not.

The `jsonschema` package visits one value at a time and would take minutes for a clip with a million cells. A document
is read as the types of `document_types`; where that fails, `jsonschema` has the last word and says what is wrong.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import ValidationError, convert

from fast_snow import untrusted_json
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.output.graph_json.document_types import (
    Document,
    FrameEntry,
    ObservationEntry,
    SightingEntry,
    TrackEntry,
)
from fast_snow.typed_json import short

if TYPE_CHECKING:
    import jsonschema

T = TypeVar("T")
Place = tuple[str | int, ...]

_ENTRIES: Final[Mapping[str, type]] = {
    "frame": FrameEntry,
    "track": TrackEntry,
    "observation": ObservationEntry,
    "sighting": SightingEntry,
}


@cache
def _schema_text() -> str:
    return resources.files("fast_snow.output.graph_json").joinpath("4dsg.schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON Schema (Draft 2020-12) of the document."""
    loaded: dict[str, Any] = untrusted_json.loads(_schema_text())
    return loaded


def conforming(document: object) -> Document:
    """Return a document as types.

    Args:
        document: a parsed document.

    Raises:
        InputError: names the first place that does not conform to the schema, what is there and what was expected.
    """
    return _converted(document, Document, schema(), ())


def conforming_tracks(tracks: Sequence[object], first: int) -> list[TrackEntry]:
    """Return some tracks of a document, of which the first has the index `first`; raises as `conforming`."""
    node = {"$ref": "#/$defs/track"}
    return [_converted(track, TrackEntry, node, ("tracks", i)) for i, track in enumerate(tracks, first)]


def _converted(value: object, kind: type[T], node: Mapping[str, Any], path: Place) -> T:
    if isinstance(value, kind):
        return value
    if (converted := _as_type(value, kind)) is not None:
        return converted
    for refusal in _refusals(node, schema(), value, path):
        raise InputError(refusal)
    return convert(value, kind, strict=False)  # whole numbers that are written like 3.0


def _as_type(value: object, kind: type[T]) -> T | None:
    try:
        return convert(value, kind)
    except UnicodeEncodeError:
        untrusted_json.refuse_surrogates(value)
    except ValidationError:
        pass
    return None


def _refusals(node: Mapping[str, Any], root: Mapping[str, Any], value: object, path: Place) -> Iterator[str]:
    """Yield what `jsonschema` says of a value and of what is in it; what reads as a type is passed over at once."""
    name = node.get("$ref", "").removeprefix("#/$defs/")
    if name in _ENTRIES and _as_type(value, _ENTRIES[name]) is not None:
        return
    node = root["$defs"][name] if name else node
    yield from _own_refusals(node, value, path)
    if isinstance(value, dict):
        for name, child in node.get("properties", {}).items():
            if name in value:
                yield from _refusals(child, root, value[name], (*path, name))
    elif isinstance(value, list) and "items" in node:
        for i, each in enumerate(value):
            yield from _refusals(node["items"], root, each, (*path, i))


def _own_refusals(node: Mapping[str, Any], value: object, path: Place) -> Iterator[str]:
    import jsonschema  # slow to load: only where something is wrong

    if isinstance(value, float) and not math.isfinite(value):
        yield f"{json_path(path)}: got {value}, expected a finite number"
    own_rules = {name: rule for name, rule in node.items() if name not in ("properties", "items")}
    for error in jsonschema.Draft202012Validator(own_rules).iter_errors(value):
        yield _explain(error, path)


def _explain(error: "jsonschema.ValidationError", steps: Place) -> str:
    path = json_path(steps)
    wanted: Any = error.validator_value
    if error.validator == "required":
        present: Any = error.instance
        missing = next(name for name in wanted if name not in present)
        return f"{path or 'document'}: has no {missing!r}, expected one"
    expected = {
        "type": f"{wanted}",
        "minimum": f"at least {wanted}",
        "maximum": f"at most {wanted}",
        "minItems": f"at least {wanted} entries",
        "maxItems": f"at most {wanted} entries",
        "enum": f"one of {wanted}",
        "maxLength": f"at most {wanted} characters",
        "pattern": f"text that matches {wanted}",
    }
    return f"{path or 'document'}: got {short(error.instance)}, expected {expected.get(str(error.validator), wanted)}"


def json_path(steps: Place) -> str:
    """Return a place in a document as text, such as `tracks[3].F_k[0].t`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def migrate(document: object) -> dict[str, Any]:
    """Bring a document to the present version.

    A document without a version is the paper's plain one. What it does not say stays unknown: in the graph, NaN for
    times, orientations, intrinsics and scores, -1 for source frames and numbers of points.

    Args:
        document: a parsed document; it is not changed.

    Returns:
        A document of version `SCHEMA_VERSION`, not yet checked.

    Raises:
        InputError: not a scene graph, or of a version that this program does not know.

    Warns:
        FastSnowWarning: the document has no version.
    """
    version = require_known_version(document)
    assert isinstance(document, Mapping)
    migrated = dict(document)
    for step in _STEPS[version:]:
        migrated = step(migrated)
    return migrated


def require_known_version(document: object) -> int:
    """Return the version of a document; raises as `migrate`."""
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(metadata, Mapping):
        raise InputError("metadata: missing, expected a 4D scene graph, an object of metadata, ego and tracks")
    version = metadata.get("schema_version", 0)
    if type(version) is not int or not 0 <= version <= SCHEMA_VERSION:
        raise InputError(
            f"metadata.schema_version: got {str(version)[:40]}, expected at most {SCHEMA_VERSION}; update fast-snow"
        )
    return version


def _from_paper(document: Mapping[str, Any]) -> dict[str, Any]:
    warnings.warn(
        "4dsg: no metadata.schema_version, read as the paper's plain document: "
        "camera orientation, intrinsics and times are unknown",
        FastSnowWarning,
        stacklevel=4,
    )
    metadata = {"metric": False, "depth_origin": [], "visual_anchor": [], "merges": []} | deepcopy(document["metadata"])
    metadata["schema_version"] = 1
    for count, entries in (("num_frames", document.get("ego")), ("num_tracks", document.get("tracks"))):
        if isinstance(entries, list):
            metadata.setdefault(count, len(entries))
    if isinstance(metadata["visual_anchor"], list):
        metadata["visual_anchor"] = [_dated(anchor) for anchor in metadata["visual_anchor"]]
    return {**document, "metadata": metadata}


def _dated(anchor: object) -> object:
    """Say of an anchor which frame of the clip it shows: in the paper's document the clip is the input."""
    if isinstance(anchor, dict) and "frame_idx" in anchor:
        return {"t": anchor["frame_idx"], **anchor}
    return anchor


_STEPS: Final[tuple[Callable[[Mapping[str, Any]], dict[str, Any]], ...]] = (_from_paper,)
"""The step at index `v` turns version `v` into `v + 1`; version 0 is the paper's."""

SCHEMA_VERSION: Final = len(_STEPS)
"""The version that is written, and the newest that is read."""
