"""What a person sees in the terminal: progress while a run works, and its summary."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import IO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from fast_snow.batching.report import BatchResult
from fast_snow.cli.standard_streams import Tolerant, unfailing
from fast_snow.incidents import summarised
from fast_snow.inputs.live.state import Live
from fast_snow.kernels.compilation import watched_compilation
from fast_snow.protocols import Progress, silent
from fast_snow.resuming import Memory
from fast_snow.run_record import RunSummary
from fast_snow.selection import EngineUse, Skipped
from fast_snow.types import Health
from fast_snow.types.values import counted

_WIDTH_OF_FILES = 160
"""Columns where the output does not go to a terminal."""
COMPILING = "compiling kernels (first run only)"
_LEAST_UNCERTAIN = 0.01
_STOPPING = b"stopping: what was read is finished and written; interrupt again to abort without a graph\n"
_SILENCE_S = 10.0
"""There, a line says so often that a stage goes on."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that fits the terminal, or has room where there is none."""
    file = cast("IO[str]", Tolerant()) if stderr else None
    terminal = Console(file=file, highlight=False)
    return terminal if terminal.is_terminal else Console(file=file, highlight=False, width=_WIDTH_OF_FILES)


def plain_table(
    *names: str, rows: Iterable[Sequence[str]], left: int = 1, padding: tuple[int, int, int, int] = (0, 2, 0, 0)
) -> Table:
    """Return a table without lines, with a header if columns have names: `left` columns of words, then numbers."""
    made = Table(box=None, show_header=bool(names), padding=padding)
    for index, name in enumerate(names):
        made.add_column(name, justify="left" if index < left else "right")
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def shown_progress(*, quiet: bool = False, clock: Callable[[], float] = monotonic) -> Iterator[Progress]:
    """Show, on standard error, a bar per stage on a terminal, and lines as stages begin, go on and end elsewhere.

    A line says so where kernels must be compiled first.

    Args:
        quiet: show nothing.
        clock: seconds.

    Yields:
        What the stages report to.
    """
    err = console(stderr=True)
    if quiet:
        yield silent
        return
    with ExitStack() as stack:
        stack.enter_context(watched_compilation(lambda: err.print(COMPILING)))
        if not err.is_terminal:
            yield _lines(err, clock)
            return
        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        yield _bars(stack.enter_context(Bars(_spinner(err), *columns, console=err, transient=True)))


def _spinner(console: Console) -> SpinnerColumn:
    return SpinnerColumn("dots" if console.encoding.startswith("utf") else "line")


def _bars(bars: Bars) -> Progress:
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
        stage = what.partition(" (")[0]  # how it stands follows in brackets
        if stage not in tasks:
            tasks[stage] = bars.add_task(escape(what), total=total or None)
        elif done == 0:
            bars.reset(tasks[stage], total=total or None)
        bars.update(tasks[stage], completed=done, total=total or None, description=escape(what))

    return report


def _lines(console: Console, clock: Callable[[], float]) -> Progress:
    printed, printed_s = "", clock()

    def report(what: str, done: int, total: int) -> None:
        nonlocal printed, printed_s
        line, now_s = f"{what}: {done} of {total or '?'}", clock()
        if line != printed and (done == 0 or 0 < total <= done or now_s - printed_s >= _SILENCE_S):
            printed, printed_s = line, now_s
            console.print(line, markup=False)

    return report


@contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[None]:
    """Show, on standard error, that something is waited for whose progress nobody knows."""
    err = console(stderr=True)
    if quiet:
        yield
    elif err.is_terminal:
        with Bars(
            _spinner(err), TextColumn("{task.description}"), TimeElapsedColumn(), console=err, transient=True
        ) as bars:
            bars.add_task(escape(what), total=None)
            yield
    else:
        err.print(what, markup=False)
        yield


@unfailing()
def print_resumption(memory: Memory, *, quiet: bool) -> None:
    """Say, on standard error, which windows a dead run left; nothing where it left none."""
    if memory.perceived and not quiet:
        console(stderr=True).print(str(memory), markup=False)


def print_warnings(warnings: Sequence[str], out: Console | None = None) -> None:
    """Print what was worked around."""
    for warning in warnings:
        (out or console()).print(f"[yellow]warning[/]  {escape(warning)}")


@unfailing()
def print_summary(
    name: str,
    folder: Path,
    used: Sequence[EngineUse],
    summary: RunSummary,
    *,
    compiled_s: float,
    warnings: Sequence[str],
    live: Live | None = None,
) -> None:
    """Print the results of a run, the time per stage and what the engines mean for accuracy; never fails."""
    out, graph = console(), summary.graph
    rate = graph.num_frames / summary.wall_s
    out.print(
        f"[bold]{escape(name)}[/]: {counted(len(graph.tracks), 'track')} with"
        f" {counted(summary.observations, 'observation')} in {counted(graph.num_frames, 'frame')};"
        f" {summary.wall_s:.1f} s, {rate:.1f} frames per second",
        highlight=True,
    )
    if not graph.tracks:
        out.print("[yellow]no objects detected[/]; the graph holds only the camera trajectory")
    if summary.health.background_regions:
        planes = counted(summary.health.background_regions, "surface")
        out.print(f"tracks   exclude {planes} that objects rest on or stand before (background)")
    stages = "  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in asdict(summary.seconds).items())
    out.print(f"stages   {stages}")
    if live is not None:
        lost = f"{counted(live.dropped, 'frame')} dropped, {counted(live.reconnects, 'reconnect')}"
        out.print(f"live     {live.ending}; {lost}; delay at most {live.largest_delay_s:.1f} s")
    if compiled_s:
        out.print(f"times    include {compiled_s:.1f} s of compiling the kernels, first run only")
    out.print(plain_table(rows=[(use.slot, f"[bold]{escape(use.name)}[/]", escape(use.meaning)) for use in used]))
    for line in _not_used(used):
        out.print(f"not used  {escape(line)}", style="dim")
    known = "" if graph.scale is None else f" ± {100 * graph.scale.relative_sigma:.2g} %"
    scale = f"metric{known}" if graph.metric else "up to one unknown global factor (not metric)"
    out.print(f"scale    {scale}", highlight=True)
    out.print(f"depth    {'; '.join(graph.depth_origin)}{_uncertain(summary.health)}")
    if incidents := summarised(summary.health.incidents):
        out.print(f"health   {incidents}")
    print_warnings(warnings, out)
    out.print(f"graph    {escape(str(folder / '4dsg.json'))}")
    out.print(f"view     fast-snow view {escape(str(folder))}")


@unfailing()
def print_batch(result: BatchResult, folder: str) -> None:
    """Print what became of the videos of a batch; never fails."""
    out = console()
    frames = sum(row.frames for row in result.rows)
    counts = ", ".join(
        f"{n} {each}" for each in ("done", "skipped", "failed", "interrupted") if (n := result.count(each))
    )
    busy = result.busy_s / max(1, len(result.peak_bytes)) / result.wall_s
    out.print(
        f"[bold]{counted(len(result.rows), 'video')}[/]: {counts}; {counted(frames, 'frame')} in {result.wall_s:.1f} s,"
        f" {frames / result.wall_s:.1f} frames per second",
        highlight=True,
    )
    peak = max(result.peak_bytes, default=0) / 1e9
    out.print(f"workers  {len(result.peak_bytes)}, {busy:.0%} of the time at work, at most {peak:.1f} GB each")
    for row in result.rows:
        if row.status == "failed":
            out.print(f"[yellow]failed[/]   {escape(row.video)}: {escape(row.error)}")
    out.print(f"table    {escape(str(Path(folder) / 'batch.csv'))}")


def _uncertain(health: Health) -> str:
    """Return how much of the objects the depth filter leaves out; nothing where it is hardly any."""
    share = health.untrusted_pixels / health.mask_pixels if health.mask_pixels else 0.0
    return f"; {share:.0%} of the objects' pixels left out as uncertain" if share >= _LEAST_UNCERTAIN else ""


def _not_used(used: Sequence[EngineUse]) -> list[str]:
    """Return one line per reason why better engines do not run, with the option that forces the first of them."""
    reasons: dict[tuple[str, bool], list[Skipped]] = {}
    for skipped in (skipped for use in used for skipped in use.skipped):
        reasons.setdefault((skipped.why, bool(skipped.option)), []).append(skipped)
    lines = []
    for (why, selectable), engines in reasons.items():
        example = "e.g. " if len(engines) > 1 else ""
        remedy = f"; force with {example}{engines[0].option}" if selectable else ""
        lines.append(f"{', '.join(each.name for each in engines)}: {why}{remedy}")
    return lines


@contextmanager
def terminable(*, kept: str = "", stop: Callable[[], bool] | None = None) -> Iterator[None]:
    """Let a polite termination clean up like Ctrl-C does.

    pycolmap's logging library puts in a handler of its own, which kills, when it is first imported: it is beforehand.

    Args:
        kept: what an interruption leaves and how to go on, for the user.
        stop: asked at each signal, Ctrl-C too, to end the work in order; where it returns False, work is interrupted.
    """
    with suppress(ImportError):
        import_module("pycolmap")

    def interrupt(*_: object) -> None:
        if stop is None or not stop():
            raise KeyboardInterrupt
        with suppress(OSError):  # not by print: the signal may have come within one
            os.write(2, _STOPPING)

    signals = (signal.SIGTERM,) if stop is None else (signal.SIGTERM, signal.SIGINT)
    before = [(each, signal.signal(each, interrupt)) for each in signals]
    try:
        yield
    except KeyboardInterrupt as end:
        if kept:
            raise KeyboardInterrupt(kept) from end
        raise
    finally:
        for each, handler in before:
            signal.signal(each, handler)
