"""Fast-SNOW as a system that is evaluated: its usual engines, timed from the first frame to the finished graph."""

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np

from fast_snow.api import steps
from fast_snow.config import Config
from fast_snow.evaluation.depth_samples import DepthWatch
from fast_snow.evaluation.systems import SystemRun
from fast_snow.graph import start
from fast_snow.inputs import Input, SampledFrame
from fast_snow.protocols import Progress, silent
from fast_snow.selection import select_engines
from fast_snow.types import LabelledMasks, StageSeconds


def fast_snow(source: Input, config: Config, *, progress: Progress = silent) -> SystemRun:
    """Run Fast-SNOW over an input.

    Args:
        source: the opened input.
        config: all settings.
        progress: told how far the work is.

    Returns:
        What it made. A window's frames are done together: each has an equal share of the time since the window before.

    Raises:
        UserError: the input or the configuration cannot be used.
        FastSnowError: an engine failed.
    """
    selection, watch = select_engines(source, config, progress=progress), DepthWatch(config.depth_filter.conf_thresh)
    watched = replace(selection.engines, geometry=watch.over(selection.engines.geometry))
    clock = _Clock()
    labelled: list[LabelledMasks] = []
    frame_s: list[float] = []
    seconds, graph = StageSeconds(), start(config).graph
    for step in steps(clock.watching(source), replace(selection, engines=watched), config, progress=progress):
        added = len(step.state.labelled)
        frame_s += [clock.lap() / added] * added if added else []
        labelled += step.state.labelled
        seconds, graph = seconds + step.seconds, step.state.graph
    return SystemRun(
        graph=graph,
        labelled=tuple(labelled),
        engines=selection.used,
        seconds=seconds,
        wall_s=clock.total(),
        frame_s=np.array(frame_s, dtype=np.float64),
        depth=watch.samples,
        config=config,
    )


class _Clock:
    """Starts where the first frame is asked for."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.lapped = 0.0

    def watching(self, source: Input) -> Input:
        """Return an input whose first frame starts the clock."""

        def read() -> Iterator[SampledFrame]:
            if self.began is None:
                self.began = self.lapped = perf_counter()
            yield from source.read()

        return replace(source, read=read)

    def lap(self) -> float:
        """Return the seconds since the lap before."""
        before, self.lapped = self.lapped, perf_counter()
        return self.lapped - before

    def total(self) -> float:
        """Return the seconds since the start."""
        return 0.0 if self.began is None else perf_counter() - self.began
