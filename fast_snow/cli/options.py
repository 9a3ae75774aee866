"""What can be asked on the command line: one dataclass per command, whose fields are its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.cli.eval_options import Eval
from fast_snow.cli.model_options import ExportEngines, FetchModels
from fast_snow.config import Config, VlmConfig

DebugFlag = Annotated[bool, tyro.conf.arg(help="On an error, show where in the code it arose.")]


@dataclass(frozen=True, kw_only=True)
class Infer:
    """Turn a video or an RGB-D recording into a 4D scene graph.

    Reads any video that FFmpeg reads, or a recording folder with colour images and any of depth, poses and masks.
    Writes OUT/4dsg.json (the graph), keyframes, the objects' masks and run.json (what ran, with which settings).
    """

    input: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INPUT")]
    """A video file or a recording folder."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",), metavar="OUT")] = None
    """Folder for the results (default: out/NAME-OF-INPUT); whatever else is in it stays."""
    question: Annotated[str | None, tyro.conf.arg(aliases=("-q",), metavar="QUESTION")] = None
    """Answer this once the graph is there, as `fast-snow ask OUT QUESTION` does."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings, like those in configs/; options given here win over it."""
    overwrite: bool = False
    """Replace the run that OUT holds, once the new one is finished: the files it recorded, unless they were changed."""
    quiet: bool = False
    """Show no progress."""
    debug: DebugFlag = False
    config: Annotated[Config, tyro.conf.arg(name="")] = Config()


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Ask a vision-language model a question about a run.

    Sends the graph, keyframes with numbered objects, and the question; the model may call the spatial tools. Reads the
    API key from OPENAI_API_KEY or GEMINI_API_KEY, and appends the answer to OUT/answers.jsonl.
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    question: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTION")]
    """The question, in any language; refer to objects by number, like object 7."""
    dry_run: bool = False
    """Print the prompt and the token count of each part without sending it (no key needed)."""
    json: bool = False
    """Print the result as JSON."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """TOML file of settings (section vlm); options on the command line override it."""
    quiet: bool = False
    """Show no progress."""
    debug: DebugFlag = False
    vlm: VlmConfig = VlmConfig()


@dataclass(frozen=True, kw_only=True)
class Query:
    """Query the graph of a run with a spatial tool (no model, no key).

    Without TOOL, lists the tools. Options follow the tool: fast-snow query OUT distance --object-id 3 --t 12
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    tool: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TOOL")] = ""
    """Name of the tool (default: list all tools)."""
    json: bool = False
    """Print the result as JSON."""
    debug: DebugFlag = False
    arguments: tyro.conf.Suppress[tuple[str, ...]] = ()
    """The options of the tool, unparsed."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Write a self-contained HTML page of a run: frames with object outlines, top view, table of tracks."""

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    page: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Output path of the page (default: OUT/view.html); files not written by view are never overwritten."""
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Draw on this video or recording instead of the input of the run."""
    open: bool = False
    """Open the page in the browser."""
    debug: DebugFlag = False


@dataclass(frozen=True, kw_only=True)
class Validate:
    """Check a 4dsg.json against its schema and for consistency."""

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="4DSG.JSON")]
    """The document, or the folder that infer wrote."""
    debug: DebugFlag = False


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """List the engines, weights, packages and API keys found, with their licences, and how to get what is missing."""

    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """TOML file of settings, for the paths of the weights."""
    debug: DebugFlag = False


@dataclass(frozen=True, kw_only=True)
class Mcp:
    """Serve the spatial tools and keyframes of a run to an MCP client over standard input and output.

    Clients start this command themselves: docs/assistants.md shows their configuration.
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    debug: DebugFlag = False


Command = Infer | Ask | Query | FetchModels | ExportEngines | View | Validate | Eval | Mcp | Doctor
