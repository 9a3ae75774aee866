"""Presets: the configuration tree as a TOML file.

A preset names only what it changes. Keys that do not exist are refused with the nearest one that does.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fast_snow.addresses import is_loopback
from fast_snow.config import Config
from fast_snow.errors import ConfigError, InputError
from fast_snow.limits import PRESET_FILE
from fast_snow.untrusted_files import read_text, shown
from fast_snow.untrusted_json import loads_toml

Section = TypeVar("Section")

BASE_URL: Final = "FAST_SNOW_VLM_BASE_URL"
"""The variable of the environment that gives `vlm.base_url` as the command line does."""
_SHOWN: Final = 80


def load_preset(path: Path, *, base_url: str | None = None) -> Config:
    """Read a preset, which may come from a stranger.

    Args:
        path: a TOML file; what it does not name keeps its default.
        base_url: the user's own `vlm.base_url`, which replaces the preset's; None takes `FAST_SNOW_VLM_BASE_URL` of the
            environment. Without either, a preset may only name a server on this machine: prompts and keys go there.

    Returns:
        The configuration.

    Raises:
        ConfigError: the file cannot be read or is not TOML, names a key or a value that does not exist, or names a
            server that the user did not name.
    """
    try:
        values = loads_toml(read_text(path, limit=PRESET_FILE))
    except InputError as error:
        place = "" if str(error).startswith(shown(path)) else f"{shown(path)}: "
        raise ConfigError(f"{place}{error}") from None
    config = apply_preset(Config(), values)
    own = base_url or os.environ.get(BASE_URL)
    if own:
        return replace(config, vlm=replace(config.vlm, base_url=own))
    named = config.vlm.base_url
    if named is not None and not is_loopback(named):
        raise ConfigError(
            f"vlm.base_url: a preset alone may not send prompts and your key to {named[:_SHOWN]!r}; if you trust it,"
            f" give it yourself: --vlm.base-url URL, or {BASE_URL}=URL in the environment"
        )
    return config


def apply_preset(config: Section, values: Mapping[str, Any], *, where: str = "") -> Section:
    """Return a configuration tree, or its section `where`, with some of its values replaced, nested by section.

    Raises:
        ConfigError: a key or a value that does not exist.
    """
    known = {each.name: getattr(config, each.name) for each in fields(config)}  # type: ignore[arg-type]
    types = get_type_hints(type(config))
    changed = {}
    for key, value in values.items():
        name = f"{where}{key}"
        if key not in known:
            raise ConfigError(f"{name[:_SHOWN]}: no such setting{_nearest(key, where, known)}")
        if is_dataclass(known[key]):
            if not isinstance(value, Mapping):
                settings = ", ".join(each.name for each in fields(known[key]))
                raise ConfigError(f"{name}: got {_brief(value)}, expected a section with {settings}")
            changed[key] = apply_preset(known[key], value, where=f"{name}.")
        else:
            changed[key] = _typed(name, value, types[key])
    return replace(config, **changed)  # type: ignore[type-var]


def _nearest(key: str, where: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {where}{near[0]}?" if near else f"; expected one of {', '.join(known)}"


def _typed(name: str, value: object, wanted: Any) -> object:  # noqa: ANN401 (a type of typing)
    """Return `value` where it is what the field's type says; whole numbers stand for fractions too."""
    options = get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,)
    for option in options:
        if get_origin(option) is Literal:
            if value in get_args(option):
                return value
        elif option is float and type(value) is int:
            return float(value)
        elif type(value) is option:
            return value
    raise ConfigError(f"{name}: got {_brief(value)}, expected {' or '.join(_described(option) for option in options)}")


def _brief(value: object) -> str:
    """Return a value as messages can hold it; a table may be nested a thousand times."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    return repr(value)[:_SHOWN]


def _described(option: Any) -> str:  # noqa: ANN401 (a type of typing)
    if get_origin(option) is Literal:
        return f"one of {', '.join(get_args(option))}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "nothing"}[option]


def flat(config: Config) -> dict[str, Any]:
    """Return all settings by their dotted names."""

    def walk(values: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
        for name, value in values.items():
            yield from walk(value, f"{where}{name}.") if isinstance(value, Mapping) else [(f"{where}{name}", value)]

    return dict(walk(asdict(config), ""))


def changed(config: Config) -> dict[str, tuple[object, object]]:
    """Return the settings that differ from their defaults, as `{dotted name: (value, default)}`."""
    defaults = flat(Config())
    return {name: (value, defaults[name]) for name, value in flat(config).items() if value != defaults[name]}


def as_options(config: Config, prefixes: tuple[str, ...] = ("",)) -> list[str]:
    """Return the command-line options that make `config` of the defaults, of settings with one of these prefixes."""
    options: list[str] = []
    for name, (value, _) in changed(config).items():
        if not name.startswith(prefixes):
            continue
        section, _, setting = name.replace("_", "-").rpartition(".")
        if _type_of(name) is bool:
            options.append(f"--{section}.{'' if value else 'no-'}{setting}")
        else:
            options += [f"--{section}.{setting}", str(value)]
    return options


def _type_of(name: str) -> object:
    """Return the type of a setting by its dotted name."""
    found: Any = Config
    for part in name.split("."):
        found = get_type_hints(found)[part]
    return found
