"""What must hold in a document beyond the types of its members."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer

from fast_snow.errors import InputError
from fast_snow.limits import IMAGE_PIXELS, PATH_LENGTH
from fast_snow.output.graph_json.columns import Listed, TrackColumns, ego_of, track_columns
from fast_snow.output.graph_json.document_schema import conforming
from fast_snow.output.graph_json.document_types import Metadata
from fast_snow.typed_json import short
from fast_snow.types import Ego, Observations, Sightings

TOLERANCE: Final = 1e-4
"""By which share of the largest number along an axis the mean may lie outside its minimum and maximum."""
MAX_GRID: Final = 256
_ONE_LINE: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")

Locate = Callable[[int], str]


def validate(document: object) -> None:
    """Check a document of the present version: the JSON Schema, and what it cannot say.

    Args:
        document: a parsed document; `migrate` brings older ones to the present version.

    Raises:
        InputError: one line that names the first place where something does not hold, what is there and what was
            expected, such as `tracks[3].F_k[0].tau[1].row: got 16, expected less than 16`.

    Examples:
        >>> with open("out/scene/4dsg.json") as file:
        ...     document = json.load(file)
        >>> fast_snow.validate(document)
        >>> document["metadata"]["num_tracks"] = 0
        >>> fast_snow.validate(document)
        Traceback (most recent call last):
        fast_snow.errors.InputError: metadata.num_tracks: got 0, expected 8, as many as there are
    """
    conformed = conforming(document)
    check_meaning(conformed.metadata, ego_of(conformed.ego), [track_columns(conformed.tracks)])


def check_meaning(metadata: Metadata, ego: Ego, parts: Sequence[TrackColumns]) -> None:
    """Check what the JSON Schema cannot say; raises as `validate`.

    Args:
        metadata: of a document.
        ego: the camera's path of the same document.
        parts: the columns of all its tracks.
    """
    ids = [object_id for part in parts for object_id in part.object_id.tolist()]
    _check_metadata(metadata, len(ego.t), len(ids))
    _check_ego(ego)
    _check_ids(ids)
    for part in parts:
        _check_times(part, ego)
        for entries, listed in ((part.seen, part.seen_at), (part.unplaced, part.unplaced_at)):
            _check_image(entries, listed, grid_size_of(metadata))
        _check_positions(part)


def grid_size_of(metadata: Metadata) -> int:
    """Return how many rows, and columns, the grid of tau has."""
    rows, columns = (int(number) for number in metadata.grid.split("x"))
    if rows != columns or rows > MAX_GRID:
        raise InputError(f"metadata.grid: got {short(metadata.grid)}, expected as many rows as columns, up to 256")
    return rows


def _check_metadata(metadata: Metadata, frames: int, tracks: int) -> None:
    for name, count in (("num_frames", frames), ("num_tracks", tracks)):
        if (stated := getattr(metadata, name)) != count:
            raise InputError(f"metadata.{name}: got {stated}, expected {count}, as many as there are")
    height, width = metadata.analysis_grid
    if height * width > IMAGE_PIXELS.largest:
        raise InputError(
            f"metadata.analysis_grid: got {height} x {width}, expected at most {IMAGE_PIXELS.largest} pixels"
        )
    bounds = [t for segment in metadata.segments for t in segment]
    if any(after < before + i % 2 for i, (before, after) in enumerate(pairwise(bounds))):
        raise InputError(f"metadata.segments: got {short(bounds)}, expected first <= last, each after the one before")
    if metadata.scale and not metadata.scale.metres_per_unit > 0:
        factor = short(metadata.scale.metres_per_unit)
        raise InputError(f"metadata.scale.metres_per_unit: got {factor}, expected a number above 0")
    for i, anchor in enumerate(metadata.visual_anchor):
        if not is_inside(anchor.path):
            raise InputError(
                f"metadata.visual_anchor[{i}].path: got {short(anchor.path)}, expected a path inside the document's"
                " folder"
            )


def is_inside(path: str) -> bool:
    """Return whether the path of a keyframe is a relative one on any system, and leads to a place in the folder."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    outside = not parts or ".." in parts or PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).anchor)
    return not outside and len(path) <= PATH_LENGTH.largest and _ONE_LINE.fullmatch(path) is not None


def _check_ego(ego: Ego) -> None:
    step = np.diff(ego.t.astype(np.int64), prepend=-1)
    _refuse(step <= 0, _member("ego[{}]", "t"), ego.t, "more than the one before")
    members = {"xyz": ego.position, "q": ego.quaternion_xyzw, "K": ego.intrinsics}
    members |= {"background.shift": ego.background.shift, "background.shift_sigma": ego.background.shift_sigma}
    for name, numbers in members.items():
        unknown = np.isnan(numbers).all(axis=1) & (name != "xyz")
        _refuse(_not_finite(numbers) & ~unknown, _member("ego[{}]", name), numbers, "finite numbers")


def _check_ids(ids: list[int]) -> None:
    seen: set[int] = set()
    for k, object_id in enumerate(ids):
        if object_id in seen:
            raise InputError(f"tracks[{k}].object_id: got {object_id} a second time, expected each id once")
        seen.add(object_id)


def _check_times(part: TrackColumns, ego: Ego) -> None:
    for t, listed in ((part.seen.t, part.seen_at), (part.unplaced.t, part.unplaced_at)):
        step = np.diff(t.astype(np.int64), prepend=-1)
        step[listed.offset[:-1][np.diff(listed.offset) > 0]] = 1
        at = _member(_entry(listed), "t")
        _refuse(step <= 0, at, t, "more than the one before")
        _refuse(~np.isin(t, ego.t), at, t, "a t that ego has")
    seen, theta, at = part.seen, part.theta, _member(_entry(part.seen_at), "theta")
    first, last = theta.T
    _refuse((first > seen.t) | (last < seen.t), at, theta, "first and last t of the track")
    differs = (theta != theta[part.seen_at.offset[:-1]][_track(part.seen_at)]).any(axis=1)
    _refuse(differs, at, theta, "the same as before it in the track")
    placed = _track(part.seen_at) * (1 << 31) + seen.t
    again = np.asarray(np.isin(_track(part.unplaced_at) * (1 << 31) + part.unplaced.t, placed), bool)
    _refuse(again, _member(_entry(part.unplaced_at), "t"), part.unplaced.t, "a t that the track's F_k has not")


def _track(listed: Listed) -> Int64[np.ndarray, " n"]:
    """Return which track each entry is of."""
    return np.repeat(np.arange(len(listed.offset) - 1), np.diff(listed.offset))


def _check_image(part: Observations | Sightings, listed: Listed, grid_size: int) -> None:
    at, cells = _entry(listed), part.cells
    owner = np.repeat(np.arange(len(part)), np.diff(cells.offset))

    def cell(i: int) -> str:
        return f"{at(int(owner[i]))}.tau[{i - cells.offset[owner[i]]}]"

    for name, place in (("row", cells.row), ("col", cells.col)):
        _refuse(place >= grid_size, _member(cell, name), place, f"less than {grid_size}")
    _refuse(~np.isfinite(cells.coverage), _member(cell, "iou"), cells.coverage, "a finite number")
    key = (owner * MAX_GRID + cells.row) * MAX_GRID + cells.col
    order = np.argsort(key, kind="stable")
    repeated = np.zeros(len(key), bool)
    repeated[order[1:]] = key[order[1:]] == key[order[:-1]]
    _refuse(repeated, cell, key, "each cell once", got="a cell a second time")
    box = part.box
    _refuse(np.asarray((box[:, 2:] < box[:, :2]).any(axis=1)), _member(at, "box"), box, "x0 <= x1 and y0 <= y1")
    for name in ("uv", "moments", "rotation", "growth"):
        numbers = getattr(part, name)
        wrong = _not_finite(numbers) & ~np.isnan(numbers).all(axis=1)
        _refuse(wrong, _member(at, name), numbers, "finite numbers")


def _check_positions(part: TrackColumns) -> None:
    at, seen = _entry(part.seen_at), part.seen
    c = seen.centroid.astype(np.float64)
    _refuse(_not_finite(c), _member(at, "c"), seen.centroid, "finite numbers")
    sigma = seen.centroid_sigma
    _refuse(_not_finite(sigma) & ~np.isnan(sigma).all(axis=1), _member(at, "c_sigma"), sigma, "finite numbers")
    for k, axis in enumerate("xyz"):
        written = np.stack([part.mu[:, k], seen.sigma[:, k], seen.low[:, k], seen.high[:, k]], axis=1)
        spread, place = written.astype(np.float64), _member(at, f"s.{axis}")
        mu, _, low, high = spread.T
        slack = TOLERANCE * np.abs(spread).max(axis=1)
        _refuse(_not_finite(spread), place, written, "finite numbers")
        outside = (low > mu + slack) | (mu > high + slack)
        _refuse(outside, place, written, "min <= mu <= max of [mu, sigma, min, max]")
        differs = np.abs(c[:, k] - mu) > slack
        _refuse(differs, _member(at, f"c[{k}]"), seen.centroid[:, k], f"the same as s.{axis}.mu")


def _not_finite(rows: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, " n"]:
    return np.asarray(~np.isfinite(rows).all(axis=1))


def _member(entry: str | Locate, name: str) -> Locate:
    if isinstance(entry, str):
        return lambda i: f"{entry.format(i)}.{name}"
    return lambda i: f"{entry(i)}.{name}"


def _entry(listed: Listed) -> Locate:
    def locate(i: int) -> str:
        k = int(np.searchsorted(listed.offset, i, side="right")) - 1
        return f"tracks[{listed.first + k}].{listed.member}[{i - listed.offset[k]}]"

    return locate


def _refuse(
    wrong: Bool[np.ndarray, " n"],
    locate: Locate,
    values: Integer[np.ndarray, "n ..."] | Float[np.ndarray, "n ..."],
    expected: str,
    *,
    got: str | None = None,
) -> None:
    """Raise for the first entry that is wrong."""
    if wrong.any():
        i = int(np.argmax(wrong))
        raise InputError(f"{locate(i)}: got {got or _text(values[i])}, expected {expected}")


def _text(value: Integer[np.ndarray, "..."] | Float[np.ndarray, "..."] | np.generic) -> str:
    numbers = ", ".join(np.atleast_1d(value).astype(str).tolist())
    return f"[{numbers}]" if value.ndim else numbers
