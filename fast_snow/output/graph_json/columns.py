"""A document as columns: each of its numbers, over all observations or cells, as one array.

A clip has millions of cells; checking them one by one in Python would take minutes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

_AXES = ("x", "y", "z")
_SPREAD = ("mu", "sigma", "min", "max")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DocumentColumns:
    """The numbers of a document that conforms to the schema; unknown ones are NaN or -1.

    Attributes:
        observation_offset: the observations of track `k` are `observation_offset[k]:observation_offset[k + 1]`.
        cell_offset: the cells of observation `i` are `cell_offset[i]:cell_offset[i + 1]`.
        spread: mu, sigma, min and max of each axis.
    """

    observation_offset: Int64[np.ndarray, " tracks_plus_1"]
    cell_offset: Int64[np.ndarray, " observations_plus_1"]
    t: Int64[np.ndarray, " observations"]
    theta: Int64[np.ndarray, "observations 2"]
    centroid: Float32[np.ndarray, "observations 3"]
    spread: Float32[np.ndarray, "observations 3 4"]
    num_points: Int64[np.ndarray, " observations"]
    score: Float64[np.ndarray, " observations"]
    row: Int64[np.ndarray, " cells"]
    col: Int64[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]
    ego_t: Int64[np.ndarray, " frames"]
    time_s: Float64[np.ndarray, " frames"]
    source_frame: Int64[np.ndarray, " frames"]
    position: Float32[np.ndarray, "frames 3"]
    quaternion_xyzw: Float32[np.ndarray, "frames 4"]
    intrinsics: Float32[np.ndarray, "frames 4"]


Entries = Sequence[Mapping[str, Any]]


def columns_of(document: Mapping[str, Any]) -> DocumentColumns:
    """Gather the columns of a document.

    Args:
        document: conforms to the schema.

    Returns:
        Its numbers.
    """
    tracks, ego = document["tracks"], document["ego"]
    observations: Entries = list(chain.from_iterable(track["F_k"] for track in tracks))
    cells: Entries = list(chain.from_iterable(each["tau"] for each in observations))
    unknown = (np.nan,) * 4
    return DocumentColumns(
        observation_offset=_offsets(len(track["F_k"]) for track in tracks),
        cell_offset=_offsets(len(each["tau"]) for each in observations),
        t=_integers(observations, "t"),
        theta=np.array([each["theta"] for each in observations], np.int64).reshape(-1, 2),
        centroid=_float32([each["c"] for each in observations], 3),
        spread=_spread(observations),
        num_points=_integers(observations, "num_points"),
        score=_float64(observations, "score"),
        row=_integers(cells, "row"),
        col=_integers(cells, "col"),
        coverage=_float32([cell["iou"] for cell in cells], 1)[:, 0],
        ego_t=_integers(ego, "t"),
        time_s=_float64(ego, "time_s"),
        source_frame=_integers(ego, "source_frame"),
        position=_float32([frame["xyz"] for frame in ego], 3),
        quaternion_xyzw=_float32([frame.get("q", unknown) for frame in ego], 4),
        intrinsics=_float32([frame.get("K", unknown) for frame in ego], 4),
    )


def _offsets(lengths: Any) -> Int64[np.ndarray, " n"]:  # noqa: ANN401 (an iterable that is used up at once)
    return np.concatenate([[0], np.cumsum(np.fromiter(lengths, np.int64))]).astype(np.int64)


def _integers(entries: Entries, name: str) -> Int64[np.ndarray, " n"]:
    return np.array([entry.get(name, -1) for entry in entries], np.int64)


def _float64(entries: Entries, name: str) -> Float64[np.ndarray, " n"]:
    return np.array([entry.get(name, np.nan) for entry in entries], np.float64)


def _float32(rows: Sequence[Any], width: int) -> Float32[np.ndarray, "n width"]:
    return np.array(rows, np.float32).reshape(-1, width)


def _spread(observations: Entries) -> Float32[np.ndarray, "n 3 4"]:
    axes = [each["s"][axis] for each in observations for axis in _AXES]
    return _float32([[axis[name] for name in _SPREAD] for axis in axes], 12).reshape(-1, 3, 4)
