"""The commands that make a run: from one input, from many, and from what a run kept.

What is heavy is imported where a command runs, here as in the other modules of commands: `--help` needs none of it.
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import tyro

from fast_snow.batching.resources import Resources
from fast_snow.cli import ask_commands
from fast_snow.cli.options import Debug, Preset, Quiet, RunFolder, Settings, expanded
from fast_snow.config import Config
from fast_snow.errors import FastSnowWarning
from fast_snow.presets import as_options, changed

if TYPE_CHECKING:
    from fast_snow.inputs.live.address import LiveAddress
    from fast_snow.pipeline import Step
    from fast_snow.selection import Selection


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
        from fast_snow.freed_memory import share_one_heap
        from fast_snow.inputs.live.address import live_address

        found: Path | LiveAddress = live_address(self.input) or Path(self.input)
        if isinstance(found, Path):
            # `.` and `..` are resolved, so that the path ends in a name; a run's name is never empty.
            found = found.resolve() if found.name in ("", "..") else found
            name = (found.name if found.is_dir() else found.stem) or "run"
        else:
            name = found.folder
        folder = expanded(self.out) if self.out else Path("out") / name
        if self.question is not None:
            ask_commands.require_answerable(self.question, self.config.vlm)
        share_one_heap()
        live = replace(self.config.live, real_time=self.live or self.config.live.real_time)
        self._infer(found, folder, replace(self.config, live=live), perf_counter())
        if self.question is None:
            return 0
        return ask_commands.follow_up(folder, self.question, self.config.vlm, quiet=self.quiet)

    def _infer(self, found: "Path | LiveAddress", folder: Path, config: Config, began: float) -> None:
        from fast_snow import output
        from fast_snow.api import collected_warnings, open_source, steps
        from fast_snow.cli.terminal import print_resumption, print_summary, shown_progress, terminable
        from fast_snow.compiling_ahead import compiled_ahead
        from fast_snow.kernels.compilation import watched_compilation
        from fast_snow.resuming import remember
        from fast_snow.run_record import record, summarize_run
        from fast_snow.scaling import newest_view
        from fast_snow.selection import select_engines

        with ExitStack() as stack:
            noticed = stack.enter_context(collected_warnings(show=False))
            progress = stack.enter_context(shown_progress(quiet=self.quiet))
            compilation = stack.enter_context(watched_compilation())
            stack.enter_context(terminable())
            source, origin = open_source(found, config)
            read = None if origin is None else origin.path
            writer = stack.enter_context(output.create(folder, overwrite=self.overwrite, source=read, resumable=True))
            selection = select_engines(source, config, progress=progress)
            self._warn_of_idle_settings(selection)
            if any(use.name == "classical" and use.slot != "geometry" for use in selection.used):
                stack.enter_context(compiled_ahead())
            watch = _live_viewer(source.name) if self.rerun else lambda _: None
            lasting = origin if source.live is None else None  # what is live does not come again
            memory = remember(writer, source, lasting, selection, config, noticed)
            print_resumption(memory, quiet=self.quiet)

            def keep(step: "Step") -> None:
                writer.add(step.state.labelled, step.keyframes)
                memory.checkpoint(step)
                watch(step)
                stage = "clip" if source.live is None else f"clip ({source.live})"
                progress(stage, step.state.graph.num_frames, source.expected_frames or 0)
                if source.live is not None:
                    writer.show(newest_view(step.state, config))

            # Again: engines put in handlers of their own.
            with memory.kept(), terminable(stop=None if source.live is None else source.live.stop):
                going = steps(source, selection, config, progress=progress, memory=memory)
                summary = summarize_run(going, config, keep, began=began, before=memory.summary)
                noted = record(source, config, selection.used, summary, warnings=noticed, origin=origin)
                memory.finish()
                writer.finish(summary.graph, {**noted, **memory.noted})
        compiled_s, used = compilation.seconds, selection.used
        print_summary(source.name, folder, used, summary, compiled_s=compiled_s, warnings=noticed, live=source.live)

    def _warn_of_idle_settings(self, selection: "Selection") -> None:
        """Tell of settings that were changed but that nothing in this run reads."""
        from fast_snow.selection import reads

        unread = [name for name in changed(self.config) if not reads(selection, name)]
        idle = [name for name in unread if self.question is None or not name.startswith("vlm.")]
        if idle:
            warnings.warn(f"no engine of this run reads {', '.join(idle)}", FastSnowWarning, stacklevel=2)


def _live_viewer(name: str) -> Callable[["Step"], None]:
    """Start the Rerun viewer; what is returned shows in it what a window adds: its keyframes are its images.

    Raises:
        EngineError: Rerun is not installed, or its viewer cannot be started.
    """
    from fast_snow.viewing import rerun_recording

    recording = rerun_recording.viewer({"input": {"name": name}})
    return lambda step: rerun_recording.log_window(recording, step.state.graph, step.state.labelled, step.keyframes)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Turn many videos into 4D scene graphs, on the processors of this machine or on a Ray cluster.

    Writes DIR/NAME (as infer does) and DIR/NAME.log per video, DIR/batch.csv and DIR/batch.json. Finished videos are
    skipped and interrupted ones resumed by the same command. Exit code 1 if any video failed.
    """

    inputs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MANIFEST_OR_GLOB")]
    """A text file (.txt) with one path or URL per line, a quoted pattern such as 'clips/*.mp4', or the videos."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",), metavar="DIR")]
    """Folder for the results: a path or a URL such as s3://bucket/runs."""
    resources: Annotated[Resources, tyro.conf.arg(name="")] = Resources()
    preset: Preset = None
    overwrite: bool = False
    """Replace finished runs of other inputs, engines or settings."""
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()

    def run(self) -> int:
        """Run the batch and print what became of it.

        Raises:
            UserError: there is no video, or the folder cannot be written.
        """
        from fast_snow.batching.running import batch
        from fast_snow.cli.terminal import print_batch, shown_progress, terminable

        with shown_progress(quiet=self.quiet) as progress, terminable():
            result = batch(
                self.inputs,
                self.out,
                config=self.config,
                resources=self.resources,
                overwrite=self.overwrite,
                progress=progress,
            )
        print_batch(result, self.out)
        return 1 if result.count("failed", "interrupted") else 0


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """Fold the graph of a run anew, with other settings, in seconds: no engine runs.

    Needs the perception files of `infer --output.keep-perception`. Settings that are not given are those of the run;
    settings that engines depend on are refused. Replaces graph, keyframes, masks and run.json.
    """

    out: RunFolder
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()
    typed: tyro.conf.Suppress[tuple[str, ...]] = ()
    """The command line, to be read again behind the settings of the run."""

    def run(self) -> int:
        """Replace the run.

        Raises:
            UserError: the run kept no perception files, or a setting needs engines.
        """
        from fast_snow.api import collected_warnings
        from fast_snow.cli.terminal import print_summary, shown_progress, terminable
        from fast_snow.kernels import threads
        from fast_snow.kernels.compilation import watched_compilation
        from fast_snow.rebuilding import rebuild, settings_of

        config = tyro.cli(Rebuild, args=[*as_options(settings_of(self.out)), *self.typed]).config
        threads.limit(config.runtime.threads)
        with (
            collected_warnings(show=False) as noticed,
            shown_progress(quiet=self.quiet) as progress,
            watched_compilation() as compilation,
            terminable(),
        ):
            built = rebuild(self.out, config, warned=noticed, progress=progress)
        compiled_s = compilation.seconds
        print_summary(built.name, self.out, built.used, built.summary, compiled_s=compiled_s, warnings=noticed)
        return 0
