"""The commands of `fast-snow eval`: their options, and what they do."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from fast_snow.cli.options import Debug, Preset, Quiet, Settings
from fast_snow.config import Config
from fast_snow.errors import ConfigError, InputError

if TYPE_CHECKING:
    from fast_snow.evaluation.qa.question_files import QuestionFiles
    from fast_snow.evaluation.qa.report import QaReport
    from fast_snow.evaluation.qa.runner import Plan

INCOMPLETE: Final = 1
"""Exit code where clips are not as the manifest says, or runs failed."""
MOST_AT_ONCE: Final = 64

_MANIFEST: Final = "Manifest (JSON), such as configs/eval/fast_snow_eval_manifest.json."
_Manifest = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MANIFEST", help=_MANIFEST)]
_ROOT: Final = "Folder that the manifest's paths are relative to."
_ManifestRoot = Annotated[Path, tyro.conf.arg(aliases=("-r",), metavar="FOLDER", help=_ROOT)]
_Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
_Out = Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="OUT")]


@dataclass(frozen=True, kw_only=True)
class EvalCheck:
    """Check that the files of a manifest's clips are present, readable and unchanged."""

    manifest: _Manifest
    root: _ManifestRoot = Path()
    debug: Debug = False

    def run(self) -> int:
        """Print files that are missing, unreadable or changed."""
        from rich.markup import escape

        from fast_snow.cli.terminal import console
        from fast_snow.evaluation.manifest import check_manifest, load_manifest
        from fast_snow.types.values import counted

        manifest = load_manifest(self.manifest, self.root)
        problems = check_manifest(manifest, self.root)
        out = console()
        for problem in problems:
            out.print(f"[yellow]problem[/]  {escape(str(problem))}")
        state = counted(len(problems), "problem") if problems else "no problems"
        out.print(f"{counted(len(manifest.clips), 'clip')}, {state}")
        return INCOMPLETE if problems else 0


@dataclass(frozen=True, kw_only=True)
class EvalRun:
    """Run systems over the clips of a manifest, score and time them, and write tables and an HTML page.

    A failed run does not stop the others. An interrupted evaluation resumes where it stopped.
    """

    manifest: _Manifest
    root: _ManifestRoot = Path()
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
    ray: str | None = None
    """Spread runs over a Ray cluster (auto, HOST:PORT, or `local` to start one): for accuracy; runs share machines."""
    preset: Preset = None
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()

    def run(self) -> int:
        """Run systems over clips, score and report."""
        from fast_snow.cli.shown_evaluation import print_evaluation
        from fast_snow.cli.terminal import shown_progress, terminable
        from fast_snow.evaluation.manifest import load_manifest
        from fast_snow.evaluation.report.html_page import write_report
        from fast_snow.evaluation.report.tables import tabulate_runs
        from fast_snow.evaluation.results import file_identity
        from fast_snow.evaluation.runner import ABOUT, RUNS, evaluate_systems, select_cases
        from fast_snow.evaluation.systems import select_systems

        if self.repeat < 1:
            raise ConfigError(f"--repeat: got {self.repeat}, expected at least 1")
        systems = select_systems(_listed(self.systems))
        manifest = load_manifest(self.manifest, self.root)
        cases = select_cases(manifest, self.root, _listed(self.clips))
        if self.overwrite:  # what earlier runs left, and nothing else
            shutil.rmtree(self.out / RUNS, ignore_errors=True)
            (self.out / ABOUT).unlink(missing_ok=True)
        kept = "finished runs are kept: run the same command to resume"
        with shown_progress(quiet=self.quiet) as progress, terminable(kept=kept):
            evaluation = evaluate_systems(
                cases,
                systems,
                self.config,
                folder=self.out,
                manifest=file_identity(self.manifest),
                repeat=self.repeat,
                progress=progress,
                ray=self.ray,
            )
        report = tabulate_runs(evaluation)
        files = write_report(report, self.out, evaluation)
        print_evaluation(report)
        print(files[-1])
        return INCOMPLETE if report.failures else 0


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


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
    debug: Debug = False

    def run(self) -> int:
        """Print the differences between results."""
        from fast_snow.cli.shown_evaluation import print_comparison
        from fast_snow.evaluation.report.comparison import compare_systems, select_sides

        for a, b in select_sides(self.a, self.b):
            print_comparison(compare_systems(a, b, seed=self.seed))
        return 0


@dataclass(frozen=True, kw_only=True)
class EvalQa:
    """Ask a model a dataset's questions with and without the graph, and score its answers by the official rules.

    Reads VLM4D, VSI-Bench, NuScenes-QA and RoboSpatial-Home as published, or a manifest that names such files. The
    arms put the same questions to the same model: A1 keyframes only; A2 with object numbers and tracks in the image;
    A3 with the whole graph; A4 with graph and tools; S with the SNOW baseline's graph. Answers are cached: the same
    command resumes an interrupted evaluation and retries failed requests only.
    """

    questions: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="QUESTIONS")]
    """Question files of one dataset, or one manifest."""
    runs: _Folder = Path("out/qa/runs")
    """Folder of infer's runs, named like the scenes: FOLDER/videos_real/davis/dog or FOLDER/dog."""
    videos: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the dataset's videos; scenes without a run are processed first."""
    root: Annotated[Path, tyro.conf.arg(aliases=("-r",), metavar="FOLDER")] = Path()
    """Folder that a manifest's paths are relative to, and that has its videos."""
    arms: str = "A1,A2,A3,A4"
    """Arms to ask, comma-separated: A1 to A4, and S, which judges A3 and A4 beside SNOW."""
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
    preset: Preset = None
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()

    def run(self) -> int:
        """Ask a model the questions, score its answers and report.

        Raises:
            UserError: files, folders or options cannot be used.
        """
        from fast_snow.evaluation.qa.question import Arm, select_arms
        from fast_snow.evaluation.qa.question_files import read_questions
        from fast_snow.evaluation.qa.runner import plan_questions, score_recorded

        if not self.questions:
            raise ConfigError("QUESTIONS: got none, expected question files of one dataset, or a manifest")
        if not 1 <= self.parallel <= MOST_AT_ONCE:
            raise ConfigError(f"--parallel: got {self.parallel}, expected 1 to {MOST_AT_ONCE}")
        if self.limit < 0:
            raise ConfigError(f"--limit: got {self.limit}, expected 0 or more")
        given = read_questions(self.questions, self.root)
        if self.answers:
            return self._finish(score_recorded(given, self.answers))
        snow = Arm.S in select_arms(self.arms)
        planned = plan_questions(given.asked, self.runs, self.videos or given.videos, self.limit, snow=snow)
        return self._estimate(planned) if self.dry_run else self._ask(given, planned)

    def _estimate(self, planned: "Plan") -> int:
        """Print what asking would cost."""
        from fast_snow.cli.shown_evaluation import print_costs
        from fast_snow.evaluation.qa.inference import estimate_costs
        from fast_snow.evaluation.qa.question import select_arms
        from fast_snow.evaluation.qa.requests import RunFolders, make_requests

        arms, vlm = select_arms(self.arms), self.config.vlm
        with_run = [each for each in planned.asked if each.scene in planned.runs]
        folders = RunFolders(ours=planned.runs, snow=planned.snow_runs)
        print_costs(estimate_costs(make_requests(with_run, arms, folders, vlm), arms, self.out), planned, vlm)
        return 0

    def _ask(self, given: "QuestionFiles", planned: "Plan") -> int:
        from fast_snow.cli.terminal import shown_progress, terminable
        from fast_snow.evaluation.qa.question import select_arms
        from fast_snow.evaluation.qa.runner import evaluate_arms
        from fast_snow.reasoning.providers import open_model

        kept = "answers are kept: run the same command to resume"
        with shown_progress(quiet=self.quiet) as progress, terminable(kept=kept):
            report = evaluate_arms(
                given,
                planned,
                select_arms(self.arms),
                self.config,
                partial(open_model, self.config.vlm),
                runs=self.runs,
                folder=self.out,
                parallel=self.parallel,
                progress=progress,
            )
        return self._finish(report)

    def _finish(self, report: "QaReport") -> int:
        from fast_snow.cli.shown_evaluation import print_qa_report
        from fast_snow.evaluation.qa.report import write_qa_report

        if self.answers and not report.results:
            raise InputError(f"{self.answers[0]}: no answer belongs to any of the questions, expected their ids")
        files = write_qa_report(report, self.out, "recorded" if self.answers else "report")
        print_qa_report(report)
        print(files[0])
        return INCOMPLETE if report.failures else 0


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

    def run(self) -> int:
        """Do what the action says."""
        return self.action.run()
