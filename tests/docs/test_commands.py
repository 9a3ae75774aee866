"""Code on the pages: Python compiles and its imports exist, and the product reads every command line."""

import ast
import re
import shlex
from collections.abc import Iterator
from typing import get_args

import pytest

from fast_snow.cli import shell_tools
from fast_snow.cli.ask_commands import Query
from fast_snow.cli.main import Command, main
from fast_snow.presets import BASE_URL
from fast_snow.reasoning.tools.catalogue import TOOLS
from tests.docs.pages import PAGES, ROOT, Block, blocks, defaults, exists, spans, text

PROGRAM = "fast-snow"
CHECKED = [block for page in PAGES for block in blocks(page) if not block.not_run]
INLINE = [span for page in PAGES for span in spans(page) if re.search(rf"(^|\s){PROGRAM} .* -", span.code)]
"""Commands in running text that have an option; those without are often but a name."""


def command_lines(block: Block) -> Iterator[tuple[str, ...]]:
    """Yield what follows the program's name, wherever a line of a block calls it."""
    for line in block.code.replace("\\\n", " ").splitlines():
        if not re.search(rf"(^|\s){PROGRAM}\s", line):
            continue
        words = shlex.split(line, comments=True)
        if PROGRAM in words:
            arguments = words[words.index(PROGRAM) + 1 :]
            end = next((i for i, word in enumerate(arguments) if word in ("&&", "|", ";")), len(arguments))
            yield tuple(arguments[:end])


PYTHON = [block for block in CHECKED if block.language == "python"]
LINES = [
    pytest.param(line, id=f"{block}: {' '.join(line)[:60]}")
    for block in [*CHECKED, *INLINE]
    if block.language not in ("python", "json", "toml", "text")
    for line in command_lines(block)
]


def used(code: str) -> Iterator[str]:
    """Yield the dotted names of the package that code imports or reaches through its name."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Attribute(value=ast.Name(id="fast_snow"), attr=name):
                yield f"fast_snow.{name}"


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles_and_its_imports_exist(block: Block):
    compile(block.code, str(block), "exec")
    names = [name for name in used(block.code) if name.partition(".")[0] == "fast_snow"]
    assert [name for name in names if not exists(name)] == []


@pytest.mark.parametrize("arguments", LINES)
def test_command_lines_are_read(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The command is read by the product itself; what it would do is not done."""
    read: list[object] = []
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv(BASE_URL, raising=False)
    for kind in get_args(Command):
        monkeypatch.setattr(kind, "run", lambda command: read.append(command) or 0)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0, capsys.readouterr().err
    for command in read:
        if isinstance(command, Query) and command.tool:
            tool = TOOLS[command.tool]
            given = shell_tools.typed_arguments(tool, command.arguments)
            assert given.keys() <= tool.arguments.keys()


def test_dotted_options_are_settings():
    named = {name for page in PAGES for name in re.findall(r"--((?:[a-z0-9-]+\.)+[a-z0-9-]+)", text(page))}
    assert len(named) > 20
    settings = {name.replace("_", "-") for name in defaults()}
    assert {name for name in named if not {name, name.replace(".no-", ".")} & settings} == set()


def test_modules_that_are_to_be_run_exist():
    named = {name for page in PAGES for name in re.findall(r"python -m ((?:fast_snow|bench)[\w.]*)", text(page))}
    assert named
    assert {name for name in named if not exists(name)} == set()


def test_pages_hold_code():
    """An extraction that finds nothing would check nothing."""
    assert len(PYTHON) >= 10
    assert len(LINES) >= 30
