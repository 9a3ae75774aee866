"""The plots of the report as SVG: text in the page's own font, colours that hold on light and dark ground."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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


SvgLength = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterPoint:
    """One point of a scatter plot.

    Attributes:
        x: greater than 0.
        y: in [0, 1].
        series: index of its colour.
        label: shown where the pointer rests.
        large: a total, not a clip.
    """

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


def draw_scatter(points: Sequence[ScatterPoint], *, x_label: str, y_label: str) -> Markup:
    """Draw points over a logarithmic x axis and a y axis from 0 to 1."""
    height = 320
    ticks = log_ticks(min(p.x for p in points), max(p.x for p in points))
    low, high = math.log(ticks[0]), math.log(ticks[-1])

    def across(x: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log(x) - low) / (high - low)

    def up(y: float) -> float:
        return height - _BOTTOM - (height - _TOP - _BOTTOM) * min(max(y, 0.0), 1.0)

    parts = [_vertical(across(x), height, f"{x:g}") for x in ticks]
    parts += [_horizontal(up(k / 5), f"{k / 5:.1f}") for k in range(6)]
    parts += [
        _text((_LEFT + WIDTH - _RIGHT) / 2, height - 6, x_label, "middle"),
        _html(
            '<text class="axis" text-anchor="middle" transform="translate(13 {:g}) rotate(-90)">{}</text>',
            *((height - _BOTTOM + _TOP) / 2, y_label),
        ),
    ]
    for p in sorted(points, key=lambda each: each.large):
        radius, opacity, kind = (9, 1.0, "total") if p.large else (4.5, 0.6, "clip")
        circle = '<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}" fill-opacity="{}" class="{}">'
        parts.append(
            _html(
                circle + "<title>{}</title></circle>",
                across(p.x),
                up(p.y),
                radius,
                color_of(p.series),
                opacity,
                kind,
                p.label,
            )
        )
    return _svg(height, parts, f"{y_label} over {x_label}")


def draw_stacked(bars: Sequence[StackedBar], *, x_label: str) -> Markup:
    """Draw rows of parts that add up, from 0."""
    height = _TOP + _ROW * len(bars) + _BOTTOM
    across, parts = _linear(max(sum(bar.parts.values()) for bar in bars), height, x_label)
    names = list(dict.fromkeys(name for bar in bars for name in bar.parts))
    for row, bar in enumerate(bars):
        y, begin = _TOP + _ROW * row, 0.0
        parts.append(_text(_LABELS - 8, y + _ROW / 2 + 4, shortened(bar.label), "end", "name"))
        for name, value in bar.parts.items():
            series, width = names.index(name), across(value) - across(0.0)
            parts.append(
                _html(
                    '<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="{}"><title>{}: {} {:.4g}</title></rect>',
                    *(across(begin), y + 3, width, _ROW - 6, color_of(series), bar.label, name, value),
                )
            )
            if width > _LETTER * (len(name) + 1):
                parts.append(_inside(across(begin) + width / 2, y + _ROW / 2 + 4, name, series))
            begin += value
    return _svg(height, parts, x_label)


def draw_spans(rows: Sequence[SpanRow], *, x_label: str) -> Markup:
    """Draw rows from a filled dot, the usual value, to an open one, the bad value."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    across, parts = _linear(max(row.bad for row in rows), height, x_label)
    for k, row in enumerate(rows):
        y, ink = _TOP + _ROW * (k + 0.5), color_of(row.series)
        parts += [
            _text(_LABELS - 8, y + 4, shortened(row.label), "end", "name"),
            _html(
                '<line x1="{:.1f}" x2="{:.1f}" y1="{:g}" y2="{:g}" stroke="{}" stroke-width="3"/>',
                *(across(row.usual), across(row.bad), y, y, ink),
            ),
            _html(
                '<circle cx="{:.1f}" cy="{:g}" r="5" stroke="{}" class="bad"><title>{}: {:.4g}</title></circle>',
                *(across(row.bad), y, ink, row.label, row.bad),
            ),
            _html(
                '<circle cx="{:.1f}" cy="{:g}" r="5" fill="{}"><title>{}: {:.4g}</title></circle>',
                *(across(row.usual), y, ink, row.label, row.usual),
            ),
        ]
    return _svg(height, parts, x_label)


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


class _Across:
    """Places values on a linear x axis."""

    def __init__(self, top: float) -> None:
        self.scale = (WIDTH - _LABELS - _RIGHT) / top

    def __call__(self, value: float) -> float:
        return _LABELS + self.scale * value


def _linear(high: float, height: int, label: str) -> tuple[_Across, list[Markup]]:
    ticks = linear_ticks(high)
    across = _Across(ticks[-1])
    parts = [_vertical(across(tick), height, f"{tick:g}") for tick in ticks]
    return across, [*parts, _text((_LABELS + WIDTH - _RIGHT) / 2, height - 6, label, "middle")]


def _vertical(x: SvgLength, height: int, label: str) -> Markup:
    line = _html('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>', x, x, _TOP, height - _BOTTOM)
    return line + _text(x, height - _BOTTOM + 14, label, "middle")


def _horizontal(y: SvgLength, label: str) -> Markup:
    line = _html('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>', _LEFT, WIDTH - _RIGHT, y, y)
    return line + _text(_LEFT - 6, y + 4, label, "end")


def _text(x: SvgLength, y: SvgLength, text: str, anchor: str, kind: str = "axis") -> Markup:
    return _html('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>', kind, x, y, anchor, text)


def _inside(x: SvgLength, y: SvgLength, text: str, series: int) -> Markup:
    return _html('<text x="{:.1f}" y="{:.1f}" text-anchor="middle" fill="{}">{}</text>', x, y, ink_on(series), text)


def _svg(height: int, parts: Sequence[Markup], title: str) -> Markup:
    drawing = Markup().join(parts)
    return _html('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>', WIDTH, height, title, drawing)


def _html(template: str, *values: object) -> Markup:
    """Fill a template; every value is escaped but what is markup already."""
    return Markup(template).format(*values)
