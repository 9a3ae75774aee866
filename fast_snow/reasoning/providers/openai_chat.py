"""Chat completions: OpenAI's older interface, which vLLM, Ollama, llama.cpp, `transformers serve` and others speak too.

Answers are taken whole, not streamed: a turn is acted on only when it is complete.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import openai

from fast_snow.config import VlmConfig
from fast_snow.errors import EngineError
from fast_snow.reasoning.conversation import (
    ModelTurn,
    Picture,
    Reply,
    Text,
    ToolCall,
    ToolDeclaration,
    ToolTurn,
    Turn,
    UserTurn,
)
from fast_snow.reasoning.providers.answers import concluded, mapping, sequence, text, tokens
from fast_snow.reasoning.providers.complaints import said
from fast_snow.reasoning.providers.delivery import Attempt, Delivered, Patience
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.openai_client import attempt, connected
from fast_snow.reasoning.providers.wire import Dispensable, Wire, data_url, sendable, temperature, usage_of

Message = Mapping[str, Any]

# Older servers know only the first name, OpenAI's models that think only the second.
_LIMIT = Dispensable(name="max_tokens", pattern="max_completion_tokens", instead="max_completion_tokens")
_SENT_BACK = ("content", "reasoning_content", "reasoning")


@dataclass(frozen=True, slots=True)
class _Native:
    """A turn's message, as it came."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chat:
    """A model behind chat completions.

    Attributes:
        wire: leads to it.
        config: says how it is asked.
    """

    wire: Wire
    config: VlmConfig

    def __call__(self, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration] = ()) -> Reply:
        """Return the model's next turn; see `VisionLanguageModel`."""
        own = self.wire.endpoint.own
        limit = _LIMIT.instead if own else _LIMIT.name
        system = [{"role": "system", "content": sendable(instructions)}] if instructions else []
        body = {
            "model": self.config.model,
            "messages": [*system, *(message for turn in turns for message in _messages(turn))],
            limit: self.config.max_output_tokens,
            "store": False if own else None,
            "temperature": temperature(self.config, self.wire.endpoint),
            "tools": [_function(each) for each in tools] or None,
            "stream": False,  # some servers stream unless told
        }
        return _reply(self.wire.endpoint, self.wire.ask(body))


@contextmanager
def open_chat(endpoint: Endpoint, config: VlmConfig, patience: Patience) -> Iterator[Chat]:
    """Open a model behind chat completions."""
    with connected(endpoint) as client:

        def send(body: Mapping[str, Any]) -> Attempt:
            return attempt(lambda: _create(client, body))

        yield Chat(wire=Wire(endpoint=endpoint, patience=patience, send=send, dispensable=(_LIMIT,)), config=config)


def _create(client: openai.OpenAI, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 (the client's own)
    return client.chat.completions.with_raw_response.create(**body)


def _function(tool: ToolDeclaration) -> Message:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters), "strict": True}
    return {"type": "function", "function": function}


def _messages(turn: Turn) -> Iterable[Message]:
    match turn:
        case UserTurn():
            return [{"role": "user", "content": _content(turn)}]
        case ModelTurn(native=_Native(message=message)):
            return [message]
        case ModelTurn():
            calls = {"tool_calls": [_call(each) for each in turn.calls]} if turn.calls else {}
            return [{"role": "assistant", "content": sendable(turn.text), **calls}]
        case ToolTurn():
            return [
                {"role": "tool", "tool_call_id": each.call_id, "content": sendable(each.content)}
                for each in turn.outcomes
            ]


def _content(turn: UserTurn) -> str | list[Message]:
    """Return the parts; text alone as one string, since servers without images may take nothing else."""
    if all(isinstance(each, Text) for each in turn.parts):
        return "\n".join(sendable(each.text) for each in turn.parts if isinstance(each, Text))
    return [_part(each) for each in turn.parts]


def _part(part: Text | Picture) -> Message:
    if isinstance(part, Text):
        return {"type": "text", "text": sendable(part.text)}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}


def _call(call: ToolCall) -> Message:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _reply(endpoint: Endpoint, delivered: Delivered) -> Reply:
    body = delivered.body
    choices = sequence(body.get("choices"), "choices")
    if not choices:
        _complain(endpoint, body)
    choice = mapping(choices[0], "the first choice")
    message = mapping(choice.get("message"), "message")
    calls = [_identified(each, index) for index, each in enumerate(sequence(message.get("tool_calls"), "tool_calls"))]
    reason = choice.get("finish_reason")
    usage = body.get("usage")
    return concluded(
        endpoint,
        ModelTurn(
            text=_text(message.get("content")),
            calls=tuple(_tool_call(each) for each in calls),
            native=_Native(_sent_back(message, calls)),
        ),
        usage_of(
            delivered,
            input_tokens=tokens(usage, "prompt_tokens"),
            cached_tokens=tokens(usage, "prompt_tokens_details", "cached_tokens"),
            output_tokens=tokens(usage, "completion_tokens"),
            thought_tokens=tokens(usage, "completion_tokens_details", "reasoning_tokens"),
        ),
        cut_off=reason == "length",
        refused="content filter" if reason == "content_filter" else text(message.get("refusal"), "refusal"),
    )


def _complain(endpoint: Endpoint, body: Mapping[str, Any]) -> None:
    """Refuse an answer without a choice; some servers that pass requests on answer errors as if all were well."""
    message, _ = said(json.dumps(body))
    why = message or "no choices"
    raise EngineError(f"{endpoint.name}: {endpoint.model} did not answer ({why}): ask again, or check the server")


def _text(content: Any) -> str:  # noqa: ANN401 (JSON of a server)
    """Return the words; some servers send them in parts."""
    if isinstance(content, list):
        parts = [mapping(each, "a part of content") for each in content]
        return "".join(text(each.get("text"), "text") for each in parts if each.get("type") == "text")
    return text(content, "content")


def _identified(call: Any, index: int) -> Message:  # noqa: ANN401
    """Return a call with the id that its outcome needs, should the server have given none."""
    given = mapping(call, "a tool call")
    return {
        **{name: value for name, value in given.items() if name != "index"},
        "id": given.get("id") or f"call_{index}",
    }


def _tool_call(call: Message) -> ToolCall:
    function = mapping(call.get("function"), "function")
    arguments = function.get("arguments")
    return ToolCall(
        call_id=text(call["id"], "id"),
        name=text(function.get("name"), "name"),
        arguments=json.dumps(arguments) if isinstance(arguments, dict) else text(arguments, "arguments"),
    )


def _sent_back(message: Message, calls: Sequence[Message]) -> Message:
    """Return what servers take back: not everything that they send, but thoughts, where calls came of them."""
    kept = {name: message[name] for name in _SENT_BACK if message.get(name) and (calls or name == "content")}
    return {"role": "assistant", **kept, **({"tool_calls": list(calls)} if calls else {})}
