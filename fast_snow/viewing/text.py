"""The words and numbers of the page. Whatever comes from a file is escaped here."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from fast_snow.types import SceneGraph
from fast_snow.viewing.palette import color_of, ink_on
from fast_snow.viewing.summary import TrackSummary, summarize

_TIMES = " \N{MULTIPLICATION SIGN} "
_DASH = "\N{EN DASH}"
_COLUMNS = (
    ("object", "Object"),
    ("seen", "Seen"),
    ("count", "Observations"),
    ("position", "Mean position x, y, z"),
    ("size", f"Size x{_TIMES}y{_TIMES}z"),
    ("moved", "Net movement"),
    ("speed", "Mean speed"),
)


def headline(run: Mapping[str, Any]) -> str:
    """Return the name of the input."""
    return str(_mapping(run, "input").get("name") or "4D scene graph")


def facts(graph: SceneGraph, run: Mapping[str, Any], shown: int, pictures_of: str = "") -> str:
    """Return what the page says of the run, as HTML.

    Args:
        graph: the scene graph.
        run: the record of the run.
        shown: how many frames the page shows.
        pictures_of: where they come from.
    """
    engines = {
        str(slot).capitalize(): f"<b>{escape(str(use.get('name', '')))}</b> {escape(str(use.get('meaning', '')))}"
        for slot, use in _mapping(run, "engines").items()
        if isinstance(use, Mapping)
    }
    seconds = {str(k): v for k, v in _mapping(run, "stage_seconds").items() if isinstance(v, (int, float))}
    rows = {
        "Clip": escape(_extent(graph, shown)),
        "Pictures": escape(pictures_of),
        "Lengths": "in metres"
        if graph.metric
        else "in one unknown scale <b>u</b>: compare them with each other, not with metres",
        "Depth": escape("; ".join(graph.depth_origin)),
        **{escape(slot): text for slot, text in engines.items()},
        "Time": escape(", ".join(f"{stage} {number(value, 1)} s" for stage, value in seconds.items() if value)),
    }
    notes = run.get("warnings")
    warned = [escape(str(note)) for note in notes] if isinstance(notes, list) else []
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows.items() if text)
    return f"<dl>{listed}</dl>{_warnings(warned)}"


def _warnings(notes: list[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{note}</li>" for note in notes)
    return f'<details class="notes"><summary>{_counted(len(notes), "warning")}</summary><ul>{items}</ul></details>'


def _extent(graph: SceneGraph, shown: int) -> str:
    observations = sum(len(track.observations) for track in graph.tracks.values())
    parts = [_counted(graph.num_frames, "frame")]
    if graph.num_frames and math.isfinite(graph.ego.time_s[-1]):
        parts.append(f"{number(float(graph.ego.time_s[-1] - graph.ego.time_s[0]), 1)} s")
    parts += [_counted(len(graph.tracks), "object"), _counted(observations, "observation")]
    if shown < graph.num_frames:
        parts.append(f"{_counted(shown, 'frame')} shown, evenly spread")
    return ", ".join(parts)


def table(graph: SceneGraph) -> str:
    """Return the table of tracks, as HTML."""
    summaries = summarize(graph)
    lengths = _Lengths(unit="m" if graph.metric else "u", decimals=2 if graph.metric else _decimals(summaries))
    head = "".join(f'<th scope="col" class="{name}">{label}</th>' for name, label in _COLUMNS)
    body = "".join(_row(summary, lengths) for summary in summaries)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lengths:
    """How lengths are written."""

    unit: str
    decimals: int

    def __call__(self, *values: float, between: str = ", ") -> str:
        return between.join(number(value, self.decimals) for value in values)


def _decimals(summaries: Sequence[TrackSummary]) -> int:
    """Return how many decimals tell objects of an unknown scale apart: a hundredth of their usual size."""
    sizes = [float(summary.size.max()) for summary in summaries]
    usual = statistics.median(sizes) if sizes else 0.0
    return min(9, max(0, 2 - math.floor(math.log10(usual)))) if usual > 0 else 2


def _row(summary: TrackSummary, lengths: _Lengths) -> str:
    i, unit = summary.object_id, lengths.unit
    style = f"background:{color_of(i)};color:{ink_on(i)}"
    chip = f'<button type="button" style="{style}" aria-pressed="false" aria-label="Object {i}">{i}</button>'
    cells = (
        _span(summary.first_s, summary.last_s),
        str(summary.count),
        lengths(*summary.position.tolist()),
        f"{lengths(*summary.size.tolist(), between=_TIMES)} {unit}",
        f"{lengths(summary.moved)} {unit}",
        f"{lengths(summary.speed)} {unit}/s" if math.isfinite(summary.speed) else _DASH,
    )
    filled = "".join(
        f'<td class="{name}" data-label="{label}">{cell}</td>'
        for (name, label), cell in zip(_COLUMNS[1:], cells, strict=True)
    )
    return f'<tr data-object="{i}"><th scope="row" class="object">{chip}</th>{filled}</tr>'


def _span(first_s: float, last_s: float) -> str:
    return f"{number(first_s, 1)} {_DASH} {number(last_s, 1)} s" if math.isfinite(first_s) else _DASH


def number(value: float, decimals: int) -> str:
    """Return a number with a fixed number of decimals and a true minus sign."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _mapping(run: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = run.get(name)
    return part if isinstance(part, Mapping) else {}
