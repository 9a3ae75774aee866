"""A scene graph as the text of its document: one line per frame of the camera's path and per observation."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from jaxtyping import Float32

from fast_snow.atomic_files import storing
from fast_snow.errors import FastSnowError
from fast_snow.output.graph_json.checking import is_inside
from fast_snow.output.graph_json.document_schema import SCHEMA_VERSION
from fast_snow.types import BackgroundMotion, Cells, Ego, Keyframe, Merge, Observations, SceneGraph, Sightings, Track

AnySeen = TypeVar("AnySeen", Observations, Sightings)

PART: Final = 4096
"""Observations whose text is made at once."""

_AXIS = '"{0}":{{{{"mu":{{{1}}},"sigma":{{{2}}},"min":{{{3}}},"max":{{{4}}}}}}}'
_AXES = ",".join(_AXIS.format(name, i, i + 3, i + 6, i + 9) for i, name in enumerate("xyz"))
_OBSERVATION = (
    '{{"t":{t},"tau":[{tau}],"c":[{0},{1},{2}],"s":{{'
    + _AXES
    + '}},"theta":[{first},{last}]{sigma}{points}{in_image}}}'
)


def write(graph: SceneGraph, path: Path) -> None:
    """Write a graph to a file, which is complete or absent at any time.

    Args:
        graph: the graph, or a window of it.
        path: usually `OUT/4dsg.json`.

    Raises:
        OutputError: the folder is missing, full or not writable.
        FastSnowError: as `dumps`.

    Examples:
        >>> graph = fast_snow.load("out/scene")
        >>> fast_snow.write(graph.window(t=3, length=2), Path("out/last.json"))
        >>> fast_snow.load("out/last.json").num_frames
        2
    """
    with storing(path) as file:
        for text in pieces(graph):
            file.write(text.encode())


def dumps(graph: SceneGraph) -> str:
    """Return the document of a graph; equal graphs give equal text.

    float32 is written with the fewest digits that read back to the same float32. What is not known (NaN, or -1 for
    counts) is left out.

    Args:
        graph: the graph, or a window of it.

    Returns:
        JSON text.

    Raises:
        FastSnowError: a number that must be known is not finite, or a track is empty.
    """
    return "".join(pieces(graph))


def pieces(graph: SceneGraph) -> Iterator[str]:
    """Yield the text of `dumps` piece by piece: that of an hour's graph would not fit in memory."""
    yield f'{{"metadata":{_metadata(graph)},\n"ego":[\n{_lines(_ego(graph.ego))}],\n"tracks":[\n'
    for i, track in enumerate(graph.tracks.values()):
        yield ",\n" if i else ""
        yield from _track(track)
    yield "\n]}\n" if graph.tracks else "]}\n"


def coordinate_system(*, metric: bool, segments: int = 0) -> str:
    """Say in one sentence what coordinates mean."""
    unit = "lengths are in metres" if metric else "all lengths share one unknown scale"
    if segments > 1:
        unit = "lengths are in metres" if metric else "lengths of one segment share one unknown scale"
        return f"world = camera of the first frame of each of {segments} segments, x right, y down, z forward; {unit}"
    return f"world = camera of the clip's first frame, x right, y down, z forward; {unit}"


def _lines(items: Iterable[str]) -> str:
    joined = ",\n".join(items)
    return f"{joined}\n" if joined else ""


def _metadata(graph: SceneGraph) -> str:
    height, width = graph.analysis_grid
    fields: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "grid": f"{graph.grid_size}x{graph.grid_size}",
        "num_frames": graph.num_frames,
        "num_tracks": len(graph.tracks),
        "coordinate_system": coordinate_system(metric=graph.metric, segments=len(graph.segments)),
        "metric": graph.metric,
        "depth_origin": [origin.name.lower() for origin in graph.depth_origin],
    }
    if height > 0:
        fields["analysis_grid"] = [height, width]
    if graph.segments:
        fields["segments"] = [list(each) for each in graph.segments]
    if graph.scale is not None:
        fields["scale"] = asdict(graph.scale)
    head = json.dumps(fields, separators=(",", ":"))[:-1]
    anchors, merges = _lines(map(_keyframe, graph.keyframes)), _lines(map(_merge, graph.merges))
    return f'{head},\n"visual_anchor":[\n{anchors}],\n"merges":[\n{merges}]}}'


def _keyframe(keyframe: Keyframe) -> str:
    if not is_inside(keyframe.path):
        raise FastSnowError(f"4dsg: keyframe {keyframe.path[:80]!r}, expected a path inside the document's folder")
    return f'{{"frame_idx":{keyframe.source_frame},"t":{keyframe.t},"path":{json.dumps(keyframe.path)}}}'


def _merge(merge: Merge) -> str:
    dropped = "null" if merge.dropped is None else merge.dropped
    gap = f',"gap":{merge.gap}' if merge.gap >= 0 else ""
    evidence = _known("iou", merge.iou) + _known("distance", merge.distance) + gap
    evidence += _known("appearance", merge.appearance)
    return f'{{"t":{merge.t},"kept":{merge.kept},"dropped":{dropped}{evidence}}}'


def _known(name: str, value: float) -> str:
    """Return a JSON member with its leading comma, or nothing where the value is not known."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        raise FastSnowError(f"4dsg: {name}: got {value}, expected a finite number")
    return f',"{name}":{shortest_float64(value)}'


def _ego(ego: Ego) -> Iterable[str]:
    _require_finite("ego", ego.position)
    q, K = _known_rows("q", ego.quaternion_xyzw), _known_rows("K", ego.intrinsics)
    focal, background = _known_numbers("focal_sigma", ego.focal_sigma), _background(ego.background)
    for i, xyz in enumerate(_texts(ego.position)):
        source_frame = f',"source_frame":{ego.source_frame[i]}' if ego.source_frame[i] >= 0 else ""
        known = f"{_known('time_s', ego.time_s[i])}{source_frame}{q[i]}{K[i]}{focal[i]}{background[i]}"
        yield f'{{"t":{ego.t[i]},"xyz":[{",".join(xyz)}]{known}}}'


def _background(background: BackgroundMotion) -> list[str]:
    shift, sigma = _known_rows("shift", background.shift), _known_rows("shift_sigma", background.shift_sigma)
    turn = _known_numbers("turn_sigma", background.turn_sigma)
    return [
        f',"background":{{"matches":{count}{"".join(known)}}}' if count >= 0 else ""
        for count, *known in zip(background.matches.tolist(), shift, sigma, turn, strict=True)
    ]


def _known_numbers(name: str, numbers: Float32[np.ndarray, " n"]) -> list[str]:
    return [each.replace("[", "").replace("]", "") for each in _known_rows(name, numbers[:, None])]


def _known_rows(name: str, rows: Float32[np.ndarray, "n k"]) -> list[str]:
    known = ~np.isnan(rows).all(axis=1)
    _require_finite(name, rows[known])
    texts = iter(_texts(rows[known]))
    return [f',"{name}":[{",".join(next(texts))}]' if is_known else "" for is_known in known]


def _texts(rows: Float32[np.ndarray, "n k"]) -> list[list[str]]:
    texts, width = shortest(rows.ravel()), rows.shape[1]
    return [texts[i : i + width] for i in range(0, len(texts), width)]


def _track(track: Track) -> Iterator[str]:
    if not track.observations:
        raise FastSnowError(f"4dsg: object {track.object_id} has no observation, expected at least one")
    source_id = "" if track.source_id is None else f',"source_id":{track.source_id}'
    yield f'{{"object_id":{track.object_id}{source_id},"F_k":[\n'
    yield from _in_parts(track.observations, partial(_observations, theta=track.theta))
    if track.unplaced:
        yield '\n],"unplaced":[\n'
        yield from _in_parts(track.unplaced, _sightings)
    yield "\n]}"


def _in_parts(seen: AnySeen, lines: Callable[[AnySeen], Iterable[str]]) -> Iterator[str]:
    for first in range(0, len(seen), PART):
        yield ",\n" if first else ""
        yield ",\n".join(lines(seen[first : first + PART]))


def _observations(seen: Observations, *, theta: tuple[int, int]) -> Iterator[str]:
    numbers = np.hstack([seen.centroid, seen.sigma, seen.low, seen.high])
    _require_finite("c and s", numbers)
    sigmas = _known_rows("c_sigma", seen.centroid_sigma)
    rows = zip(seen.t.tolist(), _texts(numbers), seen.num_points.tolist(), sigmas, _in_image(seen), strict=True)
    for t, texts, num_points, sigma, (tau, in_image) in rows:
        yield _OBSERVATION.format(
            *texts,
            t=t,
            tau=tau,
            first=theta[0],
            last=theta[1],
            sigma=sigma,
            points=f',"num_points":{num_points}' if num_points >= 0 else "",
            in_image=in_image,
        )


def _sightings(seen: Sightings) -> Iterator[str]:
    for t, (tau, in_image) in zip(seen.t.tolist(), _in_image(seen), strict=True):
        yield f'{{"t":{t},"tau":[{tau}]{in_image}}}'


def _in_image(seen: Observations | Sightings) -> Iterator[tuple[str, str]]:
    """Yield tau of each, and its score and region as members with a leading comma; what is not known is left out."""
    shapes = [_known_rows(name, getattr(seen, name)) for name in ("uv", "moments", "rotation", "growth")]
    columns = seen.score.tolist(), seen.area.tolist(), seen.box.tolist()
    for tau, score, area, box, *shape in zip(_cells(seen.cells), *columns, *shapes, strict=True):
        corners = f',"box":[{",".join(map(str, box))}]' if min(box) >= 0 else ""
        yield tau, _known("score", score) + (f',"area":{area}' if area >= 0 else "") + corners + "".join(shape)


def _cells(tau: Cells) -> Iterator[str]:
    """Yield the cells of tau of each observation; all are written at once, because there are millions."""
    _require_finite("tau", tau.coverage)
    place = tau.row.astype(np.int64) * 256 + tau.col
    heads = {int(i): f'{{"row":{i // 256},"col":{i % 256},"iou":' for i in np.unique(place)}
    cells = [text + "}" for text in map(add, map(heads.__getitem__, place.tolist()), shortest(tau.coverage))]
    for start, stop in pairwise(tau.offset.tolist()):
        yield ",".join(cells[start:stop])


def _require_finite(name: str, numbers: Float32[np.ndarray, "..."]) -> None:
    if not np.isfinite(numbers).all():
        bad = numbers[~np.isfinite(numbers)][0]
        raise FastSnowError(f"4dsg: {name}: got {bad}, expected finite numbers; drop what has no position")


def shortest(values: Float32[np.ndarray, " n"]) -> list[str]:
    """Write finite float32 numbers so that a JSON reader, which reads float64, gets the same float32 back.

    Whole numbers have no fraction (`5`, not `5.0`); negative zero is `-0.0`, because `-0` is read as the integer 0.

    Args:
        values: finite numbers.

    Returns:
        One text per number, such as `0.71` where the float64 of the same number is 0.7099999785423279.
    """
    bits, position = np.unique(np.ascontiguousarray(values).view(np.uint32), return_inverse=True)
    distinct = bits.view(np.float32)
    digits = distinct.astype("S32")
    texts = digits.astype(str).tolist()
    # Digits next to halfway between two float32 miss the number when they are rounded twice, by way of float64.
    for i in np.flatnonzero(digits.astype(np.float64).astype(np.float32) != distinct):
        texts[i] = _fewest(distinct[i])
    written: list[str] = np.array([_whole(text) for text in texts], dtype=object)[position].tolist()
    return written


def shortest_float64(value: float) -> str:
    """Write one finite float64 with the fewest digits that read back to it, whole numbers without a fraction."""
    return _whole(repr(float(value)))


def _fewest(value: np.float32) -> str:
    candidates = (f"{value:.{digits}g}" for digits in range(1, 10))
    return next(text for text in candidates if np.float32(float(text)) == value)


def _whole(text: str) -> str:
    return text[:-2] if text.endswith(".0") and text != "-0.0" else text
