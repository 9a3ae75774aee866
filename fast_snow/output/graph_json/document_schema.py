"""The JSON Schema of a document: older versions brought to it, whether one conforms to it, and where it does not.

The `jsonschema` package visits one value at a time and would take minutes for a clip with a million cells. `conforms`
reads the same schema, but visits all values at one place of it (say, every `row` of every cell) together. It knows only
the keywords that the schema uses. Where it objects, `jsonschema` has the last word and says what is wrong.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import resources
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from fast_snow import untrusted_json
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.typed_json import short

if TYPE_CHECKING:
    from jsonschema import ValidationError

_TYPES: Final[Mapping[str, frozenset[type]]] = {
    "object": frozenset({dict}),
    "array": frozenset({list}),
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "null": frozenset({type(None)}),
}


@cache
def _schema_text() -> str:
    return resources.files("fast_snow.output.graph_json").joinpath("4dsg.schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON Schema (Draft 2020-12) of the document."""
    loaded: dict[str, Any] = untrusted_json.loads(_schema_text())
    return loaded


def require_conformance(document: object) -> None:
    """Check a document against the schema.

    Args:
        document: a parsed document.

    Raises:
        InputError: names the first place that does not conform, what is there and what was expected.
    """
    root = schema()
    for refusal in _refusals(root, root, document, ()):
        raise InputError(refusal)


def require_tracks(tracks: Sequence[object], first: int) -> None:
    """Check some tracks of a document, of which the first has the index `first`; raises as `require_conformance`."""
    root = schema()
    node = root["properties"]["tracks"]["items"]
    if not conforms(node, root, tracks):
        for i, track in enumerate(tracks, first):
            for refusal in _refusals(node, root, track, ("tracks", i)):
                raise InputError(refusal)


def _refusals(
    node: Mapping[str, Any], root: Mapping[str, Any], value: object, path: tuple[str | int, ...]
) -> Iterator[str]:
    """Yield what `jsonschema` says of a value and of what is in it, where `conforms` objects."""
    if conforms(node, root, [value]):
        return
    node = _resolved(node, root)
    own_rules = {name: rule for name, rule in node.items() if name not in ("properties", "items")}
    import jsonschema  # slow to load: only where something is wrong

    for error in jsonschema.Draft202012Validator(own_rules).iter_errors(value):
        yield _explain(error, path)
    if isinstance(value, dict):
        for name, child in node.get("properties", {}).items():
            if name in value:
                yield from _refusals(child, root, value[name], (*path, name))
    elif isinstance(value, list) and "items" in node:
        for i, each in enumerate(value):
            yield from _refusals(node["items"], root, each, (*path, i))


def conforms(node: Mapping[str, Any], root: Mapping[str, Any], values: Sequence[Any]) -> bool:
    """Return whether all `values` conform to one node of a schema; may be stricter than the schema, never laxer.

    Args:
        node: the schema that each of `values` must conform to.
        root: the whole schema, for references.
        values: what stands in a document at the place that `node` describes.
    """
    if not values:
        return True
    node = _resolved(node, root)
    names = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if not set(map(type, values)) <= frozenset().union(*(_TYPES[name] for name in names)):
        return False
    present = [value for value in values if value is not None] if "null" in names else values
    return not present or all(_KEYWORDS[keyword](node, root, present) for keyword in node if keyword in _KEYWORDS)


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    return root["$defs"][node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node


def _properties(node: Mapping[str, Any], root: Mapping[str, Any], values: Sequence[dict[str, Any]]) -> bool:
    return all(
        conforms(child, root, [value[name] for value in values if name in value])
        for name, child in node["properties"].items()
    )


def _required(node: Mapping[str, Any], _: object, values: Sequence[dict[str, Any]]) -> bool:
    wanted = set(node["required"])
    return all(wanted <= value.keys() for value in values)


_Check = Callable[[Mapping[str, Any], Mapping[str, Any], Sequence[Any]], bool]
_KEYWORDS: Final[Mapping[str, _Check]] = {
    "properties": _properties,
    "required": _required,
    "items": lambda node, root, values: conforms(node["items"], root, list(chain.from_iterable(values))),
    "minItems": lambda node, _, values: min(map(len, values)) >= node["minItems"],
    "maxItems": lambda node, _, values: max(map(len, values)) <= node["maxItems"],
    "minimum": lambda node, _, values: min(values) >= node["minimum"],
    "maximum": lambda node, _, values: max(values) <= node["maximum"],
    "enum": lambda node, _, values: set(values) <= set(node["enum"]),
    "maxLength": lambda node, _, values: max(map(len, values)) <= node["maxLength"],
    "pattern": lambda node, _, values: all(re.search(node["pattern"], value) for value in set(values)),
}


def _explain(error: "ValidationError", steps: Sequence[str | int]) -> str:
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


def json_path(steps: Sequence[str | int]) -> str:
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
