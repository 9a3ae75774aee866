"""The way to a server: bodies go out, answers come back, and fields that the server does not know are left out."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fast_snow.config import VlmConfig
from fast_snow.reasoning.conversation import Picture, Usage
from fast_snow.reasoning.providers.complaints import explain, said
from fast_snow.reasoning.providers.delivery import Attempt, Delivered, Denied, Lost, Patience, deliver
from fast_snow.reasoning.providers.endpoint import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispensable:
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
class Wire:
    """Sends requests to one server.

    Attributes:
        endpoint: which.
        patience: how often a request is sent again.
        send: sends a body once.
        dispensable: the fields that it can do without.
        refused: those that it was seen to refuse; it gets them no more.
    """

    endpoint: Endpoint
    patience: Patience
    send: Callable[[Mapping[str, Any]], Attempt]
    dispensable: tuple[Dispensable, ...] = ()
    refused: set[str] = field(default_factory=set)

    def ask(self, body: Mapping[str, Any]) -> Delivered:
        """Send a request until it is answered.

        Args:
            body: its fields; those that are None are left out.

        Raises:
            UserError: what the user can mend.
            EngineError: what the user cannot.
        """
        retries = 0
        while True:
            outcome = deliver(
                partial(self._sent, self._acceptable(body)), partial(explain, self.endpoint), self.patience
            )
            retries += outcome.retries
            if isinstance(outcome, Delivered):
                return replace(outcome, retries=retries)
            if not self._does_without(outcome.outcome, body):
                raise outcome.error
            retries += 1

    def _sent(self, body: Mapping[str, Any]) -> Attempt:
        """Send a body once; should the server repeat the key, nobody sees it from here on."""
        hidden = self.endpoint.key.hidden_in
        match self.send(body):
            case Denied() as denied:
                headers = {name: hidden(value) for name, value in denied.headers.items()}
                return Denied(status=denied.status, headers=headers, body=hidden(denied.body))
            case Lost() as lost:
                return replace(lost, reason=hidden(lost.reason))
            case answer:
                return hidden(answer)

    def _acceptable(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {name: value for name, value in body.items() if value is not None and name not in self.refused}
        renamed = {
            each.instead: body[each.name]
            for each in self.dispensable
            if each.instead and each.name in self.refused and each.name in body
        }
        return kept | renamed

    def _does_without(self, outcome: Denied | Lost, body: Mapping[str, Any]) -> bool:
        """Note which field a complaint is about; say whether there is one."""
        if isinstance(outcome, Lost) or outcome.status not in (400, 422):
            return False
        message, marks = said(outcome.body)
        complaint = " ".join((*marks, message)).lower()
        new = {
            each.name
            for each in self.dispensable
            if each.name in body and each.name not in self.refused and re.search(each.pattern, complaint)
        }
        self.refused |= new
        return bool(new)


def usage_of(delivered: Delivered, **tokens: int) -> Usage:
    """Return what an answer consumed."""
    return Usage(requests=1, retries=delivered.retries, **tokens)


def temperature(config: VlmConfig, endpoint: Endpoint) -> float | None:
    """Return the temperature where it is to be sent: models that think refuse even their own default."""
    return None if endpoint.own and config.temperature == 1 else config.temperature


def sendable(text: str) -> str:
    """Return text that can be encoded: file names and arguments may hold bytes that are no characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def data_url(picture: Picture) -> str:
    """Return an image as OpenAI's interfaces take it."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode('ascii')}"
