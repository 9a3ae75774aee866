"""SVG plots of the report, in the page's font and in colours that work on light and dark backgrounds.

What is drawn where is computed in this file, and written as markup by `plots.svg.jinja`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from fast_snow.viewing.palette import color_of, ink_on

WIDTH: Final = 640
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 18, 14, 40
_LABELS: Final = 150
"""Room for the names of rows."""
_ROW: Final = 26
_FEWEST_TICKS: Final = 4
_LETTER: Final = 6.6
"""Width of a letter at the plots' size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterPoint:
    """One point of a scatter plot, x above 0 and y in [0, 1]; a total is large, the label shows at the pointer."""

    x: float
    y: float
    series: int
    label: str
    large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedBar:
    """One row of parts that add up; parts in the order of the plot's legend."""

    label: str
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One row from a usual to a bad value."""

    label: str
    usual: float
    bad: float
    series: int


@cache
def template(name: str) -> Template:
    """Return a template of the report; what it prints is escaped."""
    files = PackageLoader("fast_snow.evaluation.report", ".")
    environment = Environment(loader=files, autoescape=True, undefined=StrictUndefined)
    sides = {"WIDTH": WIDTH, "LEFT": _LEFT, "RIGHT": _RIGHT, "TOP": _TOP, "BOTTOM": _BOTTOM}
    rows = {"LABELS": _LABELS, "ROW": _ROW, "LETTER": _LETTER, "shortened": shortened}
    return environment.get_template(name, globals={**sides, **rows, "color_of": color_of, "ink_on": ink_on})


def _drawn(plot: str, *values: object) -> Markup:
    """Return what a macro of the plots writes."""
    markup: Markup = getattr(template("plots.svg.jinja").module, plot)(*values)
    return markup


def draw_scatter(points: Sequence[ScatterPoint], *, x_label: str, y_label: str) -> Markup:
    """Draw points over a logarithmic x axis and a y axis from 0 to 1."""
    height = 320
    ticks = log_ticks(min(p.x for p in points), max(p.x for p in points))
    low, high = math.log(ticks[0]), math.log(ticks[-1])

    def across(x: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log(x) - low) / (high - low)

    def up(y: float) -> float:
        return height - _BOTTOM - (height - _TOP - _BOTTOM) * min(max(y, 0.0), 1.0)

    return _drawn("scatter", points, ticks, across, up, height, x_label, y_label)


def draw_stacked(bars: Sequence[StackedBar], *, x_label: str) -> Markup:
    """Draw rows of parts that add up, from 0."""
    names = list(dict.fromkeys(name for bar in bars for name in bar.parts))
    high = max(sum(bar.parts.values()) for bar in bars)
    return _drawn("stacked", bars, names, *_axis(high), _height(bars), x_label)


def draw_spans(rows: Sequence[SpanRow], *, x_label: str) -> Markup:
    """Draw rows from a filled dot, the usual value, to an open one, the bad value."""
    return _drawn("spans", rows, *_axis(max(row.bad for row in rows)), _height(rows), x_label)


def _height(rows: Sequence[object]) -> int:
    return _TOP + _ROW * len(rows) + _BOTTOM


def _axis(high: float) -> tuple[list[float], Callable[[float], float]]:
    """Return the ticks of a linear x axis from 0, and what places values on it."""
    ticks = linear_ticks(high)
    scale = (WIDTH - _LABELS - _RIGHT) / ticks[-1]
    return ticks, lambda value: _LABELS + scale * value


def log_ticks(low: float, high: float) -> list[float]:
    """Return ticks 1, 2, 5, 10 … (or decades alone) that enclose a range above 0."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    fine = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    decades = [10.0**power for power in range(first, max(last, first + 1) + 1)]
    ticks = fine if last - first <= _FEWEST_TICKS else decades
    begin = max((k for k, tick in enumerate(ticks) if tick <= low), default=0)
    end = min((k for k, tick in enumerate(ticks) if tick >= high), default=len(ticks) - 1)
    return ticks[begin : max(end, begin + 1) + 1]


def linear_ticks(high: float) -> list[float]:
    """Return about five round ticks from 0 to at least `high`."""
    if high <= 0:
        return [0.0, 1.0]
    step = 10.0 ** math.floor(math.log10(high / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if high / (factor * step) <= 5)
    return [step * k for k in range(math.ceil(high / step - 1e-9) + 1)]


def shortened(name: str) -> str:
    """Return a name that fits beside its row."""
    room = int(_LABELS / _LETTER) - 1
    return name if len(name) <= room else f"{name[: room // 2]}…{name[-(room - room // 2 - 1) :]}"
