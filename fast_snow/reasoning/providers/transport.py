"""A model behind a server: requests sent with retries, again without fields it refuses, and answers that are checked.

Answers are untrusted, and may be refused, truncated or empty.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fast_snow import untrusted_json
from fast_snow.errors import EngineError, InputError, UserError
from fast_snow.reasoning.conversation import ImagePart, ModelReply, ModelTurn, ToolDeclaration, Turn, Usage
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.error_messages import error_text, error_to_raise
from fast_snow.reasoning.providers.retry import Attempt, ErrorResponse, NoResponse, pause_before_retry_s


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalField:
    """A field that some servers or models refuse, with the pattern of the complaint.

    `instead` takes its value where there is such a field; the provider's own server may need it.
    """

    name: str
    pattern: str
    instead: str = ""
    own_needs_it: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One of the APIs: builds the body of a request of instructions, turns and tools, and reads that of a response."""

    request: Callable[[Endpoint, str, Sequence[Turn], Sequence[ToolDeclaration]], Mapping[str, Any]]
    reply: Callable[[Endpoint, Mapping[str, Any]], ModelReply]
    optional_fields: tuple[OptionalField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RemoteModel:
    """A model behind one of the APIs; a `VisionLanguageModel`.

    `send` sends a body once, `pause` waits so many seconds before it is sent again; fields that the server has refused
    are not sent again.
    """

    endpoint: Endpoint
    interface: Interface
    send: Callable[[Mapping[str, Any]], Attempt]
    pause: Callable[[float], None]
    refused: set[str] = field(default_factory=set)

    def __call__(self, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration] = ()) -> ModelReply:
        """Return the model's next turn; see `VisionLanguageModel`."""
        body, retries = self._answer(self.interface.request(self.endpoint, instructions, turns, tools))
        reply = self.interface.reply(self.endpoint, body)
        return replace(reply, usage=replace(reply.usage, requests=1, retries=retries))

    def _answer(self, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
        """Send a request, without fields that are None, until it is answered; count how often it was sent again.

        Raises UserError for what the user can mend, EngineError for what not.
        """
        retries = failures = 0
        while True:
            outcome = self._sent(self._acceptable(body))
            if isinstance(outcome, str):
                return _json_object(outcome), retries
            error = error_to_raise(self.endpoint, outcome, failures)
            if self._does_without(outcome, body):
                failures = 0
            else:
                pause_s = pause_before_retry_s(outcome, failures)
                if isinstance(error, UserError) or failures == self.endpoint.config.max_retries or pause_s is None:
                    raise error
                self.pause(pause_s)
                failures += 1
            retries += 1

    def _sent(self, body: Mapping[str, Any]) -> Attempt:
        """Send a body once; should the server repeat the key, nobody sees it from here on."""
        hidden = self.endpoint.key.hidden_in
        match self.send(body):
            case ErrorResponse() as error:
                headers = {name: hidden(value) for name, value in error.headers.items()}
                return ErrorResponse(status=error.status, headers=headers, body=hidden(error.body))
            case NoResponse() as no_response:
                return replace(no_response, reason=hidden(no_response.reason))
            case answer:
                return hidden(answer)

    def _acceptable(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {name: value for name, value in body.items() if value is not None and name not in self.refused}
        renamed = {
            each.instead: body[each.name]
            for each in self.interface.optional_fields
            if each.instead and each.name in self.refused and each.name in body
        }
        return kept | renamed

    def _does_without(self, outcome: ErrorResponse | NoResponse, body: Mapping[str, Any]) -> bool:
        """Note which field a complaint is about; say whether there is one."""
        if isinstance(outcome, NoResponse) or outcome.status not in (400, 422):
            return False
        message, marks = error_text(outcome.body)
        complaint = " ".join((*marks, message)).lower()
        new = {
            each.name
            for each in self.interface.optional_fields
            if each.name in body and each.name not in self.refused and re.search(each.pattern, complaint)
            if not (each.own_needs_it and self.endpoint.own)
        }
        self.refused.update(new)
        return bool(new)


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        body = untrusted_json.loads(text)
    except InputError:
        body = None
    if isinstance(body, dict):
        return body
    start = " ".join(text[:80].split())
    raise EngineError(f"the server's answer begins with {start!r}, expected a JSON object: check address and proxy")


def encodable(text: str) -> str:
    """Return text that can be encoded: file names and arguments may hold bytes that are no characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def data_url(picture: ImagePart) -> str:
    """Return an image as OpenAI's interfaces take it."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode('ascii')}"


def expect_object(value: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401 (JSON of a server)
    """Return a JSON object; raises EngineError where it is none."""
    return value if isinstance(value, Mapping) else _misshapen(value, name, "an object")


def expect_array(value: Any, name: str) -> Sequence[Any]:  # noqa: ANN401
    """Return a JSON array, an empty one where it is missing; raises EngineError where it is none."""
    return () if value is None else value if isinstance(value, list) else _misshapen(value, name, "an array")


def expect_text(value: Any, name: str) -> str:  # noqa: ANN401
    """Return a JSON string, an empty one where it is missing; raises EngineError where it is none."""
    return "" if value is None else value if isinstance(value, str) else _misshapen(value, name, "text")


def inner_text(body: Mapping[str, Any], outer: str, name: str) -> str:
    """Return a JSON string of an inner object, an empty one where either is missing; else as `expect_text`."""
    inner = body.get(outer)
    return expect_text(inner.get(name), name) if isinstance(inner, Mapping) else ""


def _misshapen(value: Any, name: str, expected: str) -> Any:  # noqa: ANN401
    raise EngineError(
        f"the server's answer has {str(value)[:80]!r} as {name}, expected {expected}: check --vlm.api and the server"
    )


def token_count(usage: Any, *path: str) -> int:  # noqa: ANN401
    """Return a count of tokens; servers that do not count leave it out."""
    for name in path:
        usage = usage.get(name) if isinstance(usage, Mapping) else None
    return usage if isinstance(usage, int) and usage > 0 else 0


def checked_reply(
    endpoint: Endpoint, turn: ModelTurn, usage: Usage, *, cut_off: bool = False, refused: str = ""
) -> ModelReply:
    """Return an answer, if it is one: not refused, not cut off at the limit of output tokens before its first word.

    Raises:
        UserError: the content was refused, or the limit left no room for an answer.
        EngineError: the answer is empty.
    """
    if refused:
        reason = " ".join(refused.split())[:300]
        raise UserError(
            f"{endpoint.label} refused to answer ({reason}): rephrase the question, or leave the images out with"
            " --vlm.max-keyframes 0"
        )
    if turn.text.strip() or turn.calls:
        return ModelReply(turn=turn, usage=usage, cut_off=cut_off)
    if cut_off:
        spent = f" ({usage.thought_tokens} reasoning tokens)" if usage.thought_tokens else ""
        raise UserError(
            f"{endpoint.label} reached the output token limit before it answered{spent}: raise --vlm.max-output-tokens"
        )
    raise EngineError(f"{endpoint.label} returned an empty answer: ask again, or choose another model with --vlm.model")
