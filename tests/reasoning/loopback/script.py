"""What a loopback server does with the requests that come, and what it tells of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Usage = Mapping[str, int]
USAGE: Usage = {"input": 1000, "cached": 600, "output": 50, "thoughts": 30}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool that the model wants to use; `arguments` as text is sent as it is, be it JSON or not."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)

    def as_text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True, kw_only=True)
class Say:
    """A whole answer; without text and calls it is empty.

    Attributes:
        text: the words.
        calls: the tools, all of them in one turn.
        thought: whether the model thinks first; the thought is signed and must come back with the turn.
        cut_off: whether it ended at the limit of output tokens.
        refusal: the words with which the model declines; Google's server blocks the prompt instead.
        blocked: whether the provider's filter stopped it.
        extra: whether fields come that no client knows.
        usage: tokens; `output` counts thoughts in.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    thought: bool = False
    cut_off: bool = False
    refusal: str = ""
    blocked: bool = False
    extra: bool = False
    usage: Usage = field(default_factory=lambda: USAGE)


@dataclass(frozen=True, kw_only=True)
class Deny:
    """An error in the provider's own form."""

    status: int
    message: str = "something was wrong"
    code: str = ""
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Bytes, whatever they are."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Hang:
    """Nothing, until the client goes away or the server ends."""


@dataclass(frozen=True)
class Dribble:
    """Blanks without end, so that something always comes but never an answer."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset."""


@dataclass(frozen=True)
class CutShort:
    """The connection ends in the middle of the answer."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, in no provider's form.

    Attributes:
        path: of the address.
        headers: by lower-case name.
        body: the JSON as it came.
        instructions: the system prompt.
        text: all that the user said, joined by newlines.
        pictures: the images, decoded, in their order.
        tools: names of those that are offered.
        outcomes: what came back from tools, by the call's id; for Google without ids, by `NAME#INDEX`.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    instructions: str = ""
    text: str = ""
    pictures: tuple[np.ndarray, ...] = ()
    tools: tuple[str, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)


Deed = Say | Deny | Raw | Hang | Dribble | Reset | CutShort
Behaviour = Deed | Callable[[Asked], Deed]


class ViolationError(Exception):
    """A request that the real provider would refuse."""


@dataclass
class Heard:
    """What a protocol reads out of a body."""

    instructions: str = ""
    texts: list[str] = field(default_factory=list)
    pictures: list[np.ndarray] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
