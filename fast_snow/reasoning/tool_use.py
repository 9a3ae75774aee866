"""A model's tool calls executed on a graph; errors go back to the model and are never raised."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.reasoning.agent import UseTool, failed
from fast_snow.reasoning.conversation import ToolCall, ToolOutcome
from fast_snow.reasoning.tools import catalogue
from fast_snow.reasoning.tools.tool_answers import ToolError
from fast_snow.types import SceneGraph

MOST_CHARACTERS: Final = 24_000
"""Longest outcome: some 10 000 tokens, so that a few of them never push the graph out of a model's context."""


def tools_over(graph: SceneGraph) -> UseTool:
    """Return what answers tool calls from a graph."""

    def use(call: ToolCall) -> ToolOutcome:
        try:
            answer = catalogue.call_tool(graph, call.name, _arguments(call.arguments))
        except ToolError as error:
            return failed(call, str(error))
        return _bounded(call, answer.as_json())

    return use


def _bounded(call: ToolCall, result: Mapping[str, Any]) -> ToolOutcome:
    """Refuse an answer that is too long: cut JSON reads as if the rest were not there."""
    content = json.dumps(result, ensure_ascii=False)
    if len(content) <= MOST_CHARACTERS:
        return ToolOutcome(call_id=call.call_id, name=call.name, content=content, result=result)
    size = f"the answer has {len(content)} characters, at most {MOST_CHARACTERS} are given"
    return failed(call, f"{size}; ask for less at once, like one frame or one object")


def _arguments(text: str) -> dict[str, Any]:
    """Read what a model wrote; some write nothing at all for a tool without arguments."""
    try:
        arguments = untrusted_json.loads(text.strip() or "{}")
    except InputError as error:
        raise ToolError(f"arguments: no JSON ({error}), expected an object like the tool's parameters") from None
    if not isinstance(arguments, dict):
        raise ToolError(f"arguments: got a JSON {type(arguments).__name__}, expected an object")
    return arguments
