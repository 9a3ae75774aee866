"""A document's text as a scene graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.limits import GRAPH_FILE
from fast_snow.output.graph_json.checking import check_meaning, grid_size_of
from fast_snow.output.graph_json.columns import DocumentColumns, ImageColumns, columns_of
from fast_snow.output.graph_json.document_schema import migrate, require_conformance
from fast_snow.types import (
    DepthOrigin,
    Ego,
    ImageRegion,
    Keyframe,
    Merge,
    SceneGraph,
    Sighting,
    StepToken,
    Track,
)
from fast_snow.untrusted_files import shown


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
    content = untrusted_json.load(path, limit=GRAPH_FILE, within=within)
    try:
        return _read(content)
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None


def loads(text: str) -> SceneGraph:
    """Return the graph of a document's text; raises as `read_graph`."""
    return _read(untrusted_json.loads(text))


def _read(content: object) -> SceneGraph:
    document = migrate(content)
    require_conformance(document)
    columns = columns_of(document)
    check_meaning(document, columns)
    return _graph(document, columns)


def _graph(document: Mapping[str, Any], columns: DocumentColumns) -> SceneGraph:
    metadata = document["metadata"]
    height, width = metadata.get("analysis_grid", (0, 0))
    tokens, sightings = _tokens(columns), _sightings(columns.unplaced)
    bounds, others = columns.seen.offset.tolist(), columns.unplaced.offset.tolist()
    spans = columns.theta[columns.seen.offset[:-1]].tolist()
    return SceneGraph(
        grid_size=grid_size_of(metadata),
        analysis_grid=(int(height), int(width)),
        metric=metadata["metric"],
        depth_origin=tuple(DepthOrigin[name.upper()] for name in metadata["depth_origin"]),
        ego=_ego(columns),
        tracks=MappingProxyType(
            {
                int(track["object_id"]): Track(
                    object_id=int(track["object_id"]),
                    observations=tuple(tokens[bounds[k] : bounds[k + 1]]),
                    theta=(first, last),
                    source_id=int(track["source_id"]) if "source_id" in track else None,
                    unplaced=tuple(sightings[others[k] : others[k + 1]]),
                )
                for k, (track, (first, last)) in enumerate(zip(document["tracks"], spans, strict=True))
            }
        ),
        keyframes=tuple(
            Keyframe(t=int(each["t"]), source_frame=int(each["frame_idx"]), path=each["path"])
            for each in metadata["visual_anchor"]
        ),
        merges=tuple(_merge(each) for each in metadata["merges"]),
        segments=tuple((int(first), int(last)) for first, last in metadata.get("segments", ())),
    )


def _ego(columns: DocumentColumns) -> Ego:
    return Ego(
        t=columns.ego_t.astype(np.int32),
        time_s=columns.time_s,
        source_frame=columns.source_frame,
        position=columns.position,
        quaternion_xyzw=columns.quaternion_xyzw,
        intrinsics=columns.intrinsics,
    )


def _merge(merge: Mapping[str, Any]) -> Merge:
    return Merge(
        t=int(merge["t"]),
        kept=int(merge["kept"]),
        dropped=None if merge["dropped"] is None else int(merge["dropped"]),
        iou=float(merge.get("iou", np.nan)),
        distance=float(merge.get("distance", np.nan)),
    )


def _sightings(part: ImageColumns) -> list[Sighting]:
    row, col, box = part.row.astype(np.uint8), part.col.astype(np.uint8), part.box.astype(np.int32)
    t, score, area, bounds = part.t.tolist(), part.score.tolist(), part.area.tolist(), part.cell_offset.tolist()
    return [
        Sighting(
            t=t[i],
            row=row[bounds[i] : bounds[i + 1]],
            col=col[bounds[i] : bounds[i + 1]],
            coverage=part.coverage[bounds[i] : bounds[i + 1]],
            score=score[i],
            region=ImageRegion(area=area[i], box=box[i], centroid=part.uv[i], covariance=part.moments[i]),
        )
        for i in range(len(t))
    ]


def _tokens(columns: DocumentColumns) -> Sequence[StepToken]:
    _, sigma, low, high = (np.ascontiguousarray(columns.spread[:, :, i]) for i in range(4))
    num_points = columns.num_points.tolist()
    return [
        StepToken(
            t=seen.t,
            row=seen.row,
            col=seen.col,
            coverage=seen.coverage,
            centroid=columns.centroid[i],
            sigma=sigma[i],
            low=low[i],
            high=high[i],
            num_points=num_points[i],
            score=seen.score,
            region=seen.region,
        )
        for i, seen in enumerate(_sightings(columns.seen))
    ]
