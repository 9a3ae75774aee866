"""Checks that all responses share: they are untrusted, and may be refused, truncated or empty."""

from collections.abc import Mapping, Sequence
from typing import Any

from fast_snow.errors import EngineError, UserError
from fast_snow.reasoning.conversation import ModelReply, ModelTurn, Usage
from fast_snow.reasoning.providers.endpoint import Endpoint


def expect_object(value: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401 (JSON of a server)
    """Return a JSON object.

    Raises:
        EngineError: it is none.
    """
    return value if isinstance(value, Mapping) else _misshapen(value, name, "an object")


def expect_array(value: Any, name: str) -> Sequence[Any]:  # noqa: ANN401
    """Return a JSON array; one that is missing is empty.

    Raises:
        EngineError: it is none.
    """
    if value is None:
        return ()
    return value if isinstance(value, list) else _misshapen(value, name, "an array")


def expect_text(value: Any, name: str) -> str:  # noqa: ANN401
    """Return a JSON string; one that is missing is empty.

    Raises:
        EngineError: it is none.
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else _misshapen(value, name, "text")


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
    """Return an answer, if it is one.

    Args:
        endpoint: who answered.
        turn: what was said.
        usage: what it took.
        cut_off: whether it ended at the limit of output tokens.
        refused: why the content was refused; empty where it was not.

    Raises:
        UserError: the content was refused, or the limit left no room for an answer.
        EngineError: the answer is empty.
    """
    who = f"{endpoint.name}: {endpoint.model}"
    if refused:
        reason = " ".join(refused.split())[:300]
        raise UserError(
            f"{who} refused to answer ({reason}): rephrase the question, or leave the images out with"
            " --vlm.max-keyframes 0"
        )
    if turn.text.strip() or turn.calls:
        return ModelReply(turn=turn, usage=usage, cut_off=cut_off)
    if cut_off:
        spent = f" ({usage.thought_tokens} reasoning tokens)" if usage.thought_tokens else ""
        raise UserError(
            f"{who} reached the output token limit before it answered{spent}: raise --vlm.max-output-tokens"
        )
    raise EngineError(f"{who} returned an empty answer: ask again, or choose another model with --vlm.model")
