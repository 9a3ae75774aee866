"""What each command of the command line does."""

import warnings
import webbrowser
from contextlib import ExitStack
from functools import singledispatch
from pathlib import Path
from time import perf_counter

from fast_snow import output
from fast_snow.api import collected_warnings, load, steps
from fast_snow.cli.clip_images import clip_images
from fast_snow.cli.doctor import examine, print_findings
from fast_snow.cli.eval_options import Eval
from fast_snow.cli.model_options import ExportEngines, FetchModels
from fast_snow.cli.options import Ask, Doctor, Infer, Mcp, Query, Validate, View
from fast_snow.cli.terminal import (
    console,
    print_exported,
    print_fetched,
    print_summary,
    shown_progress,
    terminable,
)
from fast_snow.config import Config
from fast_snow.engines.compiled.artefacts import this_machine
from fast_snow.errors import ConfigError, EngineError, FastSnowWarning, InputError, OutputError
from fast_snow.fetching import fetch
from fast_snow.inputs import open_input
from fast_snow.kernels.compilation import watched_compilation
from fast_snow.pipeline import Step
from fast_snow.presets import changed
from fast_snow.presets import load as load_preset
from fast_snow.run_record import complete, record
from fast_snow.selection import Selection, reads, select_engines
from fast_snow.types import GridShape
from fast_snow.viewing import html


@singledispatch
def run(command: object) -> int:
    """Do what a command says and return the exit code."""
    raise TypeError(f"no such command: {command!r}")


@run.register
def infer(command: Infer) -> int:
    """Turn an input into a run folder."""
    path, config = _with_name(command.input), command.config
    folder = _expanded(command.out) if command.out else Path("out") / _run_name(path)
    if command.question is not None:
        from fast_snow.cli import ask_commands  # heavy: not for the other commands

        ask_commands.require_answerable(command.question, config.vlm)
    began = perf_counter()
    with ExitStack() as stack:
        noticed = stack.enter_context(collected_warnings(show=False))
        progress = stack.enter_context(shown_progress(quiet=command.quiet))
        compilation = stack.enter_context(watched_compilation())
        stack.enter_context(terminable())
        source, origin = open_input(path, config.sampling), output.source_of_run(path)
        writer = stack.enter_context(output.create(folder, overwrite=command.overwrite, source=path))
        selection = select_engines(source, config, progress=progress)
        _warn_of_idle_settings(config, selection, asked=command.question is not None)

        def keep(step: Step) -> None:
            writer.add(step.state.labelled, step.keyframes)
            progress("clip", step.state.graph.num_frames, source.expected_frames or 0)

        with terminable():  # again: engines put in handlers of their own
            summary = complete(steps(source, selection, config, progress=progress), config, keep, began=began)
            noted = record(source, config, selection.used, summary, warnings=noticed, origin=origin)
            writer.finish(summary.graph, noted)
    print_summary(
        name=source.name,
        folder=folder,
        used=selection.used,
        summary=summary,
        compiled_s=compilation.seconds,
        warnings=noticed,
    )
    if command.question is None:
        return 0
    return ask_commands.follow_up(folder, command.question, config.vlm, quiet=command.quiet)


def _expanded(path: Path) -> Path:
    """Return a path with a leading `~` replaced, which shells leave in `--out=~/x`, unless a folder has that name."""
    first = path.parts[0] if path.parts else ""
    if not first.startswith("~") or Path(first).exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:
        raise OutputError(f"{path}: no home folder of that name, expected a path; write it out") from None


def _with_name(path: Path) -> Path:
    """Return a path whose last part is a name: `.` and `..` are resolved."""
    return path.resolve() if path.name in ("", "..") else path


def _run_name(path: Path) -> str:
    """Return what the run of an input is called, never nothing: a file without its suffix, a folder as it is."""
    return (path.name if path.is_dir() else path.stem) or "run"


def _warn_of_idle_settings(config: Config, selection: Selection, *, asked: bool) -> None:
    """Tell of settings that were changed but that nothing in this run reads."""
    unread = [name for name in changed(config) if not reads(selection, name)]
    idle = [name for name in unread if not (asked and name.startswith("vlm."))]
    if idle:
        warnings.warn(f"no engine of this run reads {', '.join(idle)}", FastSnowWarning, stacklevel=2)


@run.register
def ask(command: Ask) -> int:
    """Answer a question about a run."""
    from fast_snow.cli import ask_commands  # heavy: not for the other commands

    return ask_commands.run_ask(command)


@run.register
def query(command: Query) -> int:
    """Answer with a spatial tool."""
    from fast_snow.cli import query_commands  # heavy: not for the other commands

    return query_commands.run_query(command)


@run.register
def fetch_models(command: FetchModels) -> int:
    """Download weights."""
    with shown_progress(quiet=command.quiet) as progress, terminable():
        fetched = fetch(command.names, command.config, force=command.force, progress=progress)
    print_fetched(fetched)
    return 0


@run.register
def export_engines(command: ExportEngines) -> int:
    """Compile networks."""
    from fast_snow.export import preparing

    config = command.config
    with collected_warnings(show=False) as noticed, shown_progress(quiet=command.quiet) as progress, terminable():
        exported = preparing.run(
            config,
            model=command.model,
            precision=command.precision,
            shape=_frame_shape(command),
            target=_target(command),
            force=command.force,
            progress=progress,
        )
    print_exported(exported, noticed)
    return 0


def _frame_shape(command: ExportEngines) -> GridShape:
    if command.like is not None:
        return open_input(command.like, command.config.sampling).size
    height, by, width = command.shape.partition("x")
    if not (by and height.isdecimal() and width.isdecimal()):
        raise ConfigError(f"--shape: got {command.shape!r}, expected height x width in pixels, like 720x1280")
    return int(height), int(width)


def _target(command: ExportEngines) -> str:
    if command.target != "auto":
        return command.target
    machine = None if command.config.runtime.device == "cpu" else this_machine()
    return "onnx" if machine is None or machine.tensorrt is None else "tensorrt"


@run.register
def view(command: View) -> int:
    """Write the page that shows a run."""
    page = _expanded(command.page) if command.page else command.out / "view.html"
    html.require_writable(page)
    graph, run_record = load(command.out), output.read_record(command.out)
    images, origin = clip_images(command.out, graph, run_record, video=command.video and _expanded(command.video))
    html.write_page(page, graph, output.read_masks(command.out), images, run_record, origin)
    print(page)
    if command.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


@run.register
def validate(command: Validate) -> int:
    """Check a document."""
    graph = load(command.file)
    observations = sum(len(track.observations) for track in graph.tracks.values())
    print(f"valid: {len(graph.tracks)} tracks with {observations} observations in {graph.num_frames} frames")
    return 0


@run.register
def evaluate(command: Eval) -> int:
    """Check a manifest, run systems over it, or compare results."""
    from fast_snow.cli import eval_commands  # heavy: not for the other commands

    return eval_commands.run_action(command.action)


@run.register
def mcp(command: Mcp) -> int:
    """Serve a run until the assistant goes.

    Raises:
        InputError: the run is missing or damaged.
        EngineError: the package mcp is not installed.
    """
    if not command.out.is_dir():
        raise InputError(f"{command.out}: is no folder, expected the one that infer wrote")
    graph = load(command.out)
    try:
        from fast_snow.reasoning import mcp_server
    except ImportError as error:
        raise EngineError(f'mcp: serving needs it ({error}): uv pip install -e ".[vlm]"') from error
    mcp_server.serve(graph, command.out)
    return 0


@run.register
def doctor(command: Doctor) -> int:
    """List what is found and what is missing."""
    config = Config() if command.preset is None else load_preset(command.preset)
    print_findings(console(), config, examine(config))
    return 0
