"""All spatial tools: as they are offered to a model, their arguments checked, and a model's calls answered.

A tool is a function; its annotated signature and its docstring are all that is said of it anywhere.
"""

import difflib
import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.reasoning.conversation import ToolCall, ToolDeclaration, ToolOutcome, UseTool
from fast_snow.reasoning.tools import image_motion, motion, positions, presence, relations, turning
from fast_snow.reasoning.tools.appearance import outline_notes
from fast_snow.reasoning.tools.tool_answers import ToolAnswer, ToolError
from fast_snow.reasoning.tools.tracks import trajectory_of
from fast_snow.types import SceneGraph

__all__ = ["TOOLS", "Tool", "ToolAnswer", "ToolError", "call_tool", "declarations", "tools_over"]

_FUNCTIONS: Final[tuple[Callable[..., ToolAnswer], ...]] = (
    presence.list_objects,
    presence.when_visible,
    presence.order_of_appearance,
    presence.order_of_events,
    positions.position,
    positions.distance,
    positions.direction,
    relations.nearest,
    relations.between,
    relations.count,
    positions.size,
    positions.compare_sizes,
    motion.is_moving,
    motion.displacement,
    motion.speed,
    motion.heading,
    turning.turning,
    turning.spinning,
    relations.approach,
    image_motion.motion_in_image,
    image_motion.motion_without_camera,
    motion.camera_motion,
)
_OF_NO_PLACE: Final = (
    presence.list_objects,
    presence.when_visible,
    presence.order_of_appearance,
    presence.order_of_events,
    relations.count,
    image_motion.motion_in_image,
)
"""They answer by time or image alone."""
_FRAMES: Final = ("t", "t_from", "t_to")
_OBJECTS: Final = ("object_id", "other_id")
MOST_CHARACTERS: Final = 24_000
"""Longest outcome: some 10 000 tokens, so that a few of them never push the graph out of a model's context."""
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(ToolDeclaration):
    """A spatial tool, as it is offered to a model and as it answers.

    Attributes:
        function: answers, from a graph and keyword arguments.
        summary: what it answers, in one line.
        required: the arguments that may not be left out.
    """

    function: Callable[..., ToolAnswer]
    summary: str
    required: frozenset[str]

    @property
    def arguments(self) -> Mapping[str, Mapping[str, Any]]:
        """JSON Schema and description of each argument by its name; null is allowed where it may be left out."""
        return self.parameters["properties"]

    @property
    def usage(self) -> str:
        """The arguments by name, those that may be left out in brackets."""
        return " ".join(name if name in self.required else f"[{name}]" for name in self.arguments)


def _tool(function: Callable[..., ToolAnswer]) -> Tool:
    text, hints = inspect.cleandoc(function.__doc__ or ""), get_type_hints(function, include_extras=True)
    taken = {name: each for name, each in inspect.signature(function).parameters.items() if name != "graph"}
    properties = {
        name: {**_schema(hints[name].__origin__), "description": hints[name].__metadata__[0]} for name in taken
    }
    return Tool(
        name=function.__name__,
        description=" ".join(_flowing(each) for each in text.split("\n\n")),
        parameters={
            "type": "object",
            "properties": properties,
            "required": [*properties],
            "additionalProperties": False,
        },
        function=function,
        summary=_flowing(text.partition("\n\n")[0]),
        required=frozenset(name for name, each in taken.items() if each.default is inspect.Parameter.empty),
    )


def _flowing(text: str) -> str:
    return " ".join(text.split())


def _schema(hint: Any) -> dict[str, Any]:  # noqa: ANN401 (a type)
    """Return the JSON Schema of a type."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (each for each in get_args(hint) if each is not NoneType)
        schema = _schema(inner)
        nullable = {**schema, "type": [schema["type"], "null"]}
        return {**nullable, "enum": [*schema["enum"], None]} if "enum" in schema else nullable
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0])}
    return {"type": {int: "integer", float: "number"}[hint]}


TOOLS: Final[Mapping[str, Tool]] = MappingProxyType({each.__name__: _tool(each) for each in _FUNCTIONS})


def declarations() -> tuple[ToolDeclaration, ...]:
    """Return all tools as they are offered to a model."""
    return tuple(
        ToolDeclaration(name=each.name, description=each.description, parameters=each.parameters)
        for each in TOOLS.values()
    )


def call_tool(graph: SceneGraph, name: str, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Answer a question about a graph.

    Args:
        graph: the graph.
        name: of the tool.
        arguments: as they come from JSON; optional ones may be missing or null.

    Returns:
        The answer.

    Raises:
        ToolError: no such tool, argument, object or frame, or a value of the wrong kind; one line.
    """
    if name not in TOOLS:
        raise ToolError(f"tool: got {_shown(name)}, expected {_nearest(name, list(TOOLS))}")
    tool = TOOLS[name]
    for given in arguments:
        if given not in tool.arguments:
            expected = _nearest(given, list(tool.arguments)) if tool.arguments else "no arguments"
            raise ToolError(f"{name}: got argument {_shown(given)}, expected {expected}")
    checked = {}
    for argument, schema in tool.arguments.items():
        value = arguments.get(argument)
        if value is not None:
            checked[argument] = _checked(argument, value, schema)
        elif argument in tool.required:
            meaning = schema["description"].rstrip(".")
            raise ToolError(f"{name}: missing required argument {argument} ({meaning}); takes {tool.usage}")
    across = _across_segments(graph, tool, checked)
    return across or _with_doubts(graph, tool.function(graph, **checked), checked)


def _across_segments(graph: SceneGraph, tool: Tool, arguments: Mapping[str, Any]) -> ToolAnswer | None:
    """Answer "unknown" where a tool would compare places of two segments, whose worlds are not known to each other."""
    if len(graph.segments) < 2 or tool.function in _OF_NO_PLACE:
        return None
    frames = [value for name, value in arguments.items() if name in _FRAMES]
    named = [graph.tracks.get(value) for name, value in arguments.items() if name in _OBJECTS]
    open_ended = "t" not in arguments and not {"t_from", "t_to"} <= arguments.keys()
    for track in (each for each in named if each is not None):
        first, last = track.theta
        if open_ended or graph.segment_of(first) == graph.segment_of(last):  # else it is recorded, and lies in several
            frames += [first, last]
    if open_ended and not named:
        ends = {"t_from": int(graph.ego.t[0]), "t_to": int(graph.ego.t[-1])}
        frames += [t for name, t in ends.items() if name not in arguments]
    found = sorted({graph.segment_of(t) for t in frames})
    if len(found) < 2:
        return None
    spans = [list(graph.segments[i]) for i in found]
    return ToolAnswer(
        value=None,
        reason=f"the frames or objects lie in segments {spans} of the clip, whose worlds and scales are not known to"
        " each other; ask within one of them",
    )


def _with_doubts(graph: SceneGraph, answer: ToolAnswer, arguments: Mapping[str, Any]) -> ToolAnswer:
    """Add what makes the outline doubtful of the object whose span was asked about."""
    if answer.value is None or "object_id" not in arguments or "t" in arguments:
        return answer
    span = (arguments.get("t_from"), arguments.get("t_to"))
    notes = outline_notes(graph, trajectory_of(graph, arguments["object_id"], *span))
    return replace(answer, notes=(*answer.notes, *notes))


def _checked(name: str, value: object, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 (what the schema says)
    """Return a value in the form of a schema."""
    if "enum" in schema:
        options = [each for each in schema["enum"] if each is not None]
        if value not in options:
            raise ToolError(f"{name}: got {_shown(value)}, expected one of {', '.join(options)}")
        return value
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "array":
        if not isinstance(value, (list, tuple)) or not value:
            raise ToolError(f"{name}: got {_shown(value)}, expected a list of numbers, such as [0, 1]")
        return tuple(_checked(name, each, schema["items"]) for each in value)
    whole = kind == "integer"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _moderate(value) or (whole and value % 1):
        raise ToolError(f"{name}: got {_shown(value)}, expected a {'whole' if whole else 'finite'} number")
    return int(value) if whole else float(value)


def _moderate(value: int | float) -> bool:
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63


def _nearest(given: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(given)[:_LONGEST_SHOWN], known, n=3)
    return " or ".join(near) if near else f"one of {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def tools_over(graph: SceneGraph) -> UseTool:
    """Return what answers a model's tool calls from a graph; errors go back to the model and are never raised."""

    def use(call: ToolCall) -> ToolOutcome:
        try:
            answer = call_tool(graph, call.name, _arguments(call.arguments))
        except ToolError as error:
            return ToolOutcome.failure(call, str(error))
        return _bounded(call, answer.as_json())

    return use


def _bounded(call: ToolCall, result: Mapping[str, Any]) -> ToolOutcome:
    """Refuse an answer that is too long: cut JSON reads as if the rest were not there."""
    content = json.dumps(result, ensure_ascii=False)
    if len(content) <= MOST_CHARACTERS:
        return ToolOutcome(call_id=call.call_id, name=call.name, content=content, result=result)
    size = f"the answer has {len(content)} characters, at most {MOST_CHARACTERS} are given"
    return ToolOutcome.failure(call, f"{size}; ask for less at once, like one frame or one object")


def _arguments(text: str) -> dict[str, Any]:
    """Read what a model wrote; some write nothing at all for a tool without arguments."""
    try:
        arguments = untrusted_json.loads(text.strip() or "{}")
    except InputError as error:
        raise ToolError(f"arguments: no JSON ({error}), expected an object like the tool's parameters") from None
    if not isinstance(arguments, dict):
        raise ToolError(f"arguments: got a JSON {type(arguments).__name__}, expected an object")
    return arguments
