"""What a person sees of a question: the prompt as it would be sent, and the answer with what it rests on."""

from pathlib import Path
from typing import Any, Final

from rich.markup import escape

from fast_snow.cli.terminal import console, plain_table
from fast_snow.config import VlmConfig
from fast_snow.reasoning.agent import Ending
from fast_snow.reasoning.answering import Answer
from fast_snow.reasoning.conversation import TextPart
from fast_snow.reasoning.prompt.compose import VlmPrompt
from fast_snow.reasoning.prompt.prompt_sections import escape_control_characters, spans
from fast_snow.reasoning.prompt.tokens import has_vocabulary
from fast_snow.types.values import counted

_LONGEST: Final = 100
"""Characters of a tool's arguments or outcome that are shown."""


def print_answer(answer: Answer, vlm: VlmConfig, kept: Path | None) -> None:
    """Show an answer, the frames and tools it rests on, what it took and what the model was not told.

    Args:
        answer: the answer; its words come from elsewhere, so that nothing in them may steer the terminal.
        vlm: who answered.
        kept: where the answer is kept.
    """
    out, usage = console(), answer.usage
    if answer.text.strip():
        print("\n".join(map(escape_control_characters, answer.text.strip().splitlines())), end="\n\n")
    tokens = f"{usage.input_tokens} tokens in ({usage.cached_tokens} cached), {usage.output_tokens} out"
    footer = {
        "evidence": [f"t = {spans(answer.evidence)}"] if answer.evidence else [],
        "tool": [_call(each.call.name, each.call.arguments, each.outcome.content) for each in answer.calls],
        "model": [f"{vlm.model} ({vlm.provider}): {tokens}, {counted(usage.requests, 'request')}"],
        "left out": answer.left_out,
        "note": [] if answer.ending is Ending.ANSWERED else [answer.ending.value],
        "unread": [answer.unread] if answer.unread else [],
        "kept": [] if kept is None else [str(kept)],
    }
    for name, lines in footer.items():
        for line in lines:
            out.print(f"[bold]{name:<9}[/]{escape(line)}", soft_wrap=True)


def _call(name: str, arguments: str, outcome: str) -> str:
    return f"{_short(name)} {_short(arguments)} → {_short(outcome)}"


def _short(text: str) -> str:
    shown = escape_control_characters(text[: _LONGEST + 1])
    return shown if len(text) <= _LONGEST else f"{shown[:_LONGEST]}…"


def print_prompt(prompt: VlmPrompt) -> None:
    """Show the exact prompt, a line in the place of each picture, and how many tokens each part takes."""
    print(f"[SYSTEM]\n{prompt.instructions}")
    for part in prompt.turn.parts:
        print(part.text if isinstance(part, TextPart) else f"<JPEG image, {len(part.jpeg)} bytes>\n", end="")
    out = console()
    parts = [(escape(each.part), str(each.tokens)) for each in prompt.tokens]
    out.print()
    total = ("[bold]total[/]", f"[bold]{prompt.total_tokens}[/]")
    out.print(plain_table("part", "tokens", rows=[*parts, total]))
    out.print(f"counted  {escape(counting_method())}")
    for sentence in prompt.left_out:
        out.print(f"left out {escape(sentence)}")


def counting_method() -> str:
    """Say how tokens are counted."""
    if has_vocabulary():
        return "with the o200k vocabulary of OpenAI's models; others count differently, and tools come on top"
    return 'roughly, without a vocabulary: uv pip install -e ".[vlm]"'


def prompt_as_json(prompt: VlmPrompt) -> dict[str, Any]:
    """Return a prompt for programs; in the place of a picture there is its name and its size in bytes."""
    parts = (
        {"text": each.text} if isinstance(each, TextPart) else {"picture": each.name, "bytes": len(each.jpeg)}
        for each in prompt.turn.parts
    )
    return {
        "instructions": prompt.instructions,
        "parts": list(parts),
        "tokens": {each.part: each.tokens for each in prompt.tokens},
        "total_tokens": prompt.total_tokens,
        "counted": counting_method(),
        "left_out": prompt.left_out,
    }
