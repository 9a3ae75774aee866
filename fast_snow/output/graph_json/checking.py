"""What must hold in a document beyond the types of its members."""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int64

from fast_snow.errors import InputError
from fast_snow.limits import IMAGE_PIXELS, PATH_LENGTH
from fast_snow.output.graph_json.columns import DocumentColumns, ImageColumns, columns_of
from fast_snow.output.graph_json.document_schema import require_conformance
from fast_snow.typed_json import short

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
    require_conformance(document)
    assert isinstance(document, dict)
    check_meaning(document, columns_of(document))


def check_meaning(document: Mapping[str, Any], columns: DocumentColumns) -> None:
    """Check what the JSON Schema cannot say; raises as `validate`.

    Args:
        document: conforms to the schema.
        columns: of the same document.
    """
    metadata = document["metadata"]
    _check_metadata(metadata, len(document["ego"]), len(document["tracks"]))
    _check_ego(columns)
    _check_ids([track["object_id"] for track in document["tracks"]])
    _check_times(columns)
    for part in (columns.seen, columns.unplaced):
        _check_image(part, grid_size_of(metadata))
    _check_positions(columns)


def grid_size_of(metadata: Mapping[str, Any]) -> int:
    """Return how many rows, and columns, the grid of tau has."""
    rows, columns = (int(number) for number in metadata["grid"].split("x"))
    if rows != columns or rows > MAX_GRID:
        raise InputError(f"metadata.grid: got {short(metadata['grid'])}, expected as many rows as columns, up to 256")
    return rows


def _check_metadata(metadata: Mapping[str, Any], frames: int, tracks: int) -> None:
    for name, count in (("num_frames", frames), ("num_tracks", tracks)):
        if metadata[name] != count:
            raise InputError(f"metadata.{name}: got {metadata[name]}, expected {count}, as many as there are")
    height, width = metadata.get("analysis_grid", (0, 0))
    if height * width > IMAGE_PIXELS.largest:
        raise InputError(
            f"metadata.analysis_grid: got {height} x {width}, expected at most {IMAGE_PIXELS.largest} pixels"
        )
    bounds = [t for segment in metadata.get("segments", ()) for t in segment]
    if any(after < before + i % 2 for i, (before, after) in enumerate(pairwise(bounds))):
        raise InputError(f"metadata.segments: got {short(bounds)}, expected first <= last, each after the one before")
    for i, anchor in enumerate(metadata["visual_anchor"]):
        if not is_inside(anchor["path"]):
            raise InputError(
                f"metadata.visual_anchor[{i}].path: got {short(anchor['path'])}, expected a path inside the document's"
                " folder"
            )


def is_inside(path: str) -> bool:
    """Return whether the path of a keyframe is a relative one on any system, and leads to a place in the folder."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    outside = not parts or ".." in parts or PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).anchor)
    return not outside and len(path) <= PATH_LENGTH.largest and _ONE_LINE.fullmatch(path) is not None


def _check_ego(columns: DocumentColumns) -> None:
    t = columns.ego_t
    _refuse(np.diff(t, prepend=-1) <= 0, _member("ego[{}]", "t"), t, "more than the one before")
    for name, numbers in (("xyz", columns.position), ("q", columns.quaternion_xyzw), ("K", columns.intrinsics)):
        unknown = np.isnan(numbers).all(axis=1) & (name != "xyz")
        _refuse(_not_finite(numbers) & ~unknown, _member("ego[{}]", name), numbers, "finite numbers")


def _check_ids(ids: list[int]) -> None:
    seen: set[int] = set()
    for k, object_id in enumerate(ids):
        if object_id in seen:
            raise InputError(f"tracks[{k}].object_id: got {object_id} a second time, expected each id once")
        seen.add(object_id)


def _check_times(columns: DocumentColumns) -> None:
    for part in (columns.seen, columns.unplaced):
        t, offset = part.t, part.offset
        step = np.diff(t, prepend=-1)
        step[offset[:-1][np.diff(offset) > 0]] = 1
        at = _entry(part)
        _refuse(step <= 0, _member(at, "t"), t, "more than the one before")
        _refuse(~np.isin(t, columns.ego_t), _member(at, "t"), t, "a t that ego has")
    seen, at = columns.seen, _entry(columns.seen)
    first, last = columns.theta.T
    _refuse((first > seen.t) | (last < seen.t), _member(at, "theta"), columns.theta, "first and last t of the track")
    differs = (columns.theta != columns.theta[seen.offset[:-1]][_track(seen)]).any(axis=1)
    _refuse(differs, _member(at, "theta"), columns.theta, "the same as before it in the track")
    unplaced, seen_at = columns.unplaced, _track(seen) * (1 << 31) + seen.t
    placed = np.asarray(np.isin(_track(unplaced) * (1 << 31) + unplaced.t, seen_at), bool)
    _refuse(placed, _member(_entry(unplaced), "t"), unplaced.t, "a t that the track's F_k has not")


def _track(part: ImageColumns) -> Int64[np.ndarray, " n"]:
    """Return which track each entry is of."""
    return np.repeat(np.arange(len(part.offset) - 1), np.diff(part.offset))


def _check_image(part: ImageColumns, grid_size: int) -> None:
    at = _entry(part)
    owner = np.repeat(np.arange(len(part.t)), np.diff(part.cell_offset))

    def cell(i: int) -> str:
        return f"{at(int(owner[i]))}.tau[{i - part.cell_offset[owner[i]]}]"

    for name, place in (("row", part.row), ("col", part.col)):
        _refuse(place >= grid_size, _member(cell, name), place, f"less than {grid_size}")
    _refuse(~np.isfinite(part.coverage), _member(cell, "iou"), part.coverage, "a finite number")
    key = (owner * MAX_GRID + part.row) * MAX_GRID + part.col
    order = np.argsort(key, kind="stable")
    repeated = np.zeros(len(key), bool)
    repeated[order[1:]] = key[order[1:]] == key[order[:-1]]
    _refuse(repeated, cell, key, "each cell once", got="a cell a second time")
    box = part.box
    _refuse(np.asarray((box[:, 2:] < box[:, :2]).any(axis=1)), _member(at, "box"), box, "x0 <= x1 and y0 <= y1")
    for name, numbers in (("uv", part.uv), ("moments", part.moments)):
        wrong = _not_finite(numbers) & ~np.isnan(numbers).all(axis=1)
        _refuse(wrong, _member(at, name), numbers, "finite numbers")


def _check_positions(columns: DocumentColumns) -> None:
    at = _entry(columns.seen)
    c = columns.centroid.astype(np.float64)
    _refuse(_not_finite(c), _member(at, "c"), columns.centroid, "finite numbers")
    for k, axis in enumerate("xyz"):
        spread = columns.spread[:, k].astype(np.float64)
        mu, _, low, high = spread.T
        slack = TOLERANCE * np.abs(spread).max(axis=1)
        place = _member(at, f"s.{axis}")
        _refuse(_not_finite(spread), place, columns.spread[:, k], "finite numbers")
        _refuse(
            (low > mu + slack) | (mu > high + slack),
            place,
            columns.spread[:, k],
            "min <= mu <= max of [mu, sigma, min, max]",
        )
        _refuse(
            np.abs(c[:, k] - mu) > slack, _member(at, f"c[{k}]"), columns.centroid[:, k], f"the same as s.{axis}.mu"
        )


def _not_finite(rows: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, " n"]:
    return np.asarray(~np.isfinite(rows).all(axis=1))


def _member(entry: str | Locate, name: str) -> Locate:
    if isinstance(entry, str):
        return lambda i: f"{entry.format(i)}.{name}"
    return lambda i: f"{entry(i)}.{name}"


def _entry(part: ImageColumns) -> Locate:
    offset = part.offset

    def locate(i: int) -> str:
        k = int(np.searchsorted(offset, i, side="right")) - 1
        return f"tracks[{k}].{part.member}[{i - offset[k]}]"

    return locate


def _refuse(
    wrong: Bool[np.ndarray, " n"],
    locate: Locate,
    values: Int64[np.ndarray, "n ..."] | Float[np.ndarray, "n ..."],
    expected: str,
    *,
    got: str | None = None,
) -> None:
    """Raise for the first entry that is wrong."""
    if wrong.any():
        i = int(np.argmax(wrong))
        raise InputError(f"{locate(i)}: got {got or _text(values[i])}, expected {expected}")


def _text(value: Int64[np.ndarray, "..."] | Float[np.ndarray, "..."] | np.generic) -> str:
    numbers = ", ".join(np.atleast_1d(value).astype(str).tolist())
    return f"[{numbers}]" if value.ndim else numbers
