"""The commands that make a run and that read one without a model: options beside what each does.

What is heavy is imported where a command runs, here as in the other modules of commands: `--help` needs none of it.
"""

import json
import os
import warnings
from collections.abc import Callable, Container
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import tyro

from fast_snow.cli import ask_commands
from fast_snow.cli.options import Debug, Json, Quiet, RunFolder, Settings
from fast_snow.config import Config
from fast_snow.errors import EngineError, FastSnowWarning, InputError, OutputError
from fast_snow.presets import changed
from fast_snow.untrusted_files import shown

if TYPE_CHECKING:
    from fast_snow.inputs.live.address import LiveAddress
    from fast_snow.pipeline import Step
    from fast_snow.selection import Selection
    from fast_snow.viewing.rerun_recording import ShownRun


@dataclass(frozen=True, kw_only=True)
class Infer:
    """Turn a video, an RGB-D recording or a live stream into a 4D scene graph.

    Reads any video that FFmpeg reads, a recording folder with colour images and any of depth, poses and masks, or live:
    rtsp://…, a camera (/dev/video0, camera:0) or a pipe (-). Ctrl-C ends a live run with a complete graph.
    Writes OUT/4dsg.json (the graph), keyframes, the objects' masks and run.json (what ran, with which settings). A run
    that was interrupted is resumed by the same command.
    """

    input: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="INPUT")]
    """A video file, a recording folder, a stream, a camera or a pipe (-)."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",), metavar="OUT")] = None
    """Folder for the results (default: out/NAME-OF-INPUT); whatever else is in it stays."""
    question: Annotated[str | None, tyro.conf.arg(aliases=("-q",), metavar="QUESTION")] = None
    """Answer this once the graph is there, as `fast-snow ask OUT QUESTION` does."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings, like those in configs/; options given here win over it."""
    live: bool = False
    """Play a file in real time, as if it were live."""
    overwrite: bool = False
    """Replace the run that OUT holds, once the new one is finished: the files it recorded, unless they were changed."""
    rerun: bool = False
    """Show the run in the Rerun viewer while it grows (extra `view`)."""
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()

    def run(self) -> int:
        """Write the run folder; answer the question, if there is one."""
        from fast_snow.inputs.live.address import live_address

        found: Path | LiveAddress = live_address(self.input) or Path(self.input)
        if isinstance(found, Path):
            # `.` and `..` are resolved, so that the path ends in a name; a run's name is never empty.
            found = found.resolve() if found.name in ("", "..") else found
            name = (found.name if found.is_dir() else found.stem) or "run"
        else:
            name = found.folder
        folder = _expanded(self.out) if self.out else Path("out") / name
        if self.question is not None:
            ask_commands.require_answerable(self.question, self.config.vlm)
        self._infer(found, folder)
        if self.question is None:
            return 0
        return ask_commands.follow_up(folder, self.question, self.config.vlm, quiet=self.quiet)

    def _infer(self, found: "Path | LiveAddress", folder: Path) -> None:
        from fast_snow import output
        from fast_snow.api import collected_warnings, open_source, steps
        from fast_snow.cli.terminal import print_resumption, print_summary, shown_progress, terminable
        from fast_snow.compiling_ahead import compiled_ahead
        from fast_snow.freed_memory import share_one_heap
        from fast_snow.kernels.compilation import watched_compilation
        from fast_snow.resuming import remember
        from fast_snow.run_record import record, summarize_run
        from fast_snow.scaling import newest_view
        from fast_snow.selection import select_engines

        share_one_heap()
        live = replace(self.config.live, real_time=self.live or self.config.live.real_time)
        config, began = replace(self.config, live=live), perf_counter()
        with ExitStack() as stack:
            noticed = stack.enter_context(collected_warnings(show=False))
            progress = stack.enter_context(shown_progress(quiet=self.quiet))
            compilation = stack.enter_context(watched_compilation())
            stack.enter_context(terminable())
            source, origin = open_source(found, config)
            read = None if origin is None else origin.path
            opened = output.create(folder, overwrite=self.overwrite, source=read, resumable=True)
            writer = stack.enter_context(opened)
            selection = select_engines(source, config, progress=progress)
            self._warn_of_idle_settings(selection)
            if any(use.name == "classical" and use.slot != "geometry" for use in selection.used):
                stack.enter_context(compiled_ahead())
            watch = _live_viewer(source.name) if self.rerun else _no_viewer
            lasting = origin if source.live is None else None  # what is live does not come again
            memory = remember(writer, source, lasting, selection, config, noticed)
            print_resumption(memory, quiet=self.quiet)

            def keep(step: "Step") -> None:
                writer.add(step.state.labelled, step.keyframes)
                memory.checkpoint(step)
                watch(step)
                clip = "clip" if source.live is None else f"clip ({source.live})"
                progress(clip, step.state.graph.num_frames, source.expected_frames or 0)
                if source.live is not None:
                    writer.show(newest_view(step.state, config))

            # Again: engines put in handlers of their own.
            with memory.kept(), terminable(stop=None if source.live is None else source.live.stop):
                going = steps(source, selection, config, progress=progress, memory=memory)
                summary = summarize_run(going, config, keep, began=began, before=memory.summary)
                noted = record(source, config, selection.used, summary, warnings=noticed, origin=origin)
                memory.finish()
                writer.finish(summary.graph, {**noted, **memory.noted})
        compiled_s = compilation.seconds
        print_summary(
            source.name, folder, selection.used, summary, compiled_s=compiled_s, warnings=noticed, live=source.live
        )

    def _warn_of_idle_settings(self, selection: "Selection") -> None:
        """Tell of settings that were changed but that nothing in this run reads."""
        from fast_snow.selection import reads

        unread = [name for name in changed(self.config) if not reads(selection, name)]
        idle = [name for name in unread if self.question is None or not name.startswith("vlm.")]
        if idle:
            warnings.warn(f"no engine of this run reads {', '.join(idle)}", FastSnowWarning, stacklevel=2)


def _no_viewer(_: "Step") -> None:
    """Show nothing."""


def _live_viewer(name: str) -> Callable[["Step"], None]:
    """Start the Rerun viewer; what is returned shows in it what a window adds: its keyframes are its images.

    Raises:
        EngineError: Rerun is not installed, or its viewer cannot be started.
    """
    from fast_snow.viewing import rerun_recording

    recording = rerun_recording.viewer({"input": {"name": name}})
    return lambda step: rerun_recording.log_window(recording, step.state.graph, step.state.labelled, step.keyframes)


def _expanded(path: Path) -> Path:
    """Return a path with a leading `~` replaced, which shells leave in `--out=~/x`, unless a folder has that name."""
    first = path.parts[0] if path.parts else ""
    if not first.startswith("~") or Path(first).exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:
        raise OutputError(f"{path}: no home folder of that name, expected a path; write it out") from None


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
class View:
    """Write a self-contained HTML page of a run: frames with object outlines, top view, table of tracks.

    With --rerun or --rerun-save, the run goes to the Rerun viewer or its file instead: video, outlines, camera, extents
    and trails on one timeline.
    """

    out: RunFolder
    page: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Output path of the page (default: OUT/view.html); files not written by view are never overwritten."""
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Draw on this video or recording instead of the input of the run."""
    open: bool = False
    """Open the page in the browser."""
    rerun: bool = False
    """Show the run in the Rerun viewer (extra `view`)."""
    rerun_save: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write a recording for the Rerun viewer to this file (.rrd), which must not exist."""
    debug: Debug = False

    def run(self) -> int:
        """Write the page and print its path, or go to Rerun."""
        from fast_snow import output
        from fast_snow.api import load
        from fast_snow.cli.clip_images import clip_images, keyframe_depths
        from fast_snow.reasoning.tools.movement_table import movement_table
        from fast_snow.viewing import html

        page = _expanded(self.page) if self.page else self.out / "view.html"
        to_rerun = self.rerun or self.rerun_save is not None
        if self.rerun and self.rerun_save is not None:
            raise InputError("view: got --rerun and --rerun-save, expected one; `rerun FILE` shows a file")
        if not to_rerun:
            html.require_writable(page)
        graph, record = load(self.out), output.read_record(self.out)
        images, origin = clip_images(self.out, graph, record, video=self.video and _expanded(self.video))
        masks, depths = output.read_masks(self.out), keyframe_depths(self.out, graph)
        if to_rerun:
            from fast_snow.viewing.rerun_recording import ShownRun

            self._to_rerun(ShownRun(graph=graph, masks=masks, images=images, depths=depths, record=record))
            return 0
        moves = movement_table(graph)
        html.write_page(page, html.render_run_page(graph, masks, images, record, origin, moves, depths))
        print(page)
        if self.open:
            import webbrowser

            webbrowser.open(page.resolve().as_uri())
        return 0

    def _to_rerun(self, run: "ShownRun") -> None:
        from fast_snow.atomic_files import store
        from fast_snow.formats import require_free
        from fast_snow.viewing import rerun_recording

        if self.rerun_save is None:
            rerun_recording.show(run)
            return
        path = _expanded(self.rerun_save)
        require_free(path)
        store(path, rerun_recording.rrd(run))
        print(path)


@dataclass(frozen=True, kw_only=True)
class Validate:
    """Check a 4dsg.json against its schema and for consistency."""

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="4DSG.JSON")]
    """The document, or the folder that infer wrote."""
    debug: Debug = False

    def run(self) -> int:
        """Print how much a valid document holds."""
        from fast_snow.api import load

        graph = load(self.file)
        observations = sum(len(track.observations) for track in graph.tracks.values())
        print(f"valid: {len(graph.tracks)} tracks with {observations} observations in {graph.num_frames} frames")
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
