"""OpenAI's Responses API.

Nothing is stored at the provider (`store` is false), so a thought comes encrypted and goes back with the turn that it
led to. Answers are taken whole, not streamed: a turn is acted on only when it is complete.

Reference: https://developers.openai.com/api/docs/guides/reasoning (encrypted reasoning items).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fast_snow.config import VlmConfig
from fast_snow.errors import EngineError
from fast_snow.reasoning.conversation import (
    ImagePart,
    ModelReply,
    ModelTurn,
    TextPart,
    ToolCall,
    ToolDeclaration,
    ToolTurn,
    Turn,
    Usage,
    UserTurn,
)
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.transport import (
    Interface,
    OptionalField,
    checked_reply,
    data_url,
    encodable,
    expect_array,
    expect_object,
    expect_text,
    inner_text,
    temperature_to_send,
    token_count,
)

_Item = Mapping[str, Any]

_INCLUDE = OptionalField(name="include", pattern=r"\binclude\b|encrypted")  # models that do not think refuse it
_STORE = OptionalField(
    name="store", pattern=r"\bstore\b", own_needs_it=True
)  # who does not know the word stores nothing


def _request(
    config: VlmConfig, endpoint: Endpoint, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration]
) -> _Item:
    return {
        "model": config.model,
        "instructions": encodable(instructions),
        "input": [item for turn in turns for item in _items(turn)],
        "max_output_tokens": config.max_output_tokens,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "temperature": temperature_to_send(config, endpoint),
        "tools": [_function(each) for each in tools] or None,
        "stream": False,  # some servers stream unless told
    }


def _function(tool: ToolDeclaration) -> _Item:
    parameters = dict(tool.parameters)
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": parameters,
        "strict": True,
    }


def _items(turn: Turn) -> Iterable[_Item]:
    match turn:
        case UserTurn():
            return [{"type": "message", "role": "user", "content": [_part(each) for each in turn.parts]}]
        case ModelTurn(native=tuple() as items):  # as they came
            return items
        case ModelTurn():
            words = [{"type": "message", "role": "assistant", "content": encodable(turn.text)}] if turn.text else []
            return [*words, *map(_call, turn.calls)]
        case ToolTurn():
            return [
                {"type": "function_call_output", "call_id": each.call_id, "output": encodable(each.content)}
                for each in turn.outcomes
            ]


def _part(part: TextPart | ImagePart) -> _Item:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": encodable(part.text)}
    return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}


def _call(call: ToolCall) -> _Item:
    return {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}


def _reply(endpoint: Endpoint, body: Mapping[str, Any]) -> ModelReply:
    _expect_no_failure(endpoint, body)
    items = [expect_object(each, "an item of output") for each in expect_array(body.get("output"), "output")]
    items = [each for each in items if each.get("status") != "incomplete" or each.get("type") == "message"]
    contents = [
        expect_object(part, "a part of a message")
        for each in items
        if each.get("type") == "message"
        for part in expect_array(each.get("content"), "content")
    ]
    turn = ModelTurn(
        text="".join(expect_text(each.get("text"), "text") for each in contents if each.get("type") == "output_text"),
        calls=tuple(_tool_call(each) for each in items if each.get("type") == "function_call"),
        native=tuple(_kept(each) for each in items if _belongs_back(each)),
    )
    reason = inner_text(body, "incomplete_details", "reason")
    refusals = " ".join(
        expect_text(each.get("refusal"), "refusal") for each in contents if each.get("type") == "refusal"
    )
    usage = body.get("usage")
    return checked_reply(
        endpoint,
        turn,
        Usage(
            input_tokens=token_count(usage, "input_tokens"),
            cached_tokens=token_count(usage, "input_tokens_details", "cached_tokens"),
            output_tokens=token_count(usage, "output_tokens"),
            thought_tokens=token_count(usage, "output_tokens_details", "reasoning_tokens"),
        ),
        cut_off=reason == "max_output_tokens",
        refused="content filter" if reason == "content_filter" else refusals,
    )


def _expect_no_failure(endpoint: Endpoint, body: Mapping[str, Any]) -> None:
    if body.get("error") or body.get("status") in ("failed", "cancelled"):
        error = body.get("error")
        why = error.get("message") if isinstance(error, Mapping) else error
        shown = " ".join(str(why).split())[:300]
        raise EngineError(f"{endpoint.name}: {endpoint.model} failed on the request ({shown}): ask again")


def _tool_call(item: _Item) -> ToolCall:
    return ToolCall(
        call_id=expect_text(item.get("call_id"), "call_id"),
        name=expect_text(item.get("name"), "name"),
        arguments=expect_text(item.get("arguments"), "arguments"),
    )


def _belongs_back(item: _Item) -> bool:
    """Tell whether an item can be sent back: a thought that is not encrypted is known to nobody afterwards."""
    kind = item.get("type")
    return kind in ("message", "function_call") or (kind == "reasoning" and bool(item.get("encrypted_content")))


def _kept(item: _Item) -> _Item:
    return {name: value for name, value in item.items() if value is not None}


INTERFACE = Interface(request=_request, reply=_reply, optional_fields=(_INCLUDE, _STORE))
