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
class ImageColumns:
    """What a document says of objects in the image: of the observations of all tracks, or of what is unplaced.

    Attributes:
        member: of a track, that holds them.
        offset: the entries of track `k` are `offset[k]:offset[k + 1]`.
        cell_offset: the cells of entry `i` are `cell_offset[i]:cell_offset[i + 1]`.
        uv: mean u and v of the mask's pixels.
        moments: their second central moments uu, uv, vv.
        rotation: how far their texture turned.
    """

    member: str
    offset: Int64[np.ndarray, " tracks_plus_1"]
    cell_offset: Int64[np.ndarray, " n_plus_1"]
    t: Int64[np.ndarray, " n"]
    score: Float64[np.ndarray, " n"]
    row: Int64[np.ndarray, " cells"]
    col: Int64[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]
    area: Int64[np.ndarray, " n"]
    box: Int64[np.ndarray, "n 4"]
    uv: Float32[np.ndarray, "n 2"]
    moments: Float32[np.ndarray, "n 3"]
    rotation: Float32[np.ndarray, "n 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DocumentColumns:
    """The numbers of a document that conforms to the schema; unknown ones are NaN or -1.

    Attributes:
        seen: the observations in the image.
        unplaced: what was seen without being placed.
        spread: mu, sigma, min and max of each axis.
    """

    seen: ImageColumns
    unplaced: ImageColumns
    theta: Int64[np.ndarray, "observations 2"]
    centroid: Float32[np.ndarray, "observations 3"]
    spread: Float32[np.ndarray, "observations 3 4"]
    num_points: Int64[np.ndarray, " observations"]
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
    unknown = (np.nan,) * 4
    return DocumentColumns(
        seen=_in_image(tracks, "F_k"),
        unplaced=_in_image(tracks, "unplaced"),
        theta=np.array([each["theta"] for each in observations], np.int64).reshape(-1, 2),
        centroid=_float32([each["c"] for each in observations], 3),
        spread=_spread(observations),
        num_points=_integers(observations, "num_points"),
        ego_t=_integers(ego, "t"),
        time_s=_float64(ego, "time_s"),
        source_frame=_integers(ego, "source_frame"),
        position=_float32([frame["xyz"] for frame in ego], 3),
        quaternion_xyzw=_float32([frame.get("q", unknown) for frame in ego], 4),
        intrinsics=_float32([frame.get("K", unknown) for frame in ego], 4),
    )


def _in_image(tracks: Entries, member: str) -> ImageColumns:
    entries: Entries = list(chain.from_iterable(track.get(member, ()) for track in tracks))
    cells: Entries = list(chain.from_iterable(each["tau"] for each in entries))
    return ImageColumns(
        member=member,
        offset=_offsets(len(track.get(member, ())) for track in tracks),
        cell_offset=_offsets(len(each["tau"]) for each in entries),
        t=_integers(entries, "t"),
        score=_float64(entries, "score"),
        row=_integers(cells, "row"),
        col=_integers(cells, "col"),
        coverage=_float32([cell["iou"] for cell in cells], 1)[:, 0],
        area=_integers(entries, "area"),
        box=np.array([each.get("box", (-1,) * 4) for each in entries], np.int64).reshape(-1, 4),
        uv=_float32([each.get("uv", (np.nan,) * 2) for each in entries], 2),
        moments=_float32([each.get("moments", (np.nan,) * 3) for each in entries], 3),
        rotation=_float32([each.get("rotation", (np.nan,) * 3) for each in entries], 3),
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
