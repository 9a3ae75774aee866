"""The commands that answer about a run: by a model (`infer -q` too), by a spatial tool, and to MCP clients."""

import json
import os
import stat
import sys
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from fast_snow.cli.options import Debug, Json, Quiet, RunFolder
from fast_snow.config import VlmConfig
from fast_snow.errors import EngineError, FastSnowError, InputError
from fast_snow.untrusted_files import shown

if TYPE_CHECKING:
    from fast_snow.reasoning.answering import Answer
    from fast_snow.reasoning.prompt.compose import VlmPrompt
    from fast_snow.types import SceneGraph

ANSWERS: Final = "answers.jsonl"
"""The answers about a run: a file that only grows, one JSON object per line."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Ask a vision-language model a question about a run.

    Sends the graph, keyframes with numbered objects, and the question; the model may call the spatial tools. Reads the
    API key from OPENAI_API_KEY or GEMINI_API_KEY, and appends the answer to OUT/answers.jsonl.
    """

    out: RunFolder
    question: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTION")]
    """The question, in any language; refer to objects by number, like object 7."""
    dry_run: bool = False
    """Print the prompt and the token count of each part without sending it (no key needed)."""
    json: Json = False
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """TOML file of settings (section vlm); options on the command line override it."""
    quiet: Quiet = False
    debug: Debug = False
    vlm: VlmConfig = VlmConfig()

    def run(self) -> int:
        """Answer the question, or show what would be sent.

        Raises:
            UserError: the run, the question or the settings cannot be used, or the provider refuses them.
            EngineError: the model does not answer.
        """
        from fast_snow.api import load
        from fast_snow.cli.shown_answer import print_answer, print_prompt, prompt_as_json
        from fast_snow.output import GRAPH, digest
        from fast_snow.reasoning.prompt.compose import compose_prompt
        from fast_snow.reasoning.prompt.keyframe_images import keyframe_images

        is_folder = self.out.is_dir()
        folder, file = (self.out, self.out / GRAPH) if is_folder else (self.out.parent, self.out)
        asked_about, graph = digest(file.resolve()), load(file)
        images = keyframe_images(folder, graph, most=self.vlm.max_keyframes)
        prompt = compose_prompt(graph, self.question, images, budget=self.vlm.prompt_budget)
        if self.dry_run:
            if self.json:
                print(json.dumps(prompt_as_json(prompt)))
            else:
                print_prompt(prompt)
            return 0
        reply = self._answered(graph, prompt)
        record = {"graph_sha256": asked_about, **self._record(prompt, reply)}
        kept = append_answer(folder, record)
        if self.json:
            print(json.dumps(record))
        else:
            print_answer(reply, self.vlm, kept)
        return 0 if reply.text.strip() else EngineError.exit_code

    def _answered(self, graph: "SceneGraph", prompt: "VlmPrompt") -> "Answer":
        from fast_snow.cli.terminal import waiting
        from fast_snow.reasoning.answering import answer_question
        from fast_snow.reasoning.providers import open_model

        vlm = self.vlm
        what = f"{vlm.model} reads about {prompt.total_tokens} tokens"
        with open_model(vlm) as model, waiting(what, quiet=self.quiet):
            return answer_question(model, prompt, graph, tools=vlm.tools, max_rounds=vlm.max_rounds)

    def _record(self, prompt: "VlmPrompt", reply: "Answer") -> dict[str, Any]:
        """Return what is kept of an answer: enough to judge it later, without addresses, which may hold secrets."""
        return {
            "question": self.question,
            "answer": reply.text,
            "ending": reply.ending.name.lower(),
            "evidence": reply.evidence,
            "calls": [
                {
                    "tool": each.call.name,
                    "arguments": each.call.arguments,
                    "outcome": each.outcome.content,
                    "failed": each.outcome.failed,
                }
                for each in reply.calls
            ],
            "left_out": reply.left_out,
            "unread": reply.unread,
            "provider": self.vlm.provider,
            "model": self.vlm.model,
            "usage": asdict(reply.usage),
            "prompt_tokens": {each.part: each.tokens for each in prompt.tokens},
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "fast_snow": version("fast-snow"),
        }


def require_answerable(question: str, vlm: VlmConfig) -> None:
    """Check before a long run that its question can be asked.

    Raises:
        UserError: the question is empty, or the model cannot be opened: usually its key is missing.
    """
    from fast_snow.reasoning.prompt.compose import require_question
    from fast_snow.reasoning.providers import open_model

    require_question(question)
    with open_model(vlm):
        pass


def follow_up(folder: Path, question: str, vlm: VlmConfig, *, quiet: bool) -> int:
    """Answer a question about a run that has just been written; errors say how to ask again."""
    again = f'the graph is kept: fast-snow ask {folder} "…"'
    try:
        return Ask(out=folder, question=question, vlm=vlm, quiet=quiet).run()
    except FastSnowError as error:
        raise type(error)(f"{error}; {again}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(again) from None


def append_answer(folder: Path, record: Mapping[str, Any]) -> Path | None:
    """Add a record to the answers and return their path; None, and a line on standard error, where that cannot be.

    Args:
        folder: of the run; it may be a stranger's, so no link is followed and nothing but a regular file is written.
        record: one answer.
    """
    path = folder / ANSWERS
    try:
        _append(path, f"{json.dumps(record)}\n".encode())
    except OSError as error:
        reason = "a link, expected a regular file" if path.is_symlink() else error.strerror
        print(f"fast-snow: {shown(path)}: the answer was not saved ({reason})", file=sys.stderr)
        return None
    return path


def _append(path: Path, line: bytes) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "rb+", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "no regular file")
        if status.st_size > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # someone wrote to it, or a disk was full
                line = b"\n" + line
        if file.write(line) != len(line):
            raise OSError(0, "no space left")


@dataclass(frozen=True, kw_only=True)
class Query:
    """Query the graph of a run with a spatial tool (no model, no key).

    Without TOOL, lists the tools. Options follow the tool: fast-snow query OUT distance --object-id 3 --t 12
    """

    out: RunFolder
    tool: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TOOL")] = ""
    """Name of the tool (default: list all tools)."""
    json: Json = False
    debug: Debug = False
    arguments: tyro.conf.Suppress[tuple[str, ...]] = ()
    """The options of the tool, unparsed."""

    def run(self) -> int:
        """Answer with a tool, or list the tools.

        Raises:
            InputError: the run is missing or damaged.
            ToolError: no such tool or argument.
        """
        from fast_snow.api import load
        from fast_snow.cli import shell_tools
        from fast_snow.reasoning.tools.catalogue import TOOLS, ToolError, call_tool

        graph = load(self.out)
        if not self.tool:
            if self.arguments:
                raise ToolError(
                    f"query: got {self.arguments[0]!r} but no tool; expected OUT, then TOOL, then its arguments"
                )
            shell_tools.print_tools(as_json=self.json)
            return 0
        tool = TOOLS.get(self.tool.replace("-", "_"))
        arguments = {} if tool is None else shell_tools.typed_arguments(tool, self.arguments)
        answer = call_tool(graph, self.tool if tool is None else tool.name, arguments)
        if self.json:
            print(json.dumps(answer.as_json()))
        else:
            shell_tools.print_tool_answer(answer)
        return 0


@dataclass(frozen=True, kw_only=True)
class Mcp:
    """Serve the spatial tools and keyframes of runs to MCP clients, over standard input and output or HTTP.

    Follows a live run that still grows: tools answer on its newest window. Of several runs, each call names one.
    Clients start this command themselves, or connect to --http: docs/assistants.md shows their configuration.
    """

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="OUT [OUT ...]")]
    """The folders that infer wrote."""
    http: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT")] = None
    """Serve over HTTP there, like 127.0.0.1:8765; what is not loopback needs a token in FAST_SNOW_MCP_TOKEN."""
    host_names: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = ()
    """Further host names by which clients reach --http, as behind a proxy; requests to others are refused."""
    debug: Debug = False

    def run(self) -> int:
        """Serve until the client goes, or over HTTP until a signal ends it.

        Raises:
            InputError: a run is missing or damaged, or the address cannot be served.
            EngineError: the package mcp is not installed.
        """
        from fast_snow.output import Newest

        if not self.runs:
            raise InputError("mcp: got no run, expected OUT, the folder that infer wrote")
        runs: dict[str, Newest] = {}
        for out in self.runs:
            if not out.is_dir():
                raise InputError(f"{out}: is no folder, expected the one that infer wrote")
            newest = Newest(out)
            newest()
            runs[_run_name(out, runs)] = newest
        try:
            if self.http is None:
                from fast_snow.reasoning.mcp_server import serve
            else:
                from fast_snow.reasoning.mcp_http import endpoint, serve_http
        except ImportError as error:
            raise EngineError(f'mcp: serving needs it ({error}): uv pip install -e ".[vlm]"') from error
        if self.http is None:
            serve(runs)
        else:
            serve_http(runs, endpoint(self.http, self.host_names, os.environ))
        return 0


def _run_name(out: Path, taken: Container[str]) -> str:
    """Return the name of a folder, with a number where another run has it."""
    name = shown(Path(out.resolve().name)) or "run"
    return next(each for each in chain((name,), (f"{name}-{i}" for i in count(2))) if each not in taken)
