"""The engines of a run: what the input brings, what the user asks for, what is there.

Engines are imported where they are chosen: what a run does not use, it does not load.
"""

from dataclasses import dataclass

from fast_snow.composition import geometry, segmenter, tracker
from fast_snow.composition.candidates import Choice, PassedOver, choose
from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.inputs import Input
from fast_snow.perception import Engines
from fast_snow.protocols import OpenGeometry, OpenSegmenter, OpenTracker, Progress, silent

ROOMY_BYTES = 22 * 2**30
"""GPUs sold with 24 GB offer a little less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUse:
    """An engine at work, in words for the user.

    Attributes:
        slot: geometry, segmenter or tracker.
        name: of the engine.
        meaning: what it means for accuracy.
        passed_over: better engines, and why they do not run.
    """

    slot: str
    name: str
    meaning: str
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """The engines of a run and what to tell of them.

    Attributes:
        engines: how to open each.
        used: in words for the user.
        resident: whether they stay loaded from one window to the next.
    """

    engines: Engines
    used: tuple[EngineUse, ...]
    resident: bool


def compose(source: Input, config: Config, *, progress: Progress = silent) -> Composition:
    """Choose the engines of a run.

    `auto` takes what the input brings, then what trained models can do on this machine, then the classical engines.

    Args:
        source: the opened input.
        config: the user's choice and the engines' parameters.
        progress: told how far the engines are.

    Returns:
        How to open the engines, and what to tell of them.

    Raises:
        ConfigError: an engine that is asked for cannot run here.
    """
    wanted, recording = config.engines, source.recording
    for_geometry: Choice[OpenGeometry] = choose(
        "geometry", wanted.geometry, geometry.candidates(config, recording, source.size, progress)
    )
    for_segmenter: Choice[OpenSegmenter] = choose(
        "segmenter", wanted.segmenter, segmenter.candidates(config, recording, source.size, progress)
    )
    for_tracker: Choice[OpenTracker] = choose(
        "tracker", wanted.tracker, tracker.candidates(config, recording, progress)
    )
    return Composition(
        engines=Engines(
            geometry=for_geometry.candidate.opener(),
            segmenter=for_segmenter.candidate.opener(),
            tracker=for_tracker.candidate.opener(),
        ),
        used=(_use("geometry", for_geometry), _use("segmenter", for_segmenter), _use("tracker", for_tracker)),
        resident=_resident(config),
    )


def own_engines(engines: Engines, config: Config) -> Composition:
    """Return the composition of engines that the caller brings."""
    names = {"geometry": engines.geometry, "segmenter": engines.segmenter, "tracker": engines.tracker}
    uses = (
        EngineUse(slot=slot, name=getattr(opener, "__qualname__", repr(opener)), meaning="brought by the caller")
        for slot, opener in names.items()
    )
    return Composition(engines=engines, used=tuple(uses), resident=_resident(config))


def reads(composition: Composition, setting: str) -> bool:
    """Tell whether anything in a run reads a setting, given by its dotted name."""
    section, _, rest = setting.partition(".")
    names = {use.slot: use.name for use in composition.used}
    if section == "classical":
        return names.get(rest.partition(".")[0]) == "classical"
    trained = {name.partition("-")[0] for name in names.values()} & {"fastsam", "da3", "sam3"}
    if setting in ("runtime.device", "engines.compiled_path"):
        return bool(trained)
    if section in ("fastsam", "da3", "sam3") and setting != "fastsam.discovery_iou_thresh":
        return section in trained
    return section != "vlm"


def _use(slot: str, choice: Choice[OpenGeometry] | Choice[OpenSegmenter] | Choice[OpenTracker]) -> EngineUse:
    return EngineUse(
        slot=slot,
        name=choice.candidate.name,
        meaning=choice.candidate.meaning,
        passed_over=choice.passed_over,
    )


def _resident(config: Config) -> bool:
    if config.runtime.residency != "auto":
        return config.runtime.residency == "resident"
    return config.runtime.device == "cpu" or all(each.memory_bytes >= ROOMY_BYTES for each in gpus())
