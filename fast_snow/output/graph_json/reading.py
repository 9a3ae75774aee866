"""A document's text as a scene graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fast_snow.errors import InputError
from fast_snow.limits import GRAPH_FILE
from fast_snow.output.graph_json.checking import check_meaning, grid_size_of
from fast_snow.output.graph_json.columns import TrackColumns, ego_of, track_columns
from fast_snow.output.graph_json.document_schema import (
    migrate,
    require_conformance,
    require_known_version,
    require_tracks,
)
from fast_snow.output.graph_json.json_pieces import members
from fast_snow.types import DepthOrigin, Ego, Keyframe, Merge, Scale, SceneGraph, Track
from fast_snow.untrusted_files import read_pieces, shown


def read_graph(path: Path, *, within: Path | None = None) -> SceneGraph:
    """Read a graph that `write` wrote, or a document of another program.

    Args:
        path: the document, usually `OUT/4dsg.json`.
        within: the folder that the document, links followed, must not lie outside of; None allows any place.

    Returns:
        The graph; of a document that `write` wrote, the same bit for bit.

    Raises:
        InputError: the file is missing, too large, no JSON, or not a scene graph; one line names the place.

    Warns:
        FastSnowWarning: the document is the paper's plain one, which leaves much unknown.
    """
    try:
        return _read(read_pieces(path, limit=GRAPH_FILE, within=within))
    except InputError as error:
        place = "" if str(error).startswith(f"{shown(path)}: ") else f"{shown(path)}: "
        raise InputError(f"{place}{error}") from None


def loads(text: str) -> SceneGraph:
    """Return the graph of a document's text; raises as `read_graph`."""
    return _read([text])


def _read(text: Iterable[str]) -> SceneGraph:
    content: dict[str, Any] = {}
    parts: list[TrackColumns] = []
    for name, value in members(text, listed="tracks"):
        content[name] = list(_track_ids(content, value, parts)) if isinstance(value, Iterator) else value
    document = migrate(content)
    require_conformance({**document, "tracks": []} if parts else document)
    ego = ego_of(document["ego"])
    check_meaning(document, ego, parts)
    return _graph(document, ego, parts)


def _track_ids(
    content: Mapping[str, Any], tracks: Iterator[list[Any]], parts: list[TrackColumns]
) -> Iterator[Mapping[str, Any]]:
    """Check tracks as they are read and turn them into columns; yield what is left of each."""
    first = 0
    for some in tracks:
        if "metadata" in content:
            require_known_version(content)
        require_tracks(some, first)
        parts.append(track_columns(some, first))
        first += len(some)
        yield from ({name: each[name] for name in ("object_id", "source_id") if name in each} for each in some)


def _graph(document: Mapping[str, Any], ego: Ego, parts: Sequence[TrackColumns]) -> SceneGraph:
    metadata = document["metadata"]
    height, width = metadata.get("analysis_grid", (0, 0))
    return SceneGraph(
        grid_size=grid_size_of(metadata),
        analysis_grid=(int(height), int(width)),
        metric=metadata["metric"],
        depth_origin=tuple(DepthOrigin[name.upper()] for name in metadata["depth_origin"]),
        ego=ego,
        tracks=MappingProxyType({each.object_id: each for part in parts for each in _tracks(document["tracks"], part)}),
        keyframes=tuple(
            Keyframe(t=int(each["t"]), source_frame=int(each["frame_idx"]), path=each["path"])
            for each in metadata["visual_anchor"]
        ),
        merges=tuple(_merge(each) for each in metadata["merges"]),
        segments=tuple((int(first), int(last)) for first, last in metadata.get("segments", ())),
        scale=_scale(metadata["scale"]) if "scale" in metadata else None,
    )


def _scale(scale: Mapping[str, Any]) -> Scale:
    return Scale(
        metres_per_unit=float(scale["metres_per_unit"]),
        relative_sigma=float(scale["relative_sigma"]),
        statements=int(scale["statements"]),
    )


def _tracks(ids: Sequence[Mapping[str, Any]], part: TrackColumns) -> Iterator[Track]:
    placed, others = (pairwise(each.offset.tolist()) for each in (part.seen_at, part.unplaced_at))
    for k, (seen, unplaced) in enumerate(zip(placed, others, strict=True), part.seen_at.first):
        first, last = part.theta[seen[0]].tolist()
        yield Track(
            object_id=int(ids[k]["object_id"]),
            observations=part.seen[slice(*seen)],
            theta=(first, last),
            source_id=int(ids[k]["source_id"]) if "source_id" in ids[k] else None,
            unplaced=part.unplaced[slice(*unplaced)],
        )


def _merge(merge: Mapping[str, Any]) -> Merge:
    return Merge(
        t=int(merge["t"]),
        kept=int(merge["kept"]),
        dropped=None if merge["dropped"] is None else int(merge["dropped"]),
        iou=float(merge.get("iou", np.nan)),
        distance=float(merge.get("distance", np.nan)),
        gap=int(merge.get("gap", -1)),
        appearance=float(merge.get("appearance", np.nan)),
    )
