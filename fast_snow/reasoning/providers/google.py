"""Google's generateContent, by its client google-genai.

Thoughts are signed, and the signatures go back with the parts that they came with. The client's own retries, its
calling of Python functions and its joining of continued answers are off: each request is one, and is counted. Answers
are taken whole, not streamed: a turn is acted on only when it is complete.

Reference: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from fast_snow import untrusted_json
from fast_snow.errors import EngineError, InputError
from fast_snow.reasoning.conversation import (
    ImagePart,
    ModelReply,
    ModelTurn,
    TextPart,
    ToolCall,
    ToolDeclaration,
    ToolOutcome,
    ToolTurn,
    Turn,
    Usage,
    UserTurn,
)
from fast_snow.reasoning.providers.connection import http_client, no_response
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.retry import Attempt, ErrorResponse
from fast_snow.reasoning.providers.transport import (
    Interface,
    RemoteModel,
    checked_reply,
    encodable,
    expect_array,
    expect_object,
    expect_text,
    inner_text,
    token_count,
)

_VERSION = "v1beta"  # the client's own choice differs from release to release
_CUT_OFF = ("MAX_TOKENS", "CONTINUATION")
_UNREADABLE_CALL = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")
_FINISHED = ("", "STOP", "FINISH_REASON_UNSPECIFIED", "OTHER", *_CUT_OFF)


@contextmanager
def open_gemini(endpoint: Endpoint, pause: Callable[[float], None]) -> Iterator[RemoteModel]:
    """Open a model behind generateContent."""
    with http_client(endpoint.config.timeout_s) as connection:
        options = types.HttpOptions(
            base_url=endpoint.address,
            api_version=_VERSION,
            timeout=math.ceil(endpoint.config.timeout_s * 1000),
            httpx_client=connection,
        )
        with genai.Client(vertexai=False, api_key=endpoint.key.value, http_options=options) as client:

            def send(body: Mapping[str, Any]) -> Attempt:
                return _attempt(client, body)

            yield RemoteModel(endpoint=endpoint, pause=pause, interface=_INTERFACE, send=send)


def _request(
    endpoint: Endpoint, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration]
) -> Mapping[str, Any]:
    declared: list[Any] = [types.Tool(function_declarations=[_function(each) for each in tools])] if tools else []
    return {
        "model": endpoint.config.model,
        "contents": [_content(before, turn) for before, turn in zip((None, *turns), turns, strict=False)],
        "config": types.GenerateContentConfig(
            system_instruction=encodable(instructions) or None,
            max_output_tokens=endpoint.config.max_output_tokens,
            tools=declared or None,
            temperature=endpoint.temperature,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            automatic_continuation=False,
            should_return_http_response=True,
        ),
    }


def _attempt(client: genai.Client, body: Mapping[str, Any]) -> Attempt:
    """Send a request once and say what came of it."""
    try:
        response = client.models.generate_content(**body).sdk_http_response
    except errors.APIError as error:
        answer: Any = error.response
        return ErrorResponse(status=answer.status_code, headers=dict(answer.headers), body=answer.text)
    except (httpx2.HTTPError, UnicodeDecodeError, RecursionError) as error:  # the latter two: of an error's body
        return no_response(error)
    return response.body or "" if response is not None else ""


def _function(tool: ToolDeclaration) -> types.FunctionDeclaration:
    return types.FunctionDeclaration(
        name=tool.name, description=tool.description, parameters_json_schema=dict(tool.parameters)
    )


def _content(before: Turn | None, turn: Turn) -> types.Content:
    match turn:
        case UserTurn():
            return types.Content(role="user", parts=[_part(each) for each in turn.parts])
        case ModelTurn(native=types.Content() as content):  # as it came, signatures included
            return content
        case ModelTurn():
            words = [types.Part(text=encodable(turn.text))] if turn.text else []
            return types.Content(role="model", parts=[*words, *map(_call_part, turn.calls)])
        case ToolTurn():
            named = _named_calls(before)
            return types.Content(role="user", parts=[_outcome(each, named) for each in turn.outcomes])


def _part(part: TextPart | ImagePart) -> types.Part:
    if isinstance(part, TextPart):
        return types.Part(text=encodable(part.text))
    return types.Part.from_bytes(data=part.jpeg, mime_type="image/jpeg")


def _call_part(call: ToolCall) -> types.Part:
    arguments = _object(call.arguments) or {}
    return types.Part(function_call=types.FunctionCall(id=call.call_id, name=call.name, args=arguments))


def _named_calls(turn: Turn | None) -> frozenset[str]:
    """Return the ids that the provider itself gave to a turn's calls; to others it wants none back."""
    if not isinstance(turn, ModelTurn):
        return frozenset()
    if not isinstance(turn.native, types.Content):
        return frozenset(each.call_id for each in turn.calls)
    parts = turn.native.parts or ()
    return frozenset(each.function_call.id for each in parts if each.function_call and each.function_call.id)


def _outcome(outcome: ToolOutcome, named: frozenset[str]) -> types.Part:
    content = encodable(outcome.content)
    response = {"error": content} if outcome.failed else {"output": outcome.result or content}
    name = outcome.call_id if outcome.call_id in named else None
    return types.Part(function_response=types.FunctionResponse(id=name, name=outcome.name, response=response))


def _object(json_text: str) -> dict[str, Any] | None:
    try:
        read = untrusted_json.loads(json_text)
    except InputError:
        return None
    return read if isinstance(read, dict) else None


def _reply(endpoint: Endpoint, body: Mapping[str, Any]) -> ModelReply:
    candidates = expect_array(body.get("candidates"), "candidates")
    candidate = expect_object(candidates[0], "the first candidate") if candidates else {}
    content = candidate.get("content")
    parts = expect_array(expect_object(content, "content").get("parts"), "parts") if content is not None else ()
    native = types.Content(role="model", parts=[each for each in map(_read_part, parts) if each is not None])
    reason = expect_text(candidate.get("finishReason"), "finishReason")
    if reason in _UNREADABLE_CALL:
        raise EngineError(
            f"{endpoint.label} made a malformed tool call ({reason}): ask again, or without tools: --vlm.no-tools"
        )
    words = "".join(each.text for each in native.parts or () if each.text and not each.thought)
    usage = body.get("usageMetadata")
    thoughts = token_count(usage, "thoughtsTokenCount")
    return checked_reply(
        endpoint,
        ModelTurn(text=words, calls=_calls(native), native=native),
        Usage(
            input_tokens=token_count(usage, "promptTokenCount"),
            cached_tokens=token_count(usage, "cachedContentTokenCount"),
            output_tokens=token_count(usage, "candidatesTokenCount") + thoughts,
            thought_tokens=thoughts,
        ),
        cut_off=reason in _CUT_OFF,
        refused=inner_text(body, "promptFeedback", "blockReason") or ("" if reason in _FINISHED else reason),
    )


def _read_part(part: Any) -> types.Part | None:  # noqa: ANN401 (JSON of a server)
    """Return what is known of a part: words, a thought, a call; None where it is nothing of these."""
    fields = expect_object(part, "a part")
    call = fields.get("functionCall")
    if call is None and fields.get("text") is None and fields.get("thoughtSignature") is None:
        return None
    return types.Part(
        text=None if fields.get("text") is None else expect_text(fields["text"], "text"),
        thought=fields.get("thought") is True or None,
        thought_signature=_signature(fields.get("thoughtSignature")),
        function_call=None if call is None else _function_call(expect_object(call, "functionCall")),
    )


def _signature(encoded: Any) -> bytes | None:  # noqa: ANN401
    if encoded is None:
        return None
    plain = expect_text(encoded, "thoughtSignature").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise EngineError("the server's answer has a thoughtSignature that is not base64: check the server") from None


def _function_call(call: Mapping[str, Any]) -> types.FunctionCall:
    arguments = {} if call.get("args") is None else dict(expect_object(call["args"], "args"))
    return types.FunctionCall(
        id=expect_text(call.get("id"), "id") or None, name=expect_text(call.get("name"), "name"), args=arguments
    )


def _calls(content: types.Content) -> tuple[ToolCall, ...]:
    calls = [each.function_call for each in content.parts or () if each.function_call]
    return tuple(
        ToolCall(call_id=each.id or f"{each.name}#{index}", name=each.name or "", arguments=json.dumps(each.args))
        for index, each in enumerate(calls)
    )


_INTERFACE = Interface(request=_request, reply=_reply)
