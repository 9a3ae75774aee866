"""Presets: the configuration tree as a TOML file.

A preset names only what it changes. Keys that do not exist are refused with the nearest one that does.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from fast_snow.config import Config
from fast_snow.errors import ConfigError

Section = TypeVar("Section")


def load(path: Path) -> Config:
    """Read a preset.

    Args:
        path: a TOML file; what it does not name keeps its default.

    Returns:
        The configuration.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or names a key or a value that does not exist.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; expected a TOML file like those in configs/") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error}); expected sections like those in configs/") from error
    return apply(Config(), values)


def apply(config: Section, values: Mapping[str, Any], *, where: str = "") -> Section:
    """Return `config` with some of its values replaced.

    Args:
        config: a configuration tree or one of its sections.
        values: nested by section.
        where: name of the section, for messages.

    Returns:
        The changed tree.

    Raises:
        ConfigError: a key or a value that does not exist.
    """
    known = {each.name: getattr(config, each.name) for each in fields(config)}  # type: ignore[arg-type]
    types = get_type_hints(type(config))
    changed = {}
    for key, value in values.items():
        name = f"{where}{key}"
        if key not in known:
            raise ConfigError(f"{name}: no such setting{_nearest(key, where, known)}")
        if is_dataclass(known[key]):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name}: got {value!r}, expected a section with {', '.join(_settings(known[key]))}")
            changed[key] = apply(known[key], value, where=f"{name}.")
        else:
            changed[key] = _typed(name, value, types[key])
    return replace(config, **changed)  # type: ignore[type-var]


def _settings(section: Any) -> list[str]:  # noqa: ANN401 (any section)
    """Return the names of a section's settings."""
    return [each.name for each in fields(section)]


def _nearest(key: str, where: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {where}{near[0]}?" if near else f"; expected one of {', '.join(known)}"


def _typed(name: str, value: object, wanted: Any) -> object:  # noqa: ANN401 (a type of typing)
    """Return `value` where it is what the field's type says; whole numbers stand for fractions too."""
    options = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    for option in options:
        if get_origin(option) is Literal:
            if value in get_args(option):
                return value
        elif option is float and type(value) is int:
            return float(value)
        elif type(value) is option:
            return value
    raise ConfigError(f"{name}: got {value!r}, expected {' or '.join(_described(option) for option in options)}")


def _described(option: Any) -> str:  # noqa: ANN401 (a type of typing)
    if get_origin(option) is Literal:
        return f"one of {', '.join(get_args(option))}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "nothing"}[option]


def changed(config: Config) -> dict[str, tuple[object, object]]:
    """Return the settings that differ from their defaults, as `{dotted name: (value, default)}`."""
    return dict(_changed(asdict(config), asdict(Config()), ""))


def as_options(config: Config) -> list[str]:
    """Return the command-line options that make `config` of the defaults."""
    options: list[str] = []
    for name, (value, _) in changed(config).items():
        section, _, setting = name.replace("_", "-").rpartition(".")
        if isinstance(value, bool):
            options.append(f"--{section}.{'' if value else 'no-'}{setting}")
        else:
            options += [f"--{section}.{setting}", str(value)]
    return options


def _changed(
    values: Mapping[str, Any], defaults: Mapping[str, Any], where: str
) -> list[tuple[str, tuple[object, object]]]:
    found: list[tuple[str, tuple[object, object]]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _changed(value, defaults[key], f"{where}{key}.")
        elif value != defaults[key]:
            found.append((f"{where}{key}", (value, defaults[key])))
    return found
