"""What a spatial tool answers, and its form as JSON."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, Final, ParamSpec, TypeVar

import numpy as np
from jaxtyping import Int

from fast_snow.errors import UserError
from fast_snow.types import SceneGraph

Value = float | int | str | bool | tuple[float, ...] | tuple[int, ...] | tuple[str, ...]
Parameters = ParamSpec("Parameters")

# What many tools take; the text is the description that a model is given.
ObjectId = Annotated[int, "number of the object."]
OneObjectId = Annotated[int, "number of the one object."]
OtherObjectId = Annotated[int, "number of the other."]
OtherOrCamera = Annotated[int | None, "number of the other object; null for the camera."]
ObjectIds = Annotated[tuple[int, ...] | None, "numbers of the objects; null for all."]
FrameIndex = Annotated[int, "frame index."]
FirstFrame = Annotated[int | None, "first frame; null for the object's first."]
LastFrame = Annotated[int | None, "last frame; null for the object's last."]

DEGREES: Final = "degrees"
_METRIC_UNITS: Final = ("m", "m/s")
_MOST_EVIDENCE: Final = 40
_DIGITS: Final = 5


class Frame(StrEnum):
    """In which axes an answer is given. Of all of them x points right, y down and z forward."""

    WORLD = "world"
    CAMERA = "camera"
    OBJECT = "object"
    IMAGE = "image"


class Grade(StrEnum):
    """How sure an answer is."""

    STATED = "stated"
    LIKELY = "likely"
    UNKNOWN = "unknown"


def least(*grades: Grade) -> Grade:
    """Return the least sure of some grades."""
    return max(grades, key=list(Grade).index)


def surest(*grades: Grade) -> Grade:
    """Return the surest of some grades; `UNKNOWN` of none."""
    return min(grades, key=list(Grade).index, default=Grade.UNKNOWN)


ONLY_TRACKED: Final = "only what has a number is meant: a thing may have none, or several; count things in the frames"
_LIKELY_NOTE: Final = "likely, not certain: say so"


class ToolError(UserError):
    """A tool that does not exist, or an argument that it cannot take."""


class Unknowable(Exception):  # noqa: N818 (no error: it becomes the answer "unknown")
    """The graph does not tell; the message says why."""


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A named number, or word, beside the answer.

    Attributes:
        name: what it is.
        value: the number; a vector along x, y and z of the answer's frame.
        unit: empty where it has none.
        sigma: standard deviation in the same unit; None where it is exact.
    """

    name: str
    value: Value
    unit: str = ""
    sigma: float | tuple[float, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the figure without its name."""
        return _measured(self.value, self.unit, self.sigma)


@dataclass(frozen=True, slots=True)
class ListEntry:
    """What is said of one object, event or span of a list."""

    figures: tuple[NamedValue, ...]

    @classmethod
    def of(cls, *further: NamedValue, **values: Value) -> "ListEntry":
        """Return an entry of exact values without unit, by name, and further figures behind them."""
        return cls((*(NamedValue(name, value) for name, value in values.items()), *further))

    def as_json(self) -> dict[str, Any]:
        """Return a flat object; a sigma stands behind its figure as NAME_uncertainty."""
        entry: dict[str, Any] = {}
        for each in self.figures:
            entry[each.name] = _number(each.value)
            if each.sigma is not None:
                entry[f"{each.name}_uncertainty"] = _number(each.sigma)
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """The answer of a spatial tool.

    Attributes:
        value: the answer; None where the graph does not tell, and then `reason` says why.
        unit: of `value`; empty where it has none.
        sigma: standard deviation of `value` in the same unit, one per axis of a vector; None where it is exact, or a
            word that was decided by a test.
        frame: the axes in which `value` is given; None where that means nothing.
        evidence: the frames of the clip (`t`) that the answer rests on.
        figures: further numbers.
        entries: one for each object or event of a list.
        notes: what a reader must know to use the answer.
        reason: why the answer is unknown.
        grade: how sure the answer is; without a value it is unknown.
    """

    value: Value | None
    unit: str = ""
    sigma: float | tuple[float, ...] | None = None
    frame: Frame | None = None
    evidence: tuple[int, ...] = ()
    figures: tuple[NamedValue, ...] = ()
    entries: tuple[ListEntry, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    grade: Grade = Grade.STATED

    def __post_init__(self) -> None:
        if self.value is None:
            object.__setattr__(self, "grade", Grade.UNKNOWN)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as JSON; of much evidence, some that are spread evenly, and how many there are."""
        if self.value is None:
            return {"value": "unknown", "grade": str(self.grade), "reason": self.reason, "evidence": []}
        answer = _measured(self.value, self.unit, self.sigma) | {"grade": str(self.grade)}
        if self.frame is not None:
            answer["frame"] = str(self.frame)
        answer |= {each.name: each.as_json() for each in self.figures}
        if self.entries:
            answer["entries"] = [each.as_json() for each in self.entries]
        notes = [*([_LIKELY_NOTE] if self.grade is Grade.LIKELY else []), *self.notes]
        if notes:
            answer["notes"] = notes
        answer["evidence"] = _spread(self.evidence)
        if len(self.evidence) > _MOST_EVIDENCE:
            answer["evidence_count"] = len(self.evidence)
        return answer


AnyFigure = TypeVar("AnyFigure", NamedValue, ToolAnswer)


def spatial_tool(tool: Callable[Parameters, ToolAnswer]) -> Callable[Parameters, ToolAnswer]:
    """Make a tool answer "unknown" where the graph does not tell, and its lengths as unsure as the graph's scale."""

    @wraps(tool)
    def answered(*args: Parameters.args, **kwargs: Parameters.kwargs) -> ToolAnswer:
        try:
            # Documents may hold any finite float32; what overflows is caught as not finite where it is decided.
            with np.errstate(all="ignore"):
                return _with_scale_error(_finite(tool(*args, **kwargs)), *args)
        except Unknowable as why:
            return ToolAnswer(value=None, reason=str(why))

    return answered


def _with_scale_error(answer: ToolAnswer, graph: object = None, *_: object) -> ToolAnswer:
    """Add the uncertainty that all lengths of a rescaled graph share to that of each."""
    if not isinstance(graph, SceneGraph) or graph.scale is None:
        return answer
    share = graph.scale.relative_sigma

    def widened(figure: AnyFigure) -> AnyFigure:
        if figure.sigma is None or figure.unit not in _METRIC_UNITS:
            return figure
        values, sigmas = _floats(figure.value), _floats(figure.sigma)
        both = tuple(math.hypot(sigma, share * value) for value, sigma in zip(values, sigmas, strict=True))
        return replace(figure, sigma=both if isinstance(figure.sigma, tuple) else both[0])

    entries = tuple(ListEntry(tuple(map(widened, each.figures))) for each in answer.entries)
    return replace(widened(answer), figures=tuple(map(widened, answer.figures)), entries=entries)


def _finite(answer: ToolAnswer) -> ToolAnswer:
    measured: list[NamedValue | ToolAnswer] = [
        answer,
        *answer.figures,
        *(each for entry in answer.entries for each in entry.figures),
    ]
    if all(math.isfinite(x) for each in measured for x in (*_floats(each.value), *_floats(each.sigma))):
        return answer
    raise Unknowable("the graph's numbers are too large to reckon with, or its cameras are unknown there")


def _floats(value: object) -> Iterable[float]:
    return (each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, float))


def length_unit(graph: SceneGraph) -> str:
    """Return the unit of the graph's lengths."""
    return "m" if graph.metric else "scene units"


def evidence_frames(t: Iterable[int] | Int[np.ndarray, " n"]) -> tuple[int, ...]:
    """Return frames as evidence: in order, each once."""
    return tuple(sorted({int(each) for each in t}))


def _measured(value: Value, unit: str, sigma: float | tuple[float, ...] | None) -> dict[str, Any]:
    measured: dict[str, Any] = {"value": _number(value)}
    if unit:
        measured["unit"] = unit
    if sigma is not None:
        measured["uncertainty"] = _number(sigma)
    return measured


def _number(value: object) -> Any:  # noqa: ANN401 (any JSON)
    """Return a value as JSON, with as many digits as mean something."""
    if isinstance(value, tuple):
        return [_number(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _spread(evidence: tuple[int, ...]) -> list[int]:
    if len(evidence) <= _MOST_EVIDENCE:
        return list(evidence)
    return [evidence[i] for i in np.linspace(0, len(evidence) - 1, _MOST_EVIDENCE).round().astype(int).tolist()]
