"""The tool loop: tool calls of the model are executed and answered until it gives its final answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from fast_snow.reasoning.conversation import (
    ModelReply,
    ModelTurn,
    ToolCall,
    ToolDeclaration,
    ToolOutcome,
    ToolTurn,
    Turn,
    Usage,
    UserTurn,
    UseTool,
    VisionLanguageModel,
)

MOST_CALLS: Final = 32
"""Maximum tool calls executed per turn; the others are answered with an error."""

ANSWER_NOW: Final = (
    "All rounds of tool calls are used up and no tools are offered any more. Answer the question now from what you"
    " know, and say so where it is not enough."
)


class Ending(Enum):
    """How a conversation ended; the value is the message for the user."""

    ANSWERED = "the model answered"
    CUT_OFF = "the answer was truncated; raise vlm.max_output_tokens"
    SILENT = "the model returned no answer; ask again or choose another model"
    STILL_CALLING = "the model kept calling tools instead of answering; raise vlm.max_rounds or choose another model"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTool:
    """A tool call and its outcome."""

    call: ToolCall
    outcome: ToolOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation from the question to the answer, the model's last turn included, and what it consumed."""

    turns: tuple[Turn, ...]
    usage: Usage
    ending: Ending

    @property
    def text(self) -> str:
        """The final answer; empty if the model gave none."""
        last = self.turns[-1]
        return last.text if isinstance(last, ModelTurn) else ""

    @property
    def used(self) -> tuple[UsedTool, ...]:
        """The calls that were answered, in order."""
        return tuple(
            UsedTool(call=call, outcome=outcome)
            for turn, following in zip(self.turns, self.turns[1:], strict=False)
            if isinstance(turn, ModelTurn) and isinstance(following, ToolTurn)
            for call, outcome in zip(turn.calls, following.outcomes, strict=True)
        )


def converse(
    model: VisionLanguageModel,
    instructions: str,
    turn: UserTurn,
    *,
    declarations: Sequence[ToolDeclaration],
    use: UseTool,
    max_rounds: int,
) -> Conversation:
    """Let a model answer a question with the help of tools.

    The model is asked at most `max_rounds` times with tools and, where it still calls them then, once more without. A
    call that is repeated word for word is answered from memory. Without tools the model is asked once. It raises what
    the model raises.
    """
    turns: tuple[Turn, ...] = (turn,)
    usage = Usage()
    memory: dict[tuple[str, str], ToolOutcome] = {}
    for _ in range(max_rounds if declarations else 0):
        reply = model(instructions, turns, declarations)
        if not reply.turn.calls:
            return _ended(turns, usage, reply)
        usage += reply.usage
        turns += (reply.turn, ToolTurn(outcomes=_outcomes(reply.turn.calls, use, memory)))
    # Not as a turn of its own: many chat templates refuse a user's turn behind a tool's.
    final_instructions = instructions if len(turns) == 1 else f"{instructions}\n\n{ANSWER_NOW}"
    return _ended(turns, usage, model(final_instructions, turns))


def _ended(turns: tuple[Turn, ...], usage: Usage, reply: ModelReply) -> Conversation:
    ending = Ending.ANSWERED if reply.turn.text.strip() else Ending.SILENT
    ending = Ending.CUT_OFF if reply.cut_off else ending
    ending = Ending.STILL_CALLING if reply.turn.calls else ending
    return Conversation(turns=(*turns, reply.turn), usage=usage + reply.usage, ending=ending)


def _outcomes(
    calls: Sequence[ToolCall], use: UseTool, memory: dict[tuple[str, str], ToolOutcome]
) -> tuple[ToolOutcome, ...]:
    """Answer the calls of one turn in their order; `memory` grows by those that are new."""
    why = f"{len(calls)} calls at once, at most {MOST_CALLS} are answered; call again"
    answered = (_outcome(call, use, memory) for call in calls[:MOST_CALLS])
    return (*answered, *(ToolOutcome.failure(call, why) for call in calls[MOST_CALLS:]))


def _outcome(call: ToolCall, use: UseTool, memory: dict[tuple[str, str], ToolOutcome]) -> ToolOutcome:
    key = call.name, call.arguments
    if key not in memory:
        memory[key] = use(call)
    return replace(memory[key], call_id=call.call_id)
