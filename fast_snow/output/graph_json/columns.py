"""A document as columns: each of its numbers, over all observations or cells of some tracks, as one array.

A clip has millions of cells; checking them one by one in Python would take minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64
from msgspec import Struct

from fast_snow.output.graph_json.document_types import FrameEntry, SightingEntry, TrackEntry
from fast_snow.types import BackgroundMotion, Cells, Ego, Observations, Sightings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listed:
    """Where the entries of tracks stand in a document.

    Attributes:
        member: of a track, that holds them.
        first: the index of the first track.
        offset: the entries of track `first + k` are `offset[k]:offset[k + 1]`.
    """

    member: str
    first: int
    offset: Int64[np.ndarray, " tracks_plus_1"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackColumns:
    """The numbers of some tracks of a document; unknown ones are NaN or -1.

    Attributes:
        object_id: of each track.
        source_id: of each track.
        seen: the observations of all of them.
        seen_at: where these stand.
        unplaced: what was seen without being placed.
        unplaced_at: where that stands.
        theta: of each observation.
        mu: of each observation, the means of its spread.
    """

    object_id: Int32[np.ndarray, " tracks"]
    source_id: Int32[np.ndarray, " tracks"]
    seen: Observations
    seen_at: Listed
    unplaced: Sightings
    unplaced_at: Listed
    theta: Int32[np.ndarray, "observations 2"]
    mu: Float32[np.ndarray, "observations 3"]


def track_columns(tracks: Sequence[TrackEntry], first: int = 0) -> TrackColumns:
    """Gather the columns of tracks of a document; `first` is the index of the first."""
    observations, seen_at = _listed(tracks, "F_k", first)
    sightings, unplaced_at = _listed(tracks, "unplaced", first)
    spreads = list(chain.from_iterable(map(attrgetter("s.x", "s.y", "s.z"), observations)))
    mu, sigma, low, high = (_array(spreads, name, np.float32, 3) for name in ("mu", "sigma", "min", "max"))
    return TrackColumns(
        object_id=_array(tracks, "object_id", np.int32),
        source_id=_array(tracks, "source_id", np.int32),
        seen=Observations(
            **_in_image(observations),
            centroid=_array(observations, "c", np.float32, 3),
            sigma=sigma,
            low=low,
            high=high,
            num_points=_array(observations, "num_points", np.int32),
            centroid_sigma=_array(observations, "c_sigma", np.float32, 2),
        ),
        seen_at=seen_at,
        unplaced=Sightings(**_in_image(sightings)),
        unplaced_at=unplaced_at,
        theta=_array(observations, "theta", np.int32, 2),
        mu=mu,
    )


def ego_of(ego: Sequence[FrameEntry]) -> Ego:
    """Return the camera's path of a document."""
    background = [frame.background for frame in ego]
    return Ego(
        t=_array(ego, "t", np.int32),
        time_s=_array(ego, "time_s", np.float64),
        source_frame=_array(ego, "source_frame", np.int64),
        position=_array(ego, "xyz", np.float32, 3),
        quaternion_xyzw=_array(ego, "q", np.float32, 4),
        intrinsics=_array(ego, "K", np.float32, 4),
        focal_sigma=_array(ego, "focal_sigma", np.float32),
        background=BackgroundMotion(
            matches=_array(background, "matches", np.int32),
            shift=_array(background, "shift", np.float32, 2),
            shift_sigma=_array(background, "shift_sigma", np.float32, 2),
            turn_sigma=_array(background, "turn_sigma", np.float32),
        ),
    )


def _listed(tracks: Sequence[TrackEntry], member: str, first: int) -> tuple[Sequence[Any], Listed]:
    entries = [getattr(track, member) for track in tracks]
    offset = np.cumsum([0, *map(len, entries)], dtype=np.int64)
    return list(chain.from_iterable(entries)), Listed(member=member, first=first, offset=offset)


def _in_image(entries: Sequence[SightingEntry]) -> dict[str, Any]:
    taus = [each.tau for each in entries]
    cells = list(chain.from_iterable(taus))
    return {
        "t": _array(entries, "t", np.int32),
        "cells": Cells(
            offset=np.cumsum([0, *map(len, taus)], dtype=np.int32),
            row=_array(cells, "row", np.uint8),
            col=_array(cells, "col", np.uint8),
            coverage=_array(cells, "iou", np.float32),
        ),
        "score": _array(entries, "score", np.float64),
        "area": _array(entries, "area", np.int32),
        "box": _array(entries, "box", np.int32, 4),
        "uv": _array(entries, "uv", np.float32, 2),
        "moments": _array(entries, "moments", np.float32, 3),
        "rotation": _array(entries, "rotation", np.float32, 3),
        "growth": _array(entries, "growth", np.float32, 2),
    }


def _array(entries: Sequence[Struct], name: str, kind: type[np.generic], width: int = 0) -> np.ndarray:
    """Return a member of all entries; of tuples or, where it is a number, of that many entries `width` makes a row."""
    values = map(attrgetter(name), entries)
    exact = np.float64 if issubclass(kind, np.floating) else np.int64  # casting from here rounds once
    is_tuple = bool(width and entries) and isinstance(getattr(entries[0], name), tuple)
    array = np.fromiter(chain.from_iterable(values) if is_tuple else values, exact).astype(kind)
    return array.reshape(-1, width) if width else array
