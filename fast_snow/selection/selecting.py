"""The engines of a run: what the input brings, what the user asks for, what is there.

Engines are imported where they are chosen: what a run does not use, it does not load.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fast_snow.config import Config
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.hardware import gpus
from fast_snow.inputs import Input
from fast_snow.inputs.recording import some_depth
from fast_snow.perception import EngineOpeners
from fast_snow.protocols import OpenGeometry, OpenMetricDepth, OpenSegmenter, OpenTracker, Progress, silent
from fast_snow.selection import geometry, metric_depth, segmenter, tracker
from fast_snow.selection.candidates import Candidate, Skipped, added, choose

TRAINED = frozenset({"fastsam", "sam2", "da3", "sam3", "edgetam"})
"""Families of trained engines, each with a section of settings of the same name."""
ROOMY_BYTES = 22 * 2**30
"""GPUs sold with 24 GB offer a little less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """A caller's own engines; a stage that is left out gets the engine that the configuration names.

    Attributes:
        geometry: opens what estimates depth and cameras.
        segmenter: opens what finds the objects of each frame.
        tracker: opens what follows objects through a window.
        metric_depth: opens what gives geometry without a scale its metres; left out, nothing does by default.
    """

    geometry: OpenGeometry | None = None
    segmenter: OpenSegmenter | None = None
    tracker: OpenTracker | None = None
    metric_depth: OpenMetricDepth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUse:
    """An engine at work, in words for the user.

    Attributes:
        slot: geometry, segmenter, tracker or metric_depth.
        name: of the engine.
        meaning: what it means for accuracy.
        skipped: better engines, and why they do not run.
    """

    slot: str
    name: str
    meaning: str
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The engines of a run and what to tell of them.

    Attributes:
        engines: how to open each.
        used: in words for the user.
        resident: whether they stay loaded from one window to the next.
    """

    engines: EngineOpeners
    used: tuple[EngineUse, ...]
    resident: bool


def select_engines(
    source: Input, config: Config, engines: Engines = Engines(), *, progress: Progress = silent
) -> Selection:
    """Choose the engines of a run: how to open them, and what to tell of them.

    `auto` takes what the input brings, then what trained models can do on this machine, then the classical engines. The
    caller's own `engines` serve their slots whatever the configuration says.

    Raises:
        ConfigError: an engine that is asked for cannot run here.
    """
    wanted, recording, flows = config.engines, source.recording, FlowStore(config.runtime.seed)
    given = (config, recording, source.size, progress, flows)
    slots: dict[str, tuple[Any, str, Callable[[], Sequence[Candidate[Any]]]]] = {
        "geometry": (engines.geometry, wanted.geometry, partial(geometry.candidates, *given)),
        "segmenter": (engines.segmenter, wanted.segmenter, partial(segmenter.candidates, *given)),
        "tracker": (engines.tracker, wanted.tracker, lambda: tracker.candidates(config, recording, progress, flows)),
        "metric_depth": (engines.metric_depth, wanted.metric_depth, lambda: metric_depth.candidates(config)),
    }
    if (wanted.metric_depth == "none" and engines.metric_depth is None) or some_depth(recording) is not None:
        del slots["metric_depth"]
    openers: dict[str, Any] = {}
    used: list[EngineUse] = []
    for slot, (own, name, candidates) in slots.items():
        if own is not None:
            openers[slot] = own
            used.append(EngineUse(slot=slot, name=name_of(own), meaning="brought by the caller"))
        else:
            chosen, skipped = choose(slot, name, candidates(), added(slot, config), optional=slot == "metric_depth")
            openers[slot] = chosen.opener()
            used.append(EngineUse(slot=slot, name=chosen.name, meaning=chosen.meaning, skipped=skipped))
    return Selection(engines=EngineOpeners(**openers), used=tuple(used), resident=_resident(config))


def name_of(opener: object) -> str:
    """Return the name under which a caller's engine stands in summary and record."""
    while isinstance(opener, partial):
        opener = opener.func
    return str(getattr(opener, "name", None) or getattr(opener, "__qualname__", type(opener).__qualname__))


def reads(selection: Selection, setting: str) -> bool:
    """Tell whether anything in a run reads a setting, given by its dotted name."""
    section, _, rest = setting.partition(".")
    names = {use.slot: use.name for use in selection.used}
    if section == "classical":
        return names.get(rest.partition(".")[0]) == "classical"
    trained = {re.split("[-.]", name)[0] for name in names.values()} & TRAINED
    if section == "metric_depth":
        return section in names
    if setting == "runtime.device" and "metric_depth" in names:
        return True
    if setting in ("runtime.device", "engines.compiled_path"):
        return bool(trained)
    if section in TRAINED and setting != "fastsam.discovery_iou_thresh":
        return section in trained
    return section != "vlm"


def _resident(config: Config) -> bool:
    if config.runtime.residency != "auto":
        return config.runtime.residency == "resident"
    return config.runtime.device == "cpu" or all(each.memory_bytes >= ROOMY_BYTES for each in gpus())
