"""The systems under evaluation, Fast-SNOW and SNOW, timed from the first frame to the finished graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.api import steps
from fast_snow.config import Config
from fast_snow.errors import ConfigError
from fast_snow.evaluation.metrics.depth import DepthSamples, DepthWatch
from fast_snow.inputs import Input, SampledFrame
from fast_snow.pipeline import Step
from fast_snow.protocols import Progress, silent
from fast_snow.run_record import summarize_run
from fast_snow.selection import EngineUse, select_engines
from fast_snow.types import LabelledMasks, SceneGraph, StageSeconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SystemRun:
    """What a system made of a clip.

    Attributes:
        graph: the 4D scene graph.
        labelled: the masks of every frame with the objects they belong to.
        engines: which engines worked.
        seconds: wall time per stage.
        wall_s: from the first frame asked for to the finished graph.
        frame_s: for each frame, how long after the frame before it was done: window time shared evenly among the
            frames of a window where a system answers window by window.
        depth: samples of what its geometry engine answered.
        config: all settings, as it took them.
    """

    graph: SceneGraph
    labelled: tuple[LabelledMasks, ...]
    engines: tuple[EngineUse, ...]
    seconds: StageSeconds
    wall_s: float
    frame_s: Float64[np.ndarray, " n"]
    depth: DepthSamples
    config: Config


System = Callable[[Input, Config], SystemRun]
"""Reads the input's frames, runs with the seed of `config.runtime`, and returns what it made."""


def run_fast_snow(source: Input, config: Config, *, progress: Progress = silent) -> SystemRun:
    """Run Fast-SNOW over an input.

    A window's frames are done together: each has an equal share of the time since the window before.

    Raises:
        UserError: the input or the configuration cannot be used.
        FastSnowError: an engine failed.
    """
    selection, watch = select_engines(source, config, progress=progress), DepthWatch(config.depth_filter.conf_thresh)
    watched = replace(selection.engines, geometry=watch.over(selection.engines.geometry))
    labelled, frame_s = list[LabelledMasks](), list[float]()
    laps: list[float] = []  # when the first frame was asked for, then when each window was done

    def read() -> Iterator[SampledFrame]:
        if not laps:
            laps.append(perf_counter())
        yield from source.read()

    def keep(step: Step) -> None:
        if added := len(step.state.labelled):
            laps.append(perf_counter())
            frame_s.extend([(laps[-1] - laps[-2]) / added] * added)
            labelled.extend(step.state.labelled)

    timed, chosen = replace(source, read=read), replace(selection, engines=watched)
    summary = summarize_run(steps(timed, chosen, config, progress=progress), config, keep)
    return SystemRun(
        graph=summary.graph,
        labelled=tuple(labelled),
        engines=selection.used,
        seconds=summary.seconds,
        wall_s=perf_counter() - laps[0] if laps else 0.0,
        frame_s=np.array(frame_s, dtype=np.float64),
        depth=watch.samples,
        config=config,
    )


def run_snow(source: Input, config: Config) -> SystemRun:
    """Run SNOW over an input, with the geometry engine that Fast-SNOW has; raises as `run_fast_snow`."""
    from fast_snow.baselines.proposals import with_plain_statistics
    from fast_snow.baselines.snow import snow

    watch = DepthWatch(config.depth_filter.conf_thresh)
    run = snow(source, config, watch=watch.over)
    return SystemRun(
        graph=run.graph,
        labelled=run.labelled,
        engines=run.engines,
        seconds=run.seconds,
        wall_s=run.wall_s,
        frame_s=run.frame_s,
        depth=watch.samples,
        config=with_plain_statistics(config),
    )


SYSTEMS: Final[Mapping[str, System]] = MappingProxyType({"fast-snow": run_fast_snow, "snow": run_snow})


def select_systems(names: Sequence[str]) -> dict[str, System]:
    """Return systems by their names, in the order given.

    Raises:
        ConfigError: there is no such system, or none is named.
    """
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown or not names:
        raise ConfigError(f"--systems: got {', '.join(unknown) or 'none'}; expected some of {', '.join(SYSTEMS)}")
    return {name: SYSTEMS[name] for name in names}
