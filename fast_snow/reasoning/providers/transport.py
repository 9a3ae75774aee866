"""Requests to a server: sent with retries, and again without optional fields that it refuses."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fast_snow import untrusted_json
from fast_snow.config import VlmConfig
from fast_snow.errors import EngineError, InputError, UserError
from fast_snow.reasoning.conversation import ImagePart, ModelReply, ToolDeclaration, Turn, Usage
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.error_messages import error_text, error_to_raise
from fast_snow.reasoning.providers.retry import (
    Attempt,
    ErrorResponse,
    NoResponse,
    Response,
    RetryPolicy,
    pause_before_retry_s,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalField:
    """A field that some servers or models refuse.

    Attributes:
        name: of the field.
        pattern: found in the complaint.
        instead: the field that takes its value; empty where there is none.
    """

    name: str
    pattern: str
    instead: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Transport:
    """Sends requests to one server.

    Attributes:
        endpoint: which.
        retry_policy: number and pauses of retries.
        send: sends a body once.
        optional_fields: fields that may be left out.
        refused: names of the fields that it has refused; they are not sent again.
    """

    endpoint: Endpoint
    retry_policy: RetryPolicy
    send: Callable[[Mapping[str, Any]], Attempt]
    optional_fields: tuple[OptionalField, ...] = ()
    refused: set[str] = field(default_factory=set)

    def ask(self, body: Mapping[str, Any]) -> Response:
        """Send a request until it is answered.

        Args:
            body: its fields; those that are None are left out.

        Raises:
            UserError: what the user can mend.
            EngineError: what the user cannot.
        """
        retries = failures = 0
        while True:
            outcome = self._sent(self._acceptable(body))
            if isinstance(outcome, str):
                return Response(body=_json_object(outcome), retries=retries)
            error = error_to_raise(self.endpoint, outcome, failures)
            if self._does_without(outcome, body):
                failures = 0
            else:
                pause_s = pause_before_retry_s(outcome, failures, self.retry_policy)
                if isinstance(error, UserError) or failures == self.retry_policy.max_retries or pause_s is None:
                    raise error
                self.retry_policy.pause(pause_s)
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
            for each in self.optional_fields
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
            for each in self.optional_fields
            if each.name in body and each.name not in self.refused and re.search(each.pattern, complaint)
        }
        self.refused |= new
        return bool(new)


RequestBuilder = Callable[[VlmConfig, Endpoint, str, Sequence[Turn], Sequence[ToolDeclaration]], Mapping[str, Any]]
"""Returns the body of a request; the text is the instructions."""
ReplyReader = Callable[[Endpoint, Response], ModelReply]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RemoteModel:
    """A model behind one of the APIs; a `VisionLanguageModel`.

    Attributes:
        config: how it is asked.
        transport: leads to it.
        request: builds the body of a request.
        reply: reads a response.
    """

    config: VlmConfig
    transport: Transport
    request: RequestBuilder
    reply: ReplyReader

    def __call__(self, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration] = ()) -> ModelReply:
        """Return the model's next turn; see `VisionLanguageModel`."""
        endpoint = self.transport.endpoint
        return self.reply(endpoint, self.transport.ask(self.request(self.config, endpoint, instructions, turns, tools)))


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        body = untrusted_json.loads(text)
    except InputError:
        body = None
    if isinstance(body, dict):
        return body
    start = " ".join(text[:80].split())
    raise EngineError(f"the server's answer begins with {start!r}, expected a JSON object: check address and proxy")


def usage_of(response: Response, **tokens: int) -> Usage:
    """Return what an answer consumed."""
    return Usage(requests=1, retries=response.retries, **tokens)


def temperature_to_send(config: VlmConfig, endpoint: Endpoint) -> float | None:
    """Return the temperature where it is to be sent: models that think refuse even their own default."""
    return None if endpoint.own and config.temperature == 1 else config.temperature


def encodable(text: str) -> str:
    """Return text that can be encoded: file names and arguments may hold bytes that are no characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def data_url(picture: ImagePart) -> str:
    """Return an image as OpenAI's interfaces take it."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode('ascii')}"
