"""A document's text as a scene graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec.json import Decoder
from msgspec.structs import asdict

from fast_snow.errors import InputError
from fast_snow.limits import GRAPH_FILE
from fast_snow.output.graph_json.checking import check_meaning, grid_size_of
from fast_snow.output.graph_json.columns import TrackColumns, ego_of, track_columns
from fast_snow.output.graph_json.document_schema import (
    conforming,
    conforming_tracks,
    migrate,
    require_known_version,
)
from fast_snow.output.graph_json.document_types import Metadata, TrackEntry
from fast_snow.output.graph_json.json_pieces import members
from fast_snow.types import DepthOrigin, Ego, Keyframe, Merge, Scale, SceneGraph, Track
from fast_snow.untrusted_files import read_pieces, shown
from fast_snow.untrusted_json import typed

_TRACK: Final = Decoder(TrackEntry)


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
    for name, value in members(text, listed="tracks", typed=partial(typed, decoder=_TRACK)):
        content[name] = value
        if isinstance(value, Iterator):
            parts += _columns(content, value)
            content[name] = [None] * sum(len(part.object_id) for part in parts)
    migrated = migrate(content)
    document = conforming({**migrated, "tracks": []} if parts else migrated)
    ego = ego_of(document.ego)
    check_meaning(document.metadata, ego, parts)
    return _graph(document.metadata, ego, parts)


def _columns(content: Mapping[str, Any], tracks: Iterator[list[Any]]) -> Iterator[TrackColumns]:
    """Check tracks as they are read and turn them into columns."""
    first = 0
    for some in tracks:
        if "metadata" in content:
            require_known_version(content)
        yield track_columns(conforming_tracks(some, first), first)
        first += len(some)


def _graph(metadata: Metadata, ego: Ego, parts: Sequence[TrackColumns]) -> SceneGraph:
    return SceneGraph(
        grid_size=grid_size_of(metadata),
        analysis_grid=metadata.analysis_grid,
        metric=metadata.metric,
        depth_origin=tuple(DepthOrigin[name.upper()] for name in metadata.depth_origin),
        ego=ego,
        tracks=MappingProxyType({each.object_id: each for part in parts for each in _tracks(part)}),
        keyframes=tuple(
            Keyframe(t=each.t, source_frame=each.frame_idx, path=each.path) for each in metadata.visual_anchor
        ),
        merges=tuple(Merge(**asdict(each)) for each in metadata.merges),
        segments=tuple(metadata.segments),
        scale=Scale(**asdict(metadata.scale)) if metadata.scale else None,
    )


def _tracks(part: TrackColumns) -> Iterator[Track]:
    ids = zip(part.object_id.tolist(), part.source_id.tolist(), strict=True)
    placed, others = (pairwise(each.offset.tolist()) for each in (part.seen_at, part.unplaced_at))
    for (object_id, source_id), seen, unplaced in zip(ids, placed, others, strict=True):
        first, last = part.theta[seen[0]].tolist()
        yield Track(
            object_id=object_id,
            observations=part.seen[slice(*seen)],
            theta=(first, last),
            source_id=source_id if source_id >= 0 else None,
            unplaced=part.unplaced[slice(*unplaced)],
        )
