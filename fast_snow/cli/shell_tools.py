"""Spatial tools in the shell: words read as their arguments; their list, their help and their answers as text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from fast_snow.cli.terminal import console, plain_table
from fast_snow.reasoning.tools.catalogue import TOOLS, Tool, ToolError
from fast_snow.reasoning.tools.tool_answers import Grade, NamedValue, ToolAnswer


def typed_arguments(tool: Tool, words: Sequence[str]) -> dict[str, Any]:
    """Read `--name value …` or `--name=value` as a tool's arguments.

    Raises:
        ToolError: a word belongs to no argument, or an argument has no value.
    """
    values_by_name: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            values_by_name[name.replace("-", "_")] = [value] if equals else []
        elif not values_by_name:
            raise ToolError(f"{tool.name}: got {word!r}, expected arguments such as {_usage(tool)}")
        else:
            list(values_by_name.values())[-1].append(word)
    missing = [each for each in tool.arguments if each in tool.required and each not in values_by_name]
    if missing and values_by_name.keys() <= tool.arguments.keys():
        meaning = tool.arguments[missing[0]]["description"].rstrip(".")
        raise ToolError(f"{tool.name}: missing required option {_option(missing[0])} ({meaning})")
    return {name: _value(tool, name, values, tool.arguments.get(name, {})) for name, values in values_by_name.items()}


def _value(tool: Tool, name: str, values: Sequence[str], schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 (JSON)
    """Return an argument as JSON; what is wrong with it is told where arguments are checked."""
    read = [each if "enum" in schema else _number(each) for each in values]
    if "array" in schema.get("type", ()):
        return read
    if len(read) != 1 and schema:
        raise ToolError(f"{tool.name}: got {len(read)} values for {_option(name)}, expected one: {_usage(tool)}")
    return read[0] if read else None


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _help_text(description: str) -> str:
    """Return a parameter's description as that of an option, which is left out where a model gives null."""
    return f"{description[0].upper()}{description[1:].replace('null for', 'default:')}"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _usage(tool: Tool) -> str:
    words = {name: f"{_option(name)} {_kind(schema)}" for name, schema in tool.arguments.items()}
    return " ".join(word if name in tool.required else f"[{word}]" for name, word in words.items())


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(each for each in schema["enum"] if each is not None)
    return "N …" if "array" in schema["type"] else "N"


def print_tools(*, as_json: bool) -> None:
    """Print name, summary and usage of every tool."""
    if as_json:
        names = ("name", "description", "parameters")
        print(json.dumps([{name: getattr(each, name) for name in names} for each in TOOLS.values()]))
        return
    rows = [
        (f"[bold]{each.name}[/]", f"{escape(each.summary)}\n[dim]{escape(_usage(each))}[/]") for each in TOOLS.values()
    ]
    console().print(plain_table(rows=rows))


def print_tool_help(tool: Tool) -> None:
    """Print the description and the options of one tool, as `fast-snow query OUT TOOL --help` does."""
    options = [
        (f"{_option(name)} {_kind(schema)}", escape(_help_text(schema["description"])))
        for name, schema in tool.arguments.items()
    ]
    out = console()
    usage = f"usage: fast-snow query OUT {tool.name} {_usage(tool)} [--json]".replace("  ", " ")
    out.print(usage, markup=False, highlight=True)
    out.print(f"\n{tool.description}\n", markup=False)
    out.print(plain_table(rows=[*options, ("--json", "Print the result as JSON.")], padding=(0, 2, 0, 2)))


def print_tool_answer(answer: ToolAnswer) -> None:
    """Print an answer with its uncertainty and the frames that it rests on, or why there is none."""
    if answer.value is None:
        print(f"unknown: {answer.reason}")
        return
    entries = answer.entries
    if isinstance(answer.value, tuple) and entries and isinstance(answer.value[0], str):
        for text, entry in zip(map(str, answer.value), entries, strict=True):
            further = (f"{x.name} {_measured(x)}" for x in entry.figures if _measured(x) not in text)
            print("  ".join((text, *further)))
        entries = ()
    else:
        print(_measured(NamedValue("", answer.value, unit=answer.unit, sigma=answer.sigma)))
    lines = [("frame", str(answer.frame))] if answer.frame is not None else []
    lines += [(each.name, _measured(each)) for each in answer.figures]
    lines += [("", "  ".join(f"{x.name} {_measured(x)}" for x in each.figures)) for each in entries]
    lines.append(("evidence", f"t = {_frames(answer.evidence)}"))
    lines += [] if answer.grade is Grade.STATED else [("grade", str(answer.grade))]
    lines += [("note", each) for each in answer.notes]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        print(f"  {name:<{width}}  {text}".rstrip())


def _frames(evidence: Sequence[int]) -> str:
    if len(evidence) < 4:
        return ", ".join(map(str, evidence))
    first, last = evidence[0], evidence[-1]
    return f"{first} to {last}" + ("" if last - first < len(evidence) else f", {len(evidence)} frames of them")


def _measured(figure: NamedValue) -> str:
    if isinstance(figure.value, tuple):
        text = ", ".join(_text(each) for each in figure.value) or "none"
    else:
        text = _text(figure.value)
    if figure.sigma is not None:
        sigma = figure.sigma if isinstance(figure.sigma, tuple) else (figure.sigma,)
        text += f" ± {', '.join(f'{each:.2g}' for each in sigma)}"
    return f"{text} {figure.unit}".rstrip()


def _text(value: float | int | str | bool) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
