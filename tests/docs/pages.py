"""The documentation as tests read it: pages, code blocks, and names of code, which are looked up without importing."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from fast_snow.config import Config

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "fast_snow"
DEFINITIONS = ROOT / "docs" / "reference" / "definitions.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "RELEASING.md",
    ROOT / "SECURITY.md",
    PACKAGE / "export" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"(?:^<!-- (not run|needs): (\S[^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code on a page.

    Attributes:
        page: relative to the repository.
        line: number of its first line of code.
        language: what the fence says; empty for an indented block.
        code: the text, without indentation.
        not_run: why it cannot be checked, from a comment `<!-- not run: … -->` on the line before; else empty.
        needs: what it cannot be run without, such as a key, from a comment `<!-- needs: … -->`; it is compiled.
    """

    page: str
    line: int
    language: str
    code: str
    not_run: str
    needs: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced and the indented blocks of a page."""
    name, content = page.relative_to(ROOT).as_posix(), text(page)
    for fence in re.finditer(_FENCE, content):
        kind, reason, language, code = fence.groups(default="")
        line = content.count("\n", 0, fence.start(4)) + 1
        not_run, needs = ("", reason) if kind == "needs" else (reason, "")
        yield Block(page=name, line=line, language=language, code=code, not_run=not_run, needs=needs)
    for indented in re.finditer(r"(?<=\n\n)(?: {4}.*\n)+", prose(page)):
        code = re.sub("^ {4}", "", indented[0], flags=re.M)
        line = content.count("\n", 0, content.index(indented[0])) + 1
        yield Block(page=name, line=line, language="", code=code, not_run="")


def spans(page: Path) -> Iterator[Block]:
    """Yield the code in running text, between backticks."""
    name, content = page.relative_to(ROOT).as_posix(), prose(page)
    for span in re.finditer(r"(?<!`)`([^`\n]+)`(?!`)", content):
        line = text(page).count("\n", 0, text(page).index(span[0])) + 1
        yield Block(page=name, line=line, language="", code=span[1], not_run="")


def defaults() -> dict[str, object]:
    """Return the default of every setting by its dotted name."""

    def leaves(tree: dict[str, object], where: str) -> Iterator[tuple[str, object]]:
        for name, value in tree.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{where}{name}.")
            else:
                yield f"{where}{name}", value

    return dict(leaves(asdict(Config()), ""))


def exists(dotted: str) -> bool:
    """Return whether a dotted name is a module of the repository, or is bound in one."""
    parts = dotted.split(".")
    for depth in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:depth])
        for module in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if module.is_file():
                return _binds(_tree(module), parts[depth:])
        if path.is_dir():
            return depth == len(parts)
    return False


def is_test(identifier: str) -> bool:
    """Return whether `path::name` is a test function; nothing runs."""
    path, _, name = identifier.partition("::")
    return name.startswith("test_") and (ROOT / path).is_file() and _binds(_tree(ROOT / path), [name])


@cache
def _tree(module: Path) -> Sequence[ast.stmt]:
    return ast.parse(text(module)).body


def _binds(body: Sequence[ast.stmt], names: Sequence[str]) -> bool:
    if not names:
        return True
    found = [inner for name, inner in _bound(body) if name == names[0]]
    return bool(found) and _binds(found[-1], names[1:])


def _bound(body: Sequence[ast.stmt]) -> Iterator[tuple[str, Sequence[ast.stmt]]]:
    """Yield the names that statements bind, with the body of classes."""
    for node in body:
        match node:
            case ast.ClassDef():
                yield node.name, node.body
            case ast.FunctionDef():
                yield node.name, ()
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, ()
            case ast.Import() | ast.ImportFrom():
                yield from ((alias.asname or alias.name, ()) for alias in node.names)
            case ast.If():
                yield from _bound(node.body)
