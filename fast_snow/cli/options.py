"""What can be asked on the command line: one dataclass per command, whose fields are its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

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
    """Folder for the results; out/NAME-OF-INPUT where it is not given."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings, like those in configs/; options given here win over it."""
    overwrite: bool = False
    """Replace a run that OUT already holds, once the new one is finished."""
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
    """Where the page goes; OUT/view.html where it is not given."""
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
    """Tell which engines, weights, keys and licences are there, what is missing and what to do about it."""

    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings that says where weights are."""
    debug: DebugFlag = False


Command = Infer | View | Validate | Doctor
