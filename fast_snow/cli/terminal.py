"""What a person sees in the terminal: progress while a run works, and its summary."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from fast_snow.composition import EngineUse
from fast_snow.protocols import Progress, silent
from fast_snow.run_record import RunSummary
from fast_snow.types import SceneGraph


@contextmanager
def shown_progress(console: Console, *, quiet: bool = False) -> Iterator[Progress]:
    """Show a bar per stage on a terminal, and a line when a stage begins and ends elsewhere.

    Args:
        console: where to; standard error, so that results can be piped.
        quiet: show nothing.

    Yields:
        What the stages report to.
    """
    if quiet:
        yield silent
    elif console.is_terminal:
        with Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        ) as bars:
            yield _bars(bars)
    else:
        yield _lines(console)


def _bars(bars: Bars) -> Progress:
    tasks: dict[str, int] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(escape(what), total=total or None)
        elif done == 0:
            bars.reset(tasks[what], total=total or None)
        bars.update(tasks[what], completed=done, total=total or None)

    return report


def _lines(console: Console) -> Progress:
    def report(what: str, done: int, total: int) -> None:
        if done == 0 or done >= total:
            console.print(f"{what}: {done} of {total}", markup=False, highlight=False)

    return report


def print_summary(
    console: Console,
    *,
    name: str,
    folder: Path,
    graph: SceneGraph,
    used: Sequence[EngineUse],
    summary: RunSummary,
    wall_s: float,
    warnings: Sequence[str],
) -> None:
    """Tell what a run made, how long each stage took and what the engines mean for accuracy."""
    rate = summary.frames / wall_s
    console.print(
        f"[bold]{escape(name)}[/]: {summary.tracks} tracks with {summary.observations} observations in"
        f" {summary.frames} frames; {wall_s:.1f} s, {rate:.1f} frames per second"
    )
    stages = "  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in asdict(summary.seconds).items())
    console.print(f"stages   {stages}", highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for use in used:
        table.add_row(use.slot, f"[bold]{escape(use.name)}[/]", escape(use.meaning))
    console.print(table)
    console.print(f"lengths  {'metres' if graph.metric else 'one unknown scale, the same for the whole clip'}")
    console.print(f"depth    {'; '.join(graph.depth_origin)}", highlight=False)
    for warning in warnings:
        console.print(f"[yellow]warning[/]  {escape(warning)}", highlight=False)
    console.print(f"graph    {escape(str(folder / '4dsg.json'))}", highlight=False)
    console.print(f"look     fast-snow view {escape(str(folder))}", highlight=False)
