"""What can be asked of `fast-snow eval`: one dataclass per command, whose fields are its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.cli.eval_qa_options import EvalQa
from fast_snow.config import Config

_Debug = Annotated[bool, tyro.conf.arg(help="On an error, show where in the code it arose.")]
_Manifest = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MANIFEST")]
_Root = Annotated[Path, tyro.conf.arg(aliases=("-r",), metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class EvalCheck:
    """Tell which clips of a manifest are there, complete and as published."""

    manifest: _Manifest
    """A JSON file like configs/eval/fast_snow_eval_manifest.json."""
    root: _Root = Path()
    """The folder that the manifest's paths are relative to."""
    debug: _Debug = False


@dataclass(frozen=True, kw_only=True)
class EvalRun:
    """Run systems over the clips of a manifest, score and time them, and write tables and a page.

    A run that fails does not stop the others. What an interrupted evaluation has done is not done again.
    """

    manifest: _Manifest
    """A JSON file like configs/eval/fast_snow_eval_manifest.json."""
    root: _Root = Path()
    """The folder that the manifest's paths are relative to."""
    systems: str = "fast-snow,snow"
    """Which systems, separated by commas."""
    clips: str = ""
    """Only these clips, separated by commas."""
    repeat: int = 1
    """How often each clip is run, with the same seed."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="OUT")] = Path("out/eval")
    """Folder for the results."""
    overwrite: bool = False
    """Drop results that OUT already holds, and run everything."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings; options given here win over it."""
    quiet: bool = False
    """Show no progress."""
    debug: _Debug = False
    config: Annotated[Config, tyro.conf.arg(name="")] = Config()


@dataclass(frozen=True, kw_only=True)
class EvalCompare:
    """Print how far B is from A, measure by measure, with 95 % bootstrap intervals over clips.

    A and B are folders that eval run wrote, with a system behind a colon where wanted: out/eval:snow out/eval:fast-snow
    """

    a: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="A")]
    """Folder of the one, or FOLDER:SYSTEM."""
    b: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="B")]
    """Folder of the other, or FOLDER:SYSTEM."""
    seed: int = 0
    """Of the resampling."""
    debug: _Debug = False


EvalAction = (
    Annotated[EvalCheck, tyro.conf.subcommand("check")]
    | Annotated[EvalRun, tyro.conf.subcommand("run")]
    | Annotated[EvalCompare, tyro.conf.subcommand("compare")]
    | Annotated[EvalQa, tyro.conf.subcommand("qa")]
)


@dataclass(frozen=True, kw_only=True)
class Eval:
    """Measure how good and how fast systems are: check a manifest, run it, compare results, ask questions."""

    action: Annotated[EvalAction, tyro.conf.arg(name="")]

    @property
    def debug(self) -> bool:
        """Whether an error shows where it arose."""
        return self.action.debug
