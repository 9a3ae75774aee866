"""What the page says: facts about the run, and one table row per object. The template escapes all of it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float64

from fast_snow.types import SceneGraph, Track

COLUMNS: Final = (
    ("object", "Object"),
    ("seen", "Seen"),
    ("count", "Observations"),
    ("position", "Mean position x, y, z"),
    ("size", "Size x \N{MULTIPLICATION SIGN} y \N{MULTIPLICATION SIGN} z"),
    ("moved", "Net movement"),
    ("speed", "Mean speed"),
)
"""Class and heading of each column of the table."""
MOST_ROWS: Final = 500
"""Of a list of settings or counts."""
_DASH: Final = "\N{EN DASH}"
_TIMES: Final = " \N{MULTIPLICATION SIGN} "


class Fact(NamedTuple):
    """A line about the run: a label, and text of which a part may stand out."""

    label: str
    text: str
    strong: str = ""
    rest: str = ""


class TableRow(NamedTuple):
    """One object in the table; `cells` and the numbers they are sorted by are those of all columns but the first."""

    object_id: int
    cells: tuple[str, ...]
    keys: tuple[float, ...]


class StageTime(NamedTuple):
    """A stage of the run, its wall time as text and as a share of all stages."""

    name: str
    text: str
    share: float


class _TrackSummary(NamedTuple):
    """One object over the whole clip; lengths in the unit of the world, NaN where times are unknown."""

    observations: int
    unplaced: int  # frames in which it was seen without being placed
    first_s: float
    last_s: float
    position: Float64[np.ndarray, "3"]  # mean of its centroids
    size: Float64[np.ndarray, "3"]  # median extent along each world axis


def headline(run: Mapping[str, Any]) -> str:
    """Return the name of the input."""
    return str(_mapping(run, "input").get("name") or "4D scene graph")


def run_facts(graph: SceneGraph, run: Mapping[str, Any], shown: int, images_of: str = "") -> list[Fact]:
    """Return what the page says of the run; what the record lacks is left out.

    Args:
        graph: the scene graph.
        run: the record of the run (untrusted).
        shown: number of frames on the page.
        images_of: origin of the images.
    """
    unknown_scale = Fact("Lengths", "in one unknown scale ", "u", ": compare them with each other, not with metres")
    facts = (
        Fact("Clip", _extent(graph, shown)),
        Fact("Pictures", images_of),
        Fact("Lengths", "in metres") if graph.metric else unknown_scale,
        Fact("Depth", "; ".join(graph.depth_origin)),
        Fact("Background", _background(run)),
        Fact("Health", _incidents(run)),
        *(
            Fact(str(slot).capitalize(), "", str(use.get("name", "")), f" {use.get('meaning', '')}")
            for slot, use in _mapping(run, "engines").items()
            if isinstance(use, Mapping)
        ),
    )
    return [fact for fact in facts if any(fact[1:])]


def _background(run: Mapping[str, Any]) -> str:
    count = _mapping(run, "health").get("background_regions")
    if not isinstance(count, int) or count <= 0:
        return ""
    return f"{_counted(count, 'surface')} that objects rest on or stand before: not tracked"


def _incidents(run: Mapping[str, Any]) -> str:
    """Return how many incidents of each kind the record counts."""
    kinds = _mapping(_mapping(run, "health"), "incidents")
    counts = {str(kind): _mapping(kinds, kind).get("count") for kind in kinds}
    return ", ".join(
        f"{kind.replace('_', ' ')}: {count}" for kind, count in counts.items() if isinstance(count, int) and count > 0
    )


def stage_times(run: Mapping[str, Any]) -> list[StageTime]:
    """Return the stages of the run that took time."""
    known = {str(k): v for k, v in _mapping(run, "stage_seconds").items() if isinstance(v, (int, float)) and v > 0}
    total = sum(known.values())
    return [StageTime(stage, f"{fixed(value, 1)} s", min(1.0, value / total)) for stage, value in known.items()]


def flat_numbers(run: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Return name and value of all that a part of the record holds, nested names joined by dots; lists are left out.

    Args:
        run: the record of the run (untrusted).
        name: of the part.
    """
    rows: list[tuple[str, str]] = []
    waiting = [("", _mapping(run, name))]
    while waiting and len(rows) < MOST_ROWS:
        prefix, part = waiting.pop()
        for key, value in part.items():
            if isinstance(value, Mapping):
                waiting.append((f"{prefix}{key}.", value))
            elif not isinstance(value, list):
                rows.append((f"{prefix}{key}", "\N{EN DASH}" if value is None else str(value)))
    return sorted(rows[:MOST_ROWS])


def run_warnings(run: Mapping[str, Any]) -> list[str]:
    """Return the warnings of the run."""
    notes = run.get("warnings")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def _extent(graph: SceneGraph, shown: int) -> str:
    observations = sum(len(track.observations) for track in graph.tracks.values())
    parts = [_counted(graph.num_frames, "frame")]
    if graph.num_frames and math.isfinite(graph.ego.time_s[-1]):
        parts.append(f"{fixed(float(graph.ego.time_s[-1] - graph.ego.time_s[0]), 1)} s")
    parts += [_counted(len(graph.tracks), "object"), _counted(observations, "observation")]
    if shown < graph.num_frames:
        parts.append(f"{_counted(shown, 'frame')} shown, evenly spread")
    return ", ".join(parts)


def table_rows(graph: SceneGraph, moves: Mapping[int, tuple[str, str, float, float]]) -> list[TableRow]:
    """Return the table of tracks, in the order of the graph.

    Args:
        graph: the scene graph.
        moves: how far and how fast objects move, by their numbers: as text and as numbers.
    """
    time_s = dict(zip(graph.ego.t.tolist(), graph.ego.time_s.tolist(), strict=True))
    summaries = {track.object_id: _summary(track, time_s) for track in graph.tracks.values()}
    unit = "m" if graph.metric else "u"
    decimals = 2 if graph.metric else _decimals(list(summaries.values()))
    unknown = (_DASH, _DASH, math.nan, math.nan)
    return [
        TableRow(
            object_id,
            (*_cells(summary, unit, decimals), *moves.get(object_id, unknown)[:2]),
            (*_keys(graph.tracks[object_id], summary), *map(_known, moves.get(object_id, unknown)[2:])),
        )
        for object_id, summary in summaries.items()
    ]


def _keys(track: Track, summary: _TrackSummary) -> tuple[float, ...]:
    """Return what rows are sorted by: first frame, observations, distance from the origin and largest extent."""
    distance, extent = float(np.linalg.norm(summary.position)), float(summary.size.max())
    return (float(track.theta[0]), float(summary.observations), _known(distance), _known(extent))


def _known(value: float) -> float:
    return float(f"{value:.6g}") if math.isfinite(value) else -1.0


def _cells(summary: _TrackSummary, unit: str, decimals: int) -> tuple[str, ...]:
    def lengths(values: Sequence[float], between: str = ", ") -> str:
        return between.join(fixed(value, decimals) for value in values)

    return (
        _span(summary.first_s, summary.last_s),
        str(summary.observations) + (f" + {summary.unplaced} unplaced" if summary.unplaced else ""),
        lengths(summary.position.tolist()),
        f"{lengths(summary.size.tolist(), _TIMES)} {unit}",
    )


def _decimals(summaries: Sequence[_TrackSummary]) -> int:
    """Return how many decimals tell objects of an unknown scale apart: a hundredth of their usual size."""
    sizes = [float(summary.size.max()) for summary in summaries]
    usual = statistics.median(sizes) if sizes else 0.0
    return min(9, max(0, 2 - math.floor(math.log10(usual)))) if usual > 0 else 2


def _span(first_s: float, last_s: float) -> str:
    return f"{fixed(first_s, 1)} {_DASH} {fixed(last_s, 1)} s" if math.isfinite(first_s) else _DASH


def fixed(value: float, decimals: int) -> str:
    """Return a number with a fixed number of decimals and a true minus sign."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _mapping(run: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = run.get(name)
    return part if isinstance(part, Mapping) else {}


def _summary(track: Track, time_s: dict[int, float]) -> _TrackSummary:
    observations = track.observations
    return _TrackSummary(
        observations=len(observations),
        unplaced=len(track.unplaced),
        first_s=time_s[observations[0].t],
        last_s=time_s[observations[-1].t],
        position=np.asarray(observations.centroid.mean(axis=0, dtype=np.float64)),
        size=np.median(observations.high - observations.low, axis=0).astype(np.float64),
    )
