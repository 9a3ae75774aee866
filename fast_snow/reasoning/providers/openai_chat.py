"""Chat completions: OpenAI's older interface, which vLLM, Ollama, llama.cpp, `transformers serve` and others speak too.

Answers are taken whole, not streamed: a turn is acted on only when it is complete.
"""

import json
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
from fast_snow.reasoning.providers.error_messages import error_text
from fast_snow.reasoning.providers.transport import (
    Interface,
    OptionalField,
    checked_reply,
    data_url,
    encodable,
    expect_array,
    expect_object,
    expect_text,
    temperature_to_send,
    token_count,
)

Message = Mapping[str, Any]

# Older servers know only the first name, OpenAI's models that think only the second.
_LIMIT = OptionalField(name="max_tokens", pattern="max_completion_tokens", instead="max_completion_tokens")
_SENT_BACK = ("content", "reasoning_content", "reasoning")


def _request(
    config: VlmConfig, endpoint: Endpoint, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration]
) -> Message:
    system = [{"role": "system", "content": encodable(instructions)}] if instructions else []
    return {
        "model": config.model,
        "messages": [*system, *(message for turn in turns for message in _messages(turn))],
        _LIMIT.instead if endpoint.own else _LIMIT.name: config.max_output_tokens,
        "store": False if endpoint.own else None,
        "temperature": temperature_to_send(config, endpoint),
        "tools": [_function(each) for each in tools] or None,
        "stream": False,  # some servers stream unless told
    }


def _function(tool: ToolDeclaration) -> Message:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters), "strict": True}
    return {"type": "function", "function": function}


def _messages(turn: Turn) -> Iterable[Message]:
    match turn:
        case UserTurn():
            return [{"role": "user", "content": _content(turn)}]
        case ModelTurn(native=dict() as message):  # as it came
            return [message]
        case ModelTurn():
            calls = {"tool_calls": [_call(each) for each in turn.calls]} if turn.calls else {}
            return [{"role": "assistant", "content": encodable(turn.text), **calls}]
        case ToolTurn():
            return [
                {"role": "tool", "tool_call_id": each.call_id, "content": encodable(each.content)}
                for each in turn.outcomes
            ]


def _content(turn: UserTurn) -> str | list[Message]:
    """Return the parts; text alone as one string, since servers without images may take nothing else."""
    if all(isinstance(each, TextPart) for each in turn.parts):
        return "\n".join(encodable(each.text) for each in turn.parts if isinstance(each, TextPart))
    return [_part(each) for each in turn.parts]


def _part(part: TextPart | ImagePart) -> Message:
    if isinstance(part, TextPart):
        return {"type": "text", "text": encodable(part.text)}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}


def _call(call: ToolCall) -> Message:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _reply(endpoint: Endpoint, body: Mapping[str, Any]) -> ModelReply:
    choices = expect_array(body.get("choices"), "choices")
    if not choices:
        _complain(endpoint, body)
    choice = expect_object(choices[0], "the first choice")
    message = expect_object(choice.get("message"), "message")
    calls = [
        _identified(each, index) for index, each in enumerate(expect_array(message.get("tool_calls"), "tool_calls"))
    ]
    reason = choice.get("finish_reason")
    usage = body.get("usage")
    return checked_reply(
        endpoint,
        ModelTurn(
            text=_text(message.get("content")),
            calls=tuple(_tool_call(each) for each in calls),
            native=_sent_back(message, calls),
        ),
        Usage(
            input_tokens=token_count(usage, "prompt_tokens"),
            cached_tokens=token_count(usage, "prompt_tokens_details", "cached_tokens"),
            output_tokens=token_count(usage, "completion_tokens"),
            thought_tokens=token_count(usage, "completion_tokens_details", "reasoning_tokens"),
        ),
        cut_off=reason == "length",
        refused="content filter" if reason == "content_filter" else expect_text(message.get("refusal"), "refusal"),
    )


def _complain(endpoint: Endpoint, body: Mapping[str, Any]) -> None:
    """Refuse an answer without a choice; some servers that pass requests on answer errors as if all were well."""
    message, _ = error_text(json.dumps(body))
    why = message or "no choices"
    raise EngineError(f"{endpoint.name}: {endpoint.model} did not answer ({why}): ask again, or check the server")


def _text(content: Any) -> str:  # noqa: ANN401 (JSON of a server)
    """Return the words; some servers send them in parts."""
    if isinstance(content, list):
        parts = [expect_object(each, "a part of content") for each in content]
        return "".join(expect_text(each.get("text"), "text") for each in parts if each.get("type") == "text")
    return expect_text(content, "content")


def _identified(call: Any, index: int) -> Message:  # noqa: ANN401
    """Return a call with the id that its outcome needs, should the server have given none."""
    fields = expect_object(call, "a tool call")
    return {
        **{name: value for name, value in fields.items() if name != "index"},
        "id": fields.get("id") or f"call_{index}",
    }


def _tool_call(call: Message) -> ToolCall:
    function = expect_object(call.get("function"), "function")
    arguments = function.get("arguments")
    return ToolCall(
        call_id=expect_text(call["id"], "id"),
        name=expect_text(function.get("name"), "name"),
        arguments=json.dumps(arguments) if isinstance(arguments, dict) else expect_text(arguments, "arguments"),
    )


def _sent_back(message: Message, calls: Sequence[Message]) -> Message:
    """Return what servers take back: not everything that they send, but thoughts, where calls came of them."""
    kept = {name: message[name] for name in _SENT_BACK if message.get(name) and (calls or name == "content")}
    return {"role": "assistant", **kept, **({"tool_calls": list(calls)} if calls else {})}


INTERFACE = Interface(request=_request, reply=_reply, optional_fields=(_LIMIT,))
