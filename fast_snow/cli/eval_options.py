"""Options of `fast-snow eval`: one dataclass per command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.config import Config

_Debug = Annotated[bool, tyro.conf.arg(help="Print the full traceback on error.")]
_Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
_Manifest = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MANIFEST")]
_Out = Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="OUT")]
_Preset = Annotated[
    Path | None,
    tyro.conf.arg(metavar="FILE", help="TOML file of settings; options on the command line take precedence."),
]
_Quiet = Annotated[bool, tyro.conf.arg(help="Hide progress.")]
_Root = Annotated[Path, tyro.conf.arg(aliases=("-r",), metavar="FOLDER")]
_Settings = Annotated[Config, tyro.conf.arg(name="")]


@dataclass(frozen=True, kw_only=True)
class EvalCheck:
    """Check that the files of a manifest's clips are present, readable and unchanged."""

    manifest: _Manifest
    """Manifest (JSON), such as configs/eval/fast_snow_eval_manifest.json."""
    root: _Root = Path()
    """Folder that the manifest's paths are relative to."""
    debug: _Debug = False


@dataclass(frozen=True, kw_only=True)
class EvalRun:
    """Run systems over the clips of a manifest, score and time them, and write tables and an HTML page.

    A failed run does not stop the others. An interrupted evaluation resumes where it stopped.
    """

    manifest: _Manifest
    """Manifest (JSON), such as configs/eval/fast_snow_eval_manifest.json."""
    root: _Root = Path()
    """Folder that the manifest's paths are relative to."""
    systems: str = "fast-snow,snow"
    """Systems to run, comma-separated."""
    clips: str = ""
    """Clips to run, comma-separated; empty runs all."""
    repeat: int = 1
    """Runs per clip and system, all with the same seed."""
    out: _Out = Path("out/eval")
    """Output folder of the results."""
    overwrite: bool = False
    """Discard results already in OUT and run everything again."""
    preset: _Preset = None
    quiet: _Quiet = False
    debug: _Debug = False
    config: _Settings = Config()


@dataclass(frozen=True, kw_only=True)
class EvalCompare:
    """Print the difference between two results, metric by metric, with 95 % bootstrap intervals over clips.

    A and B are output folders of eval run, optionally with one of their systems: out/eval:snow out/eval:fast-snow
    """

    a: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="A")]
    """FOLDER or FOLDER:SYSTEM that is subtracted."""
    b: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="B")]
    """FOLDER or FOLDER:SYSTEM that A is subtracted from."""
    seed: int = 0
    """Seed of the bootstrap."""
    debug: _Debug = False


@dataclass(frozen=True, kw_only=True)
class EvalQa:
    """Ask a model a dataset's questions with and without the graph, and score its answers by the official rules.

    Reads VLM4D, VSI-Bench, NuScenes-QA and RoboSpatial-Home as published, or a manifest that names such files. The
    arms put the same questions to the same model: A1 keyframes only; A2 with object numbers and tracks in the image;
    A3 with the whole graph; A4 with graph and tools. Answers are cached: the same command resumes an interrupted
    evaluation and retries failed requests only.
    """

    questions: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="QUESTIONS")]
    """Question files of one dataset, or one manifest."""
    runs: _Folder = Path("out/qa/runs")
    """Folder of infer's runs, named like the scenes: FOLDER/videos_real/davis/dog or FOLDER/dog."""
    videos: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the dataset's videos; scenes without a run are processed first."""
    root: _Root = Path()
    """Folder that a manifest's paths are relative to, and that has its videos."""
    arms: str = "A1,A2,A3,A4"
    """Arms to ask, comma-separated."""
    answers: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")] = ()
    """Score these recorded answers (format of the dataset's official code) instead of asking a model."""
    limit: int = 0
    """Maximum number of questions, evenly spread (0: all)."""
    parallel: int = 1
    """Maximum number of concurrent requests."""
    dry_run: bool = False
    """Count questions and tokens without sending anything; needs no API key."""
    out: _Out = Path("out/qa")
    """Output folder of the answers and the report."""
    preset: _Preset = None
    quiet: _Quiet = False
    debug: _Debug = False
    config: _Settings = Config()


EvalAction = (
    Annotated[EvalCheck, tyro.conf.subcommand("check")]
    | Annotated[EvalRun, tyro.conf.subcommand("run")]
    | Annotated[EvalCompare, tyro.conf.subcommand("compare")]
    | Annotated[EvalQa, tyro.conf.subcommand("qa")]
)


@dataclass(frozen=True, kw_only=True)
class Eval:
    """Evaluate accuracy and speed: check a manifest, run systems, compare results, ask questions."""

    action: Annotated[EvalAction, tyro.conf.arg(name="")]

    @property
    def debug(self) -> bool:
        """Whether an error prints its traceback."""
        return self.action.debug
