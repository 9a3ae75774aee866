"""The systems that can be named: Fast-SNOW, and SNOW as its paper describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Final

from fast_snow.config import Config
from fast_snow.errors import ConfigError
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
    from fast_snow.baselines.snow import snow as baseline

    run = baseline(source, config)
    return SystemRun(**{each.name: getattr(run, each.name) for each in fields(SystemRun)})


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
