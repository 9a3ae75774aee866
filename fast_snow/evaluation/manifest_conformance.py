"""Whether a manifest conforms to its JSON Schema, and where it does not."""

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jsonschema

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.output.graph_json.conformance import json_path, short


@cache
def _schema_text() -> str:
    return resources.files("fast_snow.evaluation").joinpath("manifest.schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON Schema (Draft 2020-12) of a manifest."""
    loaded: dict[str, Any] = untrusted_json.loads(_schema_text())
    return loaded


def require_conformance(content: object, path: Path) -> None:
    """Check a manifest against the schema.

    Args:
        content: what the file holds.
        path: of the file.

    Raises:
        InputError: names the first place that does not conform, what is there and what was expected.
    """
    error = next(jsonschema.Draft202012Validator(schema()).iter_errors(content), None)
    if error is not None:
        raise InputError(f"{path}: {_explain(error)}")


def _explain(error: jsonschema.ValidationError) -> str:
    path = json_path(error.absolute_path) or "manifest"
    instance: Any = error.instance
    wanted: Any = error.validator_value
    rule: Any = error.schema
    if error.validator == "required":
        missing = next(name for name in wanted if name not in instance)
        return f"{path}: has no {missing!r}, expected one"
    if error.validator == "additionalProperties":
        known = list(rule["properties"])
        unknown = next(name for name in instance if name not in known)
        near = difflib.get_close_matches(unknown, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(known)}"
        return f"{path}: has {short(unknown)}; {hint}"
    return f"{path}: got {short(instance)}, expected {_EXPECTED[str(error.validator)].format(wanted)}"


_EXPECTED: Final[Mapping[str, str]] = {
    "type": "{}",
    "enum": "one of {}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "text that matches {}",
}
