"""Tables of Apache Arrow: every observation, the camera at every frame, the tracks, merges and keyframes."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from fast_snow.formats.source import ExportSource
from fast_snow.output.graph_json.writing import coordinate_system
from fast_snow.types import SceneGraph, Sightings

if TYPE_CHECKING:
    import pyarrow as pa


def parquet(source: ExportSource) -> dict[str, bytes]:
    """Return the tables as Parquet files; the unit and the axes stand in each one's schema metadata."""
    from pyarrow.parquet import write_table

    return {f"{name}.parquet": _written(write_table, table) for name, table in tables(source.graph).items()}


def csv(source: ExportSource) -> dict[str, bytes]:
    """Return the tables as text with a header; what is not known is empty."""
    from pyarrow.csv import write_csv

    return {f"{name}.csv": _written(write_csv, table) for name, table in tables(source.graph).items()}


def tables(graph: SceneGraph) -> dict[str, "pa.Table"]:
    """Return the tables of a graph by name; NaN and -1 for "not known" become null.

    Returns:
        `observations` (the columns of `SceneGraph.table`), `unplaced` (where an object was seen but not placed),
        `camera`, `tracks`, `merges` and `keyframes`.
    """
    ego, tracks = graph.ego, graph.tracks.values()
    camera = {"t": ego.t, "time_s": ego.time_s, "source_frame": ego.source_frame}
    camera |= dict(zip("xyz", ego.position.T, strict=True))
    camera |= dict(zip(("qx", "qy", "qz", "qw"), ego.quaternion_xyzw.T, strict=True))
    camera |= dict(zip(("fx", "fy", "cx", "cy"), ego.intrinsics.T, strict=True))
    unplaced = Sightings.of(()).followed_by(*(track.unplaced for track in tracks))
    seen: dict[str, Any] = {
        "object_id": np.repeat([track.object_id for track in tracks], [len(track.unplaced) for track in tracks]),
        "t": unplaced.t,
        "score": unplaced.score,
        "area": unplaced.area,
    }
    seen |= dict(zip(("x0", "y0", "x1", "y1"), unplaced.box.T, strict=True))
    columns: dict[str, dict[str, Any]] = {
        "observations": graph.table(),
        "unplaced": seen,
        "camera": camera,
        "tracks": {
            "object_id": [track.object_id for track in tracks],
            "source_id": [-1 if track.source_id is None else track.source_id for track in tracks],
            "first_t": [track.theta[0] for track in tracks],
            "last_t": [track.theta[1] for track in tracks],
            "observations": [len(track.observations) for track in tracks],
            "unplaced": [len(track.unplaced) for track in tracks],
        },
        "merges": {
            **_columns(graph.merges, "t", "kept", "dropped", "iou", "distance"),
            "dropped": [-1 if each.dropped is None else each.dropped for each in graph.merges],
        },
        "keyframes": _columns(graph.keyframes, "t", "source_frame", "path"),
    }
    return {name: _table(each, graph) for name, each in columns.items()}


_COUNTS = frozenset(("source_id", "source_frame", "dropped", "num_points", "area", "x0", "y0", "x1", "y1"))
"""Columns in which -1 stands for "not known"; all other integers are known."""


def _columns(values: Sequence[object], *names: str) -> dict[str, list[Any]]:
    return {name: [getattr(each, name) for each in values] for name in names}


def _table(columns: dict[str, Any], graph: SceneGraph) -> "pa.Table":
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        if name == "path":
            arrays[name] = pa.array(values, pa.string())
            continue
        column = np.ascontiguousarray(values)
        if not column.size:
            column = column.astype(np.float64 if name in ("iou", "distance", "score") else np.int64)
        unknown = np.isnan(column) if column.dtype.kind == "f" else (column < 0) & (name in _COUNTS)
        arrays[name] = pa.array(column, mask=unknown)
    about = {"coordinate_system": coordinate_system(metric=graph.metric), "metric": str(graph.metric).lower()}
    return pa.table(arrays).replace_schema_metadata(about)


def _written(write: Any, table: "pa.Table") -> bytes:  # noqa: ANN401 (a writer of Arrow)
    buffer = BytesIO()
    write(table, buffer)
    return buffer.getvalue()
