"""Options of `fast-snow eval`: one dataclass per command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.config import Config


@dataclass(frozen=True, kw_only=True)
class EvalQa:
    """Ask a model a dataset's questions with and without the graph, and score its answers by the official rules.

    Reads VLM4D, VSI-Bench, NuScenes-QA and RoboSpatial-Home as published, or a manifest that names such files. The
    arms are the same questions to the same model: A1 keyframes only; A2 with object numbers and tracks in the image;
    A3 with the whole graph; A4 with graph and tools. Answers are kept: what an interrupted evaluation has asked, or
    one that failed halfway, is not asked again.
    """

    questions: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="QUESTIONS")]
    """Question files of one dataset, or one manifest."""
    runs: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("out/qa/runs")
    """Folder of the runs that infer wrote, named like the scenes: FOLDER/videos_real/davis/dog or FOLDER/dog."""
    videos: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the dataset's videos: scenes without a run are run first."""
    root: Annotated[Path, tyro.conf.arg(aliases=("-r",), metavar="FOLDER")] = Path()
    """The folder that a manifest's paths are relative to; videos are looked for there."""
    arms: str = "A1,A2,A3,A4"
    """Which arms, separated by commas."""
    answers: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")] = ()
    """Score these recorded answers instead, in the format of the dataset's official code; no model is asked."""
    limit: int = 0
    """Ask only so many questions, evenly spread; 0 asks all."""
    parallel: int = 1
    """How many requests are under way at once."""
    dry_run: bool = False
    """Count questions and tokens; send nothing. Needs no key."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="OUT")] = Path("out/qa")
    """Folder for the answers and the report."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings; options given here win over it."""
    quiet: bool = False
    """Show no progress."""
    debug: Annotated[bool, tyro.conf.arg(help="On an error, show where in the code it arose.")] = False
    config: Annotated[Config, tyro.conf.arg(name="")] = Config()


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
