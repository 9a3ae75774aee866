"""What can be asked of `fast-snow eval qa`."""

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
