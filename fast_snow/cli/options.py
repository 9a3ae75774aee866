"""What can be asked on the command line: one dataclass per command, whose fields are its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.cli.ask_options import Ask
from fast_snow.cli.eval_options import Eval
from fast_snow.cli.mcp_options import Mcp
from fast_snow.cli.model_options import ExportEngines, FetchModels
from fast_snow.cli.query_options import Query
from fast_snow.config import Config

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
class View:
    """Write one self-contained HTML page that shows a run: frames with outlines, map, track table."""

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    page: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Output path of the page (default: OUT/view.html); a file that view did not write is never replaced."""
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Draw on this video or recording instead of the one that the run read."""
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


Command = Infer | Ask | Query | FetchModels | ExportEngines | View | Validate | Eval | Mcp | Doctor
