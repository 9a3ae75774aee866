"""Metres for a graph in an unknown scale, from lengths that a person states.

Each statement gives the scale as the ratio of the stated length to the graph's own, as unsure as both are: the graph's
as the tools measure it. The scales are averaged as logarithms, weighted by their certainty.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot
from typing import Final

import numpy as np

from fast_snow.config.lengths import LENGTH, Length, length_of
from fast_snow.errors import InputError
from fast_snow.reasoning.tools.positions import distance, size
from fast_snow.reasoning.tools.tracks import camera_at
from fast_snow.scaling import ScaleEvidence, joint_scale
from fast_snow.types import Scale, SceneGraph

_STATEMENT: Final = re.compile(
    r"(?:object (?P<object>[0-9]{1,9}) extent (?P<axis>[xyz])"
    r"|distance (?P<one>[0-9]{1,9}) (?P<other>[0-9]{1,9}) at (?P<t>[0-9]{1,9})"
    r"|camera (?P<first>[0-9]{1,9}) (?P<last>[0-9]{1,9}))"
    rf" ?= ?{LENGTH}"
)
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
        length: in metres.
    """

    text: str
    objects: tuple[int, ...]
    axis: str
    t: tuple[int, ...]
    length: Length


def read_statement(text: str) -> Statement:
    """Read a statement; without ±, half of the last digit is its standard deviation.

    Raises:
        InputError: it is none.
    """
    match = _STATEMENT.fullmatch(" ".join(text.split()))
    if match is None:
        raise InputError(f"rescale: got {text[:80]!r}, {_EXAMPLE}")
    part, length = match.groupdict(), length_of(match)
    if length is None:
        raise InputError(f"rescale: got {text[:80]!r}, expected a length and an error above 0")
    return Statement(
        text=match[0],
        objects=tuple(int(part[name]) for name in ("object", "one", "other") if part[name] is not None),
        axis=part["axis"] or "",
        t=tuple(int(part[name]) for name in ("t", "first", "last") if part[name] is not None),
        length=length,
    )


def scale_of(graph: SceneGraph, statements: Sequence[str]) -> Scale:
    """Return the scale that statements give a graph, with respect to the unit that it had at first.

    Raises:
        InputError: there is none, one cannot be read or measured, they contradict each other, or the graph was metric.
        ToolError: the graph has no such object or frame.
    """
    if graph.metric and graph.scale is None:
        raise InputError("rescale: the graph is in metres already, expected one in an unknown scale")
    if len(graph.segments) > 1:
        raise InputError(
            f"rescale: the clip has {len(graph.segments)} segments, each in an unknown scale of its own, expected one"
        )
    if not statements:
        raise InputError(f"rescale: got no statement, {_EXAMPLE}")
    known = [read_statement(each) for each in statements]
    evidence = [_evidence(replace(graph, scale=None), each) for each in known]
    try:
        scale = joint_scale(evidence)
    except InputError as error:
        raise InputError(f"rescale: {error}; correct one or state a larger ±") from None
    before = graph.scale.metres_per_unit if graph.scale is not None else 1.0
    return replace(scale, metres_per_unit=before * scale.metres_per_unit)


def _evidence(graph: SceneGraph, statement: Statement) -> ScaleEvidence:
    """Return the stated length over the graph's."""
    length, sigma = _length(graph, statement)
    if not length > 0:
        raise InputError(f"rescale: {statement.text!r}: that length is 0 in the graph, expected one above 0")
    return ScaleEvidence(
        text=repr(statement.text),
        metres_per_unit=statement.length.metres / length,
        sigma=hypot(statement.length.sigma / statement.length.metres, sigma / length),
    )


def _length(graph: SceneGraph, statement: Statement) -> tuple[float, float]:
    """Return a length in the graph's unit and its standard deviation; the camera's path has none of its own."""
    if not statement.objects:
        first, last = (camera_at(graph, t).position[0] for t in statement.t)
        return float(np.linalg.norm(last - first)), 0.0
    if statement.axis:
        answer = size(graph, object_id=statement.objects[0])
    else:
        one, other = statement.objects
        answer = distance(graph, object_id=one, other_id=other, t=statement.t[0])
    if answer.value is None:
        raise InputError(f"rescale: {statement.text!r}: cannot be measured in the graph: {answer.reason}")
    measured = {each.name: each for each in answer.figures}.get(_EXTENT.get(statement.axis, ""), answer)
    assert isinstance(measured.value, float)
    assert isinstance(measured.sigma, float)
    return measured.value, measured.sigma
