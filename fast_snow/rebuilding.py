"""A new graph of a finished run from its perception files: other settings of the fold, and no engine."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from fast_snow import output
from fast_snow.config import Config
from fast_snow.emptiness import doubts
from fast_snow.errors import ConfigError, FastSnowWarning, InputError
from fast_snow.graph import fold, start
from fast_snow.inputs import open_input
from fast_snow.inputs.recording import Recording, some_depth
from fast_snow.keyframes import KeyframeImage, with_depth
from fast_snow.limits import IMAGE_FILE
from fast_snow.output.graph_json import read_graph
from fast_snow.output.record import PERCEPTION, SEAL
from fast_snow.perception_files import PerceptionFiles
from fast_snow.presets import flat
from fast_snow.protocols import Progress, silent
from fast_snow.run_key import needs_engines
from fast_snow.run_record import RunSummary, folded
from fast_snow.scaling import in_metres, rescaled
from fast_snow.selection import EngineUse
from fast_snow.step import settled_for
from fast_snow.typed_json import Sha256, build_dataclass
from fast_snow.types import Keyframe, SceneGraph, StageSeconds
from fast_snow.untrusted_files import read_bytes, require_inside, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptPerception:
    """`perception` of a record: the digest of what its files depend on, and the settings as they were given."""

    key: Sha256
    config: Config


@dataclass(frozen=True, slots=True, kw_only=True)
class _Engine:
    """What is needed of an entry of `engines` of a record."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Engines:
    """What is needed of a record."""

    engines: Mapping[str, _Engine]


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltRun:
    """What a rebuild was made of, and what it came to."""

    name: str
    used: tuple[EngineUse, ...]
    summary: RunSummary


def settings_of(folder: Path) -> Config:
    """Return the settings that a run with perception files was given.

    Args:
        folder: of the run.

    Raises:
        InputError: there is no run, or it kept no perception files.
    """
    return _kept(folder, output.read_record(folder)).config


def rebuild(folder: Path, config: Config, *, warned: Sequence[str] = (), progress: Progress = silent) -> RebuiltRun:
    """Fold the perception files of a run anew and put the result in its place: graph, masks, keyframes and record.

    Args:
        folder: of the run.
        config: all settings; those of engines are as the run was given.
        warned: the warnings that are given meanwhile, for the record.
        progress: told how many windows are folded.

    Raises:
        ConfigError: a setting differs that would need engines.
        InputError: a perception file is missing or damaged, or the input is, where it recorded depth or masks.
        OutputError: the folder cannot be written, or its files were changed since.
    """
    began, record = perf_counter(), output.read_record(folder)
    kept, used = _kept(folder, record), _used(record)
    _require_no_engines(kept.config, config, used)
    files, windows = _files(folder, record, kept, used), record.get("windows")
    if type(windows) is not int:
        raise InputError(f"{shown(folder / output.RECORD)}: windows: expected their number: run infer again")
    writing: AbstractContextManager[output.RunWriter] = output.create(folder, overwrite=True)
    with writing as writer:
        state, seconds = start(config), StageSeconds()
        for window in range(windows):
            perception, noticed = files.load(window)
            _warn(noticed)
            known = len(state.graph.keyframes)
            state = fold(state, perception, config=config, some_depth=some_depth(files.recording))
            seconds += perception.seconds
            added = state.graph.keyframes[known:]
            pictures, conf_thresh = _pictures(folder, added), config.depth_filter.conf_thresh
            writer.add(state.labelled, with_depth(pictures, added, perception, state.joints, conf_thresh))
            progress("fold", window + 1, windows)
        _warn(doubts(state.graph, state.health, min_points=config.depth_filter.min_points))
        summary = RunSummary.of(state, windows, seconds)
        graph = _in_metres(folder, record, summary, config)
        summary = replace(summary, graph=graph, wall_s=perf_counter() - began)
        writer.keep_perception(files.folder)
        writer.finish(graph, {**_unsealed(record), **folded(summary), **_changed(summary, kept, config, warned)})
    name = record["input"].get("name") if isinstance(record.get("input"), dict) else None
    return RebuiltRun(name=str(name or folder), used=used, summary=summary)


def _unsealed(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in (SEAL, "files")}


def _changed(summary: RunSummary, kept: _KeptPerception, config: Config, warned: Sequence[str]) -> dict[str, Any]:
    return {
        "warnings": list(warned),
        "config": asdict(settled_for(config, summary.graph)),
        "perception": {"key": kept.key, "config": asdict(config)},
    }


def _kept(folder: Path, record: dict[str, Any]) -> _KeptPerception:
    if "perception" not in record:
        raise InputError(
            f"{shown(folder)}: keeps no perception files, expected a run with --output.keep-perception: run infer again"
        )
    where = f"{shown(folder / output.RECORD)}: perception"
    return build_dataclass(_KeptPerception, record["perception"], where, complete=True)


def _used(record: dict[str, Any]) -> tuple[EngineUse, ...]:
    engines = build_dataclass(_Engines, record, output.RECORD, extra=True).engines
    return tuple(EngineUse(slot=slot, name=each.name, meaning=each.meaning) for slot, each in engines.items())


def _require_no_engines(given: Config, wanted: Config, used: Sequence[EngineUse]) -> None:
    engines, before = {use.slot: use.name for use in used}, flat(given)
    for name, value in flat(wanted).items():
        if value != before[name] and (name.startswith("output.") or needs_engines(name, engines)):
            raise ConfigError(
                f"{name}: got {value}, expected {before[name]} as in the run: images or engines' answers depend on it:"
                " run infer again"
            )


def _files(folder: Path, record: dict[str, Any], kept: _KeptPerception, used: Sequence[EngineUse]) -> PerceptionFiles:
    recorded = frozenset(use.slot for use in used if use.name == "recorded")
    where = folder / PERCEPTION
    try:
        require_inside(where, folder)
    except OSError as error:
        raise InputError(f"{shown(where)}: {error.strerror}, expected perception files: run infer again") from None
    source = record.get("input")
    needed = recorded or (isinstance(source, dict) and source.get("some_depth") is True)
    recording = _recording(source, kept.config) if needed else None
    return PerceptionFiles(folder=where, key=kept.key, recorded=recorded, recording=recording)


def _recording(source: Any, config: Config) -> Recording | None:  # noqa: ANN401 (JSON)
    path = source.get("path") if isinstance(source, dict) else None
    if not isinstance(path, str) or not output.is_unchanged(Path(path), source):
        raise InputError(
            f"{shown(Path(str(path)))}: is missing or was changed, expected the input of the run, whose depth or masks"
            " belong to it: bring it back or run infer again"
        )
    return open_input(Path(path), config.sampling, config.source).recording


def _pictures(folder: Path, keyframes: Iterable[Keyframe]) -> list[KeyframeImage]:
    return [
        KeyframeImage(path=each.path, jpeg=read_bytes(folder / each.path, limit=IMAGE_FILE, within=folder))
        for each in keyframes
    ]


def _in_metres(folder: Path, record: dict[str, Any], summary: RunSummary, config: Config) -> SceneGraph:
    """Return the graph in metres by the lengths that were stated of the run since, or else by those known before it."""
    stated = read_graph(folder / output.GRAPH, within=folder).scale if "scale" in record else None
    if stated is None or summary.graph.metric:
        return in_metres(summary.graph, summary.known_lengths, config.source)
    return rescaled(summary.graph, stated)


def _warn(messages: Iterable[str]) -> None:
    for message in messages:
        warnings.warn(message, FastSnowWarning, stacklevel=2)
