"""Metres for a graph in an unknown scale, from lengths that a person states.

Each statement gives the scale as the ratio of the stated length to the graph's own, as unsure as both are: the graph's
as the tools measure it. The scales are averaged as logarithms, weighted by their certainty.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import exp, hypot, log, sqrt
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import chdtrc

from fast_snow.errors import InputError
from fast_snow.reasoning.tools.hypothesis_tests import LEVEL
from fast_snow.reasoning.tools.positions import distance, size
from fast_snow.reasoning.tools.tool_answers import NamedValue, ToolAnswer
from fast_snow.reasoning.tools.tracks import camera_at
from fast_snow.types import Scale, SceneGraph, Track

_NUMBER: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_UNIT: Final = "mm|cm|m"
_STATEMENT: Final = re.compile(
    r"(?:object (?P<object>[0-9]{1,9}) extent (?P<axis>[xyz])"
    r"|distance (?P<one>[0-9]{1,9}) (?P<other>[0-9]{1,9}) at (?P<t>[0-9]{1,9})"
    r"|camera (?P<first>[0-9]{1,9}) (?P<last>[0-9]{1,9}))"
    rf" ?= ?(?P<length>{_NUMBER}) ?(?P<unit>{_UNIT})(?: ?(?:±|\+/?-) ?(?P<error>{_NUMBER}) ?(?P<error_unit>{_UNIT})?)?"
)
_METRES: Final = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
_EXTENT: Final = {"x": "width", "y": "height", "z": "depth"}
"""What the tool `size` calls the extents along the world's axes."""
_EXAMPLE: Final = (
    'expected, say, "object 3 extent y = 0.75 m ± 0.01", "distance 3 7 at 12 = 1.2 m" or "camera 0 40 = 2 m"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A length that a person knows.

    Attributes:
        text: as it was written.
        objects: one object and the axis of its extent, two for their distance, none for the camera.
        axis: x, y or z for an extent; else empty.
        t: the frame of a distance, or the two frames between which the camera moved.
        metres: the length.
        sigma: its standard deviation in metres.
    """

    text: str
    objects: tuple[int, ...]
    axis: str
    t: tuple[int, ...]
    metres: float
    sigma: float


def read_statement(text: str) -> Statement:
    """Read a statement; without ±, half of the last digit is its standard deviation.

    Raises:
        InputError: it is none.
    """
    match = _STATEMENT.fullmatch(" ".join(text.split()))
    if match is None:
        raise InputError(f"rescale: got {text[:80]!r}, {_EXAMPLE}")
    part = match.groupdict()
    unit = _METRES[part["unit"]]
    decimals = len(part["length"].partition(".")[2])
    metres, sigma = float(part["length"]) * unit, 0.5 * 10.0**-decimals * unit
    if part["error"] is not None:
        sigma = float(part["error"]) * _METRES[part["error_unit"] or part["unit"]]
    if not (metres > 0 and sigma > 0):
        raise InputError(f"rescale: got {text[:80]!r}, expected a length and an error above 0")
    return Statement(
        text=match[0],
        objects=tuple(int(part[name]) for name in ("object", "one", "other") if part[name] is not None),
        axis=part["axis"] or "",
        t=tuple(int(part[name]) for name in ("t", "first", "last") if part[name] is not None),
        metres=metres,
        sigma=sigma,
    )


def scale_of(graph: SceneGraph, statements: Sequence[str]) -> Scale:
    """Return the scale that statements give a graph, with respect to the unit that it had at first.

    Raises:
        InputError: there is none, one cannot be read or measured, they contradict each other, or the graph was metric.
        ToolError: the graph has no such object or frame.
    """
    if graph.metric and graph.scale is None:
        raise InputError("rescale: the graph is in metres already, expected one in an unknown scale")
    if not statements:
        raise InputError(f"rescale: got no statement, {_EXAMPLE}")
    known = [read_statement(each) for each in statements]
    ratios = [_log_ratio(replace(graph, scale=None), each) for each in known]
    value, sigma = (np.array(each) for each in zip(*ratios, strict=True))
    weight = sigma**-2.0
    mean = float(weight @ value / weight.sum())
    excess, freedom = float(weight @ (value - mean) ** 2), len(known) - 1
    if freedom and chdtrc(freedom, excess) < LEVEL:
        raise InputError(_contradiction(known, ratios))
    inflated = sqrt(max(1.0, excess / freedom)) if freedom else 1.0
    before = graph.scale.metres_per_unit if graph.scale is not None else 1.0
    return Scale(
        metres_per_unit=before * exp(mean),
        relative_sigma=float(inflated / sqrt(weight.sum())),
        statements=len(known),
    )


def rescaled(graph: SceneGraph, scale: Scale) -> SceneGraph:
    """Return a graph in metres: all lengths multiplied, also where an earlier scale had been applied."""
    before = graph.scale.metres_per_unit if graph.scale is not None else 1.0
    factor = np.float64(scale.metres_per_unit / before)

    def longer(values: np.ndarray) -> np.ndarray:
        return (factor * values).astype(np.float32)

    def track(each: Track) -> Track:
        seen = each.observations
        low, high = longer(seen.low), longer(seen.high)
        scaled = replace(seen, centroid=longer(seen.centroid), sigma=longer(seen.sigma), low=low, high=high)
        return replace(each, observations=scaled)

    return replace(
        graph,
        metric=True,
        scale=scale,
        ego=replace(graph.ego, position=longer(graph.ego.position)),
        tracks=MappingProxyType({object_id: track(each) for object_id, each in graph.tracks.items()}),
        merges=tuple(replace(each, distance=float(factor * each.distance)) for each in graph.merges),
    )


def _log_ratio(graph: SceneGraph, statement: Statement) -> tuple[float, float]:
    """Return the logarithm of the stated length over the graph's, and its standard deviation."""
    length, sigma = _length(graph, statement)
    if not length > 0:
        raise InputError(f"rescale: {statement.text!r}: that length is 0 in the graph, expected one above 0")
    return log(statement.metres / length), hypot(statement.sigma / statement.metres, sigma / length)


def _length(graph: SceneGraph, statement: Statement) -> tuple[float, float]:
    """Return a length in the graph's unit and its standard deviation; the camera's path has none of its own."""
    if not statement.objects:
        first, last = (camera_at(graph, t).position[0] for t in statement.t)
        return float(np.linalg.norm(last - first)), 0.0
    if statement.axis:
        answer = _known(size(graph, object_id=statement.objects[0]), statement)
        return _plain(next(each for each in answer.figures if each.name == _EXTENT[statement.axis]))
    one, other = statement.objects
    return _plain(_known(distance(graph, object_id=one, other_id=other, t=statement.t[0]), statement))


def _plain(measured: ToolAnswer | NamedValue) -> tuple[float, float]:
    assert isinstance(measured.value, float)
    assert isinstance(measured.sigma, float)
    return measured.value, measured.sigma


def _known(answer: ToolAnswer, statement: Statement) -> ToolAnswer:
    if answer.value is None:
        raise InputError(f"rescale: {statement.text!r}: cannot be measured in the graph: {answer.reason}")
    return answer


def _contradiction(statements: Sequence[Statement], ratios: Sequence[tuple[float, float]]) -> str:
    """Name the two statements that differ most, and the scale that each gives."""

    def apart(pair: tuple[int, int]) -> float:
        (one, one_sigma), (other, other_sigma) = (ratios[i] for i in pair)
        return abs(one - other) / hypot(one_sigma, other_sigma)

    worst = max(combinations(range(len(statements)), 2), key=apart)
    shown = " but ".join(
        f"{statements[i].text!r} gives {exp(ratios[i][0]):.4g} ± {exp(ratios[i][0]) * ratios[i][1]:.2g} m per unit"
        for i in worst
    )
    return f"rescale: statements contradict each other: {shown}; correct one or state a larger ±"
