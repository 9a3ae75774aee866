"""A document as columns: each of its numbers, over all observations or cells of some tracks, as one array.

A clip has millions of cells; checking them one by one in Python would take minutes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from fast_snow.types import BackgroundMotion, Cells, Ego, Observations, Sightings

_AXES = ("x", "y", "z")
AnyListed = TypeVar("AnyListed", Observations, Sightings)


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
    """The numbers of some tracks of a document that conforms to the schema; unknown ones are NaN or -1.

    Attributes:
        seen: the observations of all of them.
        seen_at: where these stand.
        unplaced: what was seen without being placed.
        unplaced_at: where that stands.
        theta: of each observation.
        mu: of each observation, the means of its spread.
    """

    seen: Observations
    seen_at: Listed
    unplaced: Sightings
    unplaced_at: Listed
    theta: Int32[np.ndarray, "observations 2"]
    mu: Float32[np.ndarray, "observations 3"]


Entries = Sequence[Mapping[str, Any]]


def track_columns(tracks: Entries, first: int = 0) -> TrackColumns:
    """Gather the columns of tracks of a document that conform to the schema; `first` is the index of the first."""
    observations, seen_at = _listed(tracks, "F_k", first)
    sightings, unplaced_at = _listed(tracks, "unplaced", first)
    mu, sigma, low, high = (_spread(observations, name) for name in ("mu", "sigma", "min", "max"))
    return TrackColumns(
        seen=Observations(
            **_in_image(observations),
            centroid=_float32((each["c"] for each in observations), 3),
            sigma=sigma,
            low=low,
            high=high,
            num_points=_integers(observations, "num_points", np.int32),
            centroid_sigma=_float32((each.get("c_sigma", (np.nan,) * 2) for each in observations), 2),
        ),
        seen_at=seen_at,
        unplaced=Sightings(**_in_image(sightings)),
        unplaced_at=unplaced_at,
        theta=np.array([each["theta"] for each in observations], np.int32).reshape(-1, 2),
        mu=mu,
    )


def ego_of(ego: Entries) -> Ego:
    """Return the camera's path of a document that conforms to the schema."""
    unknown = (np.nan,) * 4
    background: Entries = [frame.get("background", {}) for frame in ego]
    return Ego(
        t=_integers(ego, "t", np.int32),
        time_s=_float64(ego, "time_s"),
        source_frame=_integers(ego, "source_frame", np.int64),
        position=_float32((frame["xyz"] for frame in ego), 3),
        quaternion_xyzw=_float32((frame.get("q", unknown) for frame in ego), 4),
        intrinsics=_float32((frame.get("K", unknown) for frame in ego), 4),
        focal_sigma=_float64(ego, "focal_sigma").astype(np.float32),
        background=BackgroundMotion(
            matches=_integers(background, "matches", np.int32),
            shift=_float32((each.get("shift", unknown[:2]) for each in background), 2),
            shift_sigma=_float32((each.get("shift_sigma", unknown[:2]) for each in background), 2),
            turn_sigma=_float64(background, "turn_sigma").astype(np.float32),
        ),
    )


def _listed(tracks: Entries, member: str, first: int) -> tuple[Entries, Listed]:
    entries = [track.get(member, ()) for track in tracks]
    offset = np.cumsum([0, *map(len, entries)], dtype=np.int64)
    return list(chain.from_iterable(entries)), Listed(member=member, first=first, offset=offset)


def _in_image(entries: Entries) -> dict[str, Any]:
    cells: Entries = list(chain.from_iterable(each["tau"] for each in entries))
    return {
        "t": _integers(entries, "t", np.int32),
        "cells": Cells(
            offset=np.cumsum([0, *(len(each["tau"]) for each in entries)], dtype=np.int32),
            row=_integers(cells, "row", np.uint8),
            col=_integers(cells, "col", np.uint8),
            coverage=np.array([cell["iou"] for cell in cells], np.float32),
        ),
        "score": _float64(entries, "score"),
        "area": _integers(entries, "area", np.int32),
        "box": np.array([each.get("box", (-1,) * 4) for each in entries], np.int32).reshape(-1, 4),
        "uv": _float32((each.get("uv", (np.nan,) * 2) for each in entries), 2),
        "moments": _float32((each.get("moments", (np.nan,) * 3) for each in entries), 3),
        "rotation": _float32((each.get("rotation", (np.nan,) * 3) for each in entries), 3),
    }


def _integers(entries: Entries, name: str, kind: type[np.integer[Any]]) -> np.ndarray:
    return np.array([entry.get(name, -1) for entry in entries], np.int64).astype(kind)


def _float64(entries: Entries, name: str) -> Float64[np.ndarray, " n"]:
    return np.array([entry.get(name, np.nan) for entry in entries], np.float64)


def _float32(rows: Iterable[Any], width: int) -> Float32[np.ndarray, "n width"]:
    return np.fromiter(chain.from_iterable(rows), np.float64).astype(np.float32).reshape(-1, width)


def _spread(observations: Entries, name: str) -> Float32[np.ndarray, "n 3"]:
    return _float32(([each["s"][axis][name] for axis in _AXES] for each in observations), 3)
