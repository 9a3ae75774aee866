"""A model that says what a test wrote for it, and remembers what it was told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fast_snow.reasoning.conversation import ModelReply, ModelTurn, ToolCall, ToolDeclaration, Turn, Usage

Asked = tuple[str, tuple[Turn, ...], tuple[ToolDeclaration, ...]]


@dataclass
class Script:
    """Says its lines in order; the last one again and again."""

    lines: Sequence[ModelReply]
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, instructions: str, turns: Sequence[Turn], tools: Sequence[ToolDeclaration] = ()) -> ModelReply:
        self.asked.append((instructions, tuple(turns), tuple(tools)))
        return self.lines[min(len(self.asked), len(self.lines)) - 1]


def says(text: str = "", *calls: ToolCall, cut_off: bool = False) -> ModelReply:
    usage = Usage(requests=1, input_tokens=100, output_tokens=7)
    return ModelReply(turn=ModelTurn(text=text, calls=calls), usage=usage, cut_off=cut_off)


def call(name: str, arguments: str = "{}", call_id: str = "a") -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments=arguments)
