"""Messages exchanged with a vision-language model, independent of the provider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from fast_snow.types.health import Summed


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A piece of plain text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """A JPEG image, under the name that the text around it calls it."""

    jpeg: bytes
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTurn:
    """A user message: text and images in reading order."""

    parts: tuple[TextPart | ImagePart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the model wants to use, with JSON arguments as they came; the outcome carries the id back."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTurn:
    """A message of the model.

    Attributes:
        text: its words; empty where it only calls tools.
        calls: the tools it wants to use.
        native: the turn in the provider's own form, which the same provider needs back in later requests (thoughts are
            signed); None where a turn did not come from a provider.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    native: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """The result of a tool call as JSON text and object, or the message of its error."""

    call_id: str
    name: str
    content: str
    failed: bool = False
    result: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def failure(cls, call: ToolCall, why: str) -> "ToolOutcome":
        """Return the outcome of a call that could not be answered."""
        return cls(call_id=call.call_id, name=call.name, content=why, failed=True)


UseTool = Callable[[ToolCall], ToolOutcome]
"""Answers a call. It depends on the call's name and arguments alone; what is wrong with them is a failed outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTurn:
    """The outcomes of all calls of the model's last turn, in its order."""

    outcomes: tuple[ToolOutcome, ...]


Turn = UserTurn | ModelTurn | ToolTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDeclaration:
    """A tool as it is offered to a model.

    Attributes:
        name: letters, digits and underscores.
        description: what it answers, in which units and frame.
        parameters: JSON Schema of an object; every property is required, one that may be left out also takes null, and
            no others are allowed, which is what strict tool calling of all providers accepts.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Summed):
    """Token usage, as counted by the provider.

    Attributes:
        requests: how many were answered.
        retries: how many were sent again.
        input_tokens: of all requests together.
        cached_tokens: the part of them that the provider had seen before.
        output_tokens: thoughts included.
        thought_tokens: the part of them that nobody sees.
    """

    requests: int = 0
    retries: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    thought_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """One answer of a model, and what it consumed; it may be cut off at `vlm.max_output_tokens` in the middle."""

    turn: ModelTurn
    usage: Usage
    cut_off: bool = False


@runtime_checkable
class VisionLanguageModel(Protocol):
    """Answers a conversation. It is opened by a context manager, and holds its settings and its connection."""

    def __call__(self, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration] = ()) -> ModelReply:
        """Return the model's next turn.

        Args:
            instructions: the system prompt.
            turns: the conversation so far; it begins with a user turn and does not end with a model turn.
            tools: the tools that the model may call.

        Raises:
            UserError: no key, no such model, the prompt is too long, the provider refuses the content.
            EngineError: the server cannot be reached, does not answer in time or not as its protocol says.
        """
        ...
