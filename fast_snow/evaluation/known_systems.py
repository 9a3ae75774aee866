"""The systems that can be named: Fast-SNOW, and SNOW as its paper describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from fast_snow.config import Config
from fast_snow.errors import ConfigError
from fast_snow.evaluation.depth_samples import DepthWatch
from fast_snow.evaluation.fast_snow_system import fast_snow
from fast_snow.evaluation.systems import System, SystemRun
from fast_snow.inputs import Input


def snow(source: Input, config: Config) -> SystemRun:
    """Run SNOW over an input.

    Args:
        source: the opened input.
        config: all settings; SNOW has the same geometry engine as Fast-SNOW.

    Raises:
        UserError: the input or the configuration cannot be used.
        FastSnowError: an engine failed.
    """
    from fast_snow.baselines.proposals import plain
    from fast_snow.baselines.snow import snow as baseline

    watch = DepthWatch(config.depth_filter.conf_thresh)
    run = baseline(source, config, watch=watch)
    return SystemRun(
        graph=run.graph,
        labelled=run.labelled,
        engines=run.engines,
        seconds=run.seconds,
        wall_s=run.wall_s,
        frame_s=run.frame_s,
        depth=watch.samples,
        config=replace(config, step=plain(config.step)),
    )


SYSTEMS: Final[Mapping[str, System]] = MappingProxyType({"fast-snow": fast_snow, "snow": snow})


def named(names: Sequence[str]) -> dict[str, System]:
    """Return systems by their names, in the order given.

    Raises:
        ConfigError: there is no such system, or none is named.
    """
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown or not names:
        raise ConfigError(f"--systems: got {', '.join(unknown) or 'none'}; expected some of {', '.join(SYSTEMS)}")
    return {name: SYSTEMS[name] for name in names}
