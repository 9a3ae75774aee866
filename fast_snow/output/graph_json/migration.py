"""Documents of older versions as documents of the present one."""

import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from fast_snow.errors import FastSnowWarning, InputError


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
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(metadata, Mapping):
        raise InputError("metadata: missing, expected a 4D scene graph, an object of metadata, ego and tracks")
    version = metadata.get("schema_version", 0)
    if type(version) is not int or not 0 <= version <= SCHEMA_VERSION:
        raise InputError(
            f"metadata.schema_version: got {str(version)[:40]}, expected at most {SCHEMA_VERSION}; update fast-snow"
        )
    migrated = dict(document)
    for step in _STEPS[version:]:
        migrated = step(migrated)
    return migrated


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
