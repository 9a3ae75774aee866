"""OpenAI's client on its two interfaces: Responses, and chat completions, which vLLM, Ollama and llama.cpp speak too.

Answers are taken whole, not streamed: a turn is acted on only when it is complete. The Responses API stores nothing at
the provider (`store` is false), so a thought comes encrypted and goes back with the turn that it led to.

Reference: https://developers.openai.com/api/docs/guides/reasoning (encrypted reasoning items).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import openai

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
from fast_snow.reasoning.providers.connection import http_client, no_response
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.error_messages import error_text
from fast_snow.reasoning.providers.retry import Attempt, ErrorResponse
from fast_snow.reasoning.providers.transport import (
    Interface,
    OptionalField,
    RemoteModel,
    checked_reply,
    data_url,
    encodable,
    expect_array,
    expect_object,
    expect_text,
    inner_text,
    token_count,
)

_Message = Mapping[str, Any]

# Older servers know only the first name, OpenAI's models that think only the second.
_LIMIT = OptionalField(name="max_tokens", pattern="max_completion_tokens", instead="max_completion_tokens")
_INCLUDE = OptionalField(name="include", pattern=r"\binclude\b|encrypted")  # models that do not think refuse it
_STORE = OptionalField(
    name="store", pattern=r"\bstore\b", own_needs_it=True
)  # who does not know the word stores nothing
_SENT_BACK = ("content", "reasoning_content", "reasoning")


@contextmanager
def open_openai(endpoint: Endpoint, pause: Callable[[float], None]) -> Iterator[RemoteModel]:
    """Open a model behind OpenAI's client; it sends each request once."""
    config = endpoint.config
    chat = config.api == "chat" or (config.api == "auto" and not endpoint.own)
    with http_client(config.timeout_s) as connection:
        client = openai.OpenAI(
            api_key=endpoint.key.value,
            base_url=endpoint.address,
            timeout=config.timeout_s,
            max_retries=0,
            http_client=connection,
        )

        def send(body: Mapping[str, Any]) -> Attempt:
            return _attempt((client.chat.completions if chat else client.responses).with_raw_response.create, body)

        interface = _CHAT if chat else _RESPONSES
        yield RemoteModel(endpoint=endpoint, pause=pause, interface=interface, send=send)


def _attempt(create: Callable[..., Any], body: Mapping[str, Any]) -> Attempt:
    """Send a request once and say what came of it."""
    try:
        text: str = create(**body).http_response.text
    except openai.APIStatusError as error:
        response = error.response
        return ErrorResponse(status=response.status_code, headers=dict(response.headers), body=response.text)
    except openai.APIConnectionError as error:
        return no_response(error)
    return text


def _common(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields of a request that both interfaces have; some servers stream unless told."""
    return {"model": endpoint.config.model, "temperature": endpoint.temperature, "stream": False}


def _function(tool: ToolDeclaration) -> _Message:
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters), "strict": True}


def _usage(counted: Any, read: str, written: str) -> Usage:  # noqa: ANN401 (JSON of a server)
    return Usage(
        input_tokens=token_count(counted, f"{read}_tokens"),
        cached_tokens=token_count(counted, f"{read}_tokens_details", "cached_tokens"),
        output_tokens=token_count(counted, f"{written}_tokens"),
        thought_tokens=token_count(counted, f"{written}_tokens_details", "reasoning_tokens"),
    )


def _chat_request(
    endpoint: Endpoint, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration]
) -> _Message:
    system = [{"role": "system", "content": encodable(instructions)}] if instructions else []
    return {
        **_common(endpoint),
        "messages": [*system, *(message for turn in turns for message in _chat_messages(turn))],
        _LIMIT.instead if endpoint.own else _LIMIT.name: endpoint.config.max_output_tokens,
        "store": False if endpoint.own else None,
        "tools": [{"type": "function", "function": _function(each)} for each in tools] or None,
    }


def _chat_messages(turn: Turn) -> Iterable[_Message]:
    match turn:
        case UserTurn():
            return [{"role": "user", "content": _content(turn)}]
        case ModelTurn(native=dict() as message):  # as it came
            return [message]
        case ModelTurn():
            calls = {"tool_calls": [_chat_call(each) for each in turn.calls]} if turn.calls else {}
            return [{"role": "assistant", "content": encodable(turn.text), **calls}]
        case ToolTurn():
            return [
                {"role": "tool", "tool_call_id": each.call_id, "content": encodable(each.content)}
                for each in turn.outcomes
            ]


def _content(turn: UserTurn) -> str | list[_Message]:
    """Return the parts; text alone as one string, since servers without images may take nothing else."""
    if all(isinstance(each, TextPart) for each in turn.parts):
        return "\n".join(encodable(each.text) for each in turn.parts if isinstance(each, TextPart))
    return [_chat_part(each) for each in turn.parts]


def _chat_part(part: TextPart | ImagePart) -> _Message:
    if isinstance(part, TextPart):
        return {"type": "text", "text": encodable(part.text)}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}


def _chat_call(call: ToolCall) -> _Message:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _chat_reply(endpoint: Endpoint, body: Mapping[str, Any]) -> ModelReply:
    choices = expect_array(body.get("choices"), "choices")
    if not choices:
        _complain(endpoint, body)
    choice = expect_object(choices[0], "the first choice")
    message = expect_object(choice.get("message"), "message")
    calls = [
        _identified(each, index) for index, each in enumerate(expect_array(message.get("tool_calls"), "tool_calls"))
    ]
    reason = choice.get("finish_reason")
    return checked_reply(
        endpoint,
        ModelTurn(
            text=_text(message.get("content")),
            calls=tuple(_called(each) for each in calls),
            native=_sent_back(message, calls),
        ),
        _usage(body.get("usage"), "prompt", "completion"),
        cut_off=reason == "length",
        refused="content filter" if reason == "content_filter" else expect_text(message.get("refusal"), "refusal"),
    )


def _complain(endpoint: Endpoint, body: Mapping[str, Any]) -> None:
    """Refuse an answer without a choice; some servers that pass requests on answer errors as if all were well."""
    message, _ = error_text(json.dumps(body))
    why = message or "no choices"
    raise EngineError(f"{endpoint.label} did not answer ({why}): ask again, or check the server")


def _text(content: Any) -> str:  # noqa: ANN401 (JSON of a server)
    """Return the words; some servers send them in parts."""
    if isinstance(content, list):
        parts = [expect_object(each, "a part of content") for each in content]
        return "".join(expect_text(each.get("text"), "text") for each in parts if each.get("type") == "text")
    return expect_text(content, "content")


def _identified(call: Any, index: int) -> _Message:  # noqa: ANN401
    """Return a call with the id that its outcome needs, should the server have given none."""
    fields = expect_object(call, "a tool call")
    return {
        **{name: value for name, value in fields.items() if name != "index"},
        "id": fields.get("id") or f"call_{index}",
    }


def _called(call: _Message) -> ToolCall:
    function = expect_object(call.get("function"), "function")
    arguments = function.get("arguments")
    return ToolCall(
        call_id=expect_text(call["id"], "id"),
        name=expect_text(function.get("name"), "name"),
        arguments=json.dumps(arguments) if isinstance(arguments, dict) else expect_text(arguments, "arguments"),
    )


def _sent_back(message: _Message, calls: Sequence[_Message]) -> _Message:
    """Return what servers take back: not everything that they send, but thoughts, where calls came of them."""
    kept = {name: message[name] for name in _SENT_BACK if message.get(name) and (calls or name == "content")}
    return {"role": "assistant", **kept, **({"tool_calls": list(calls)} if calls else {})}


_CHAT = Interface(request=_chat_request, reply=_chat_reply, optional_fields=(_LIMIT,))


def _request(
    endpoint: Endpoint, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration]
) -> _Message:
    return {
        **_common(endpoint),
        "instructions": encodable(instructions),
        "input": [item for turn in turns for item in _items(turn)],
        "max_output_tokens": endpoint.config.max_output_tokens,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", **_function(each)} for each in tools] or None,
    }


def _items(turn: Turn) -> Iterable[_Message]:
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


def _part(part: TextPart | ImagePart) -> _Message:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": encodable(part.text)}
    return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}


def _call(call: ToolCall) -> _Message:
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
    return checked_reply(
        endpoint,
        turn,
        _usage(body.get("usage"), "input", "output"),
        cut_off=reason == "max_output_tokens",
        refused="content filter" if reason == "content_filter" else refusals,
    )


def _expect_no_failure(endpoint: Endpoint, body: Mapping[str, Any]) -> None:
    if body.get("error") or body.get("status") in ("failed", "cancelled"):
        error = body.get("error")
        why = error.get("message") if isinstance(error, Mapping) else error
        shown = " ".join(str(why).split())[:300]
        raise EngineError(f"{endpoint.label} failed on the request ({shown}): ask again")


def _tool_call(item: _Message) -> ToolCall:
    return ToolCall(
        call_id=expect_text(item.get("call_id"), "call_id"),
        name=expect_text(item.get("name"), "name"),
        arguments=expect_text(item.get("arguments"), "arguments"),
    )


def _belongs_back(item: _Message) -> bool:
    """Tell whether an item can be sent back: a thought that is not encrypted is known to nobody afterwards."""
    kind = item.get("type")
    return kind in ("message", "function_call") or (kind == "reasoning" and bool(item.get("encrypted_content")))


def _kept(item: _Message) -> _Message:
    return {name: value for name, value in item.items() if value is not None}


_RESPONSES = Interface(request=_request, reply=_reply, optional_fields=(_INCLUDE, _STORE))
