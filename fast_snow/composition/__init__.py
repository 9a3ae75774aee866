"""Which engine serves which slot: what the input brings, what the user asks for, what is there.

Engines are imported where they are chosen: what a run does not use, it does not load.
"""

from dataclasses import dataclass
from functools import partial

from fast_snow.config import Config
from fast_snow.engines import recorded
from fast_snow.errors import InputError
from fast_snow.inputs import Input
from fast_snow.inputs.recording import Recording
from fast_snow.perception import Engines
from fast_snow.protocols import OpenGeometry, OpenSegmenter, OpenTracker, Progress, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUse:
    """An engine at work, in words for the user.

    Attributes:
        slot: geometry, segmenter or tracker.
        name: of the engine.
        meaning: what it means for accuracy.
    """

    slot: str
    name: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """The engines of a run and what to tell of them."""

    engines: Engines
    used: tuple[EngineUse, ...]


def reads(composition: Composition, setting: str) -> bool:
    """Tell whether anything in a run reads a setting, given by its dotted name."""
    section, _, rest = setting.partition(".")
    if section == "classical":
        return any(use.slot == rest.partition(".")[0] and use.name == "classical" for use in composition.used)
    return section not in ("fastsam", "sam3", "da3", "vlm") or setting == "fastsam.discovery_iou_thresh"


MEANING = {
    ("geometry", "recorded"): "depth and poses as given with the input, in metres",
    ("geometry", "classical"): (
        "structure from motion and optical flow; lengths share one unknown scale; a ground-plane guess where the camera"
        " hardly moves"
    ),
    ("geometry", "classical+prior"): (
        "what the input gives of depth and poses, in metres; the rest from structure from motion and optical flow"
    ),
    ("segmenter", "recorded"): "masks as given with the input",
    ("segmenter", "classical"): "regions from colour and motion; outlines are rough and objects may be split or missed",
    ("tracker", "recorded"): "identities as given with the input",
    ("tracker", "classical"): "masks carried by optical flow; they drift under occlusion and fast motion",
}


def compose(source: Input, config: Config, *, progress: Progress = silent) -> Composition:
    """Choose the engines of a run.

    `auto` takes what the input brings and lets the classical engines do the rest; `classical` works from colour alone,
    whatever the input brings.

    Args:
        source: the opened input.
        config: the user's choice and the engines' parameters.
        progress: told how far the engines are.

    Returns:
        How to open the engines, and what to tell of them.

    Raises:
        InputError: a slot is to be served from the recording, which does not hold what that takes.
    """
    open_geometry, geometry_use = _geometry(source, config, progress)
    open_segmenter, segmenter_use = _segmenter(source, config, progress)
    open_tracker, tracker_use = _tracker(source, config, progress)
    return Composition(
        engines=Engines(geometry=open_geometry, segmenter=open_segmenter, tracker=open_tracker),
        used=(geometry_use, segmenter_use, tracker_use),
    )


def _geometry(source: Input, config: Config, progress: Progress) -> tuple[OpenGeometry, EngineUse]:
    choice, recording = config.engines.geometry, source.recording
    missing = ["depth"] * (recording is None or not recording.has_depth)
    missing += ["poses"] * (recording is None or not recording.has_poses)
    if choice == "recorded" and missing:
        raise _lacks(source, "geometry", " and ".join(missing))
    if choice != "classical" and recording is not None and not missing:
        return partial(recorded.open_geometry, recording), _use("geometry", "recorded")
    from fast_snow.engines.classical.geometry.estimator import open_geometry

    prior = recording.prior if choice == "auto" and recording is not None else None
    open_classical = partial(
        open_geometry,
        config.classical.geometry,
        **_runtime(config),
        prior=prior,
        progress=progress,
    )
    helped = prior is not None and len(missing) < 2
    return open_classical, _use("geometry", "classical+prior" if helped else "classical")


def _segmenter(source: Input, config: Config, progress: Progress) -> tuple[OpenSegmenter, EngineUse]:
    recording = _holding_masks(source, config.engines.segmenter, "segmenter")
    if recording is not None:
        return partial(recorded.open_segmenter, recording), _use("segmenter", "recorded")
    from fast_snow.engines.classical.segmentation.segmenter import open_segmenter

    opener = partial(open_segmenter, config.classical.segmenter, **_runtime(config), progress=progress)
    return opener, _use("segmenter", "classical")


def _tracker(source: Input, config: Config, progress: Progress) -> tuple[OpenTracker, EngineUse]:
    recording = _holding_masks(source, config.engines.tracker, "tracker")
    if recording is not None:
        return partial(recorded.open_tracker, recording), _use("tracker", "recorded")
    from fast_snow.engines.classical.tracking.tracker import open_tracker

    opener = partial(open_tracker, config.classical.tracker, **_runtime(config), progress=progress)
    return opener, _use("tracker", "classical")


def _holding_masks(source: Input, choice: str, slot: str) -> Recording | None:
    """Return the recording whose masks serve a slot; None where the classical engine does."""
    recording = source.recording
    if recording is not None and recording.has_masks:
        return None if choice == "classical" else recording
    if choice == "recorded":
        raise _lacks(source, slot, "masks")
    return None


def _runtime(config: Config) -> dict[str, int]:
    return {"seed": config.runtime.seed, "threads": config.runtime.threads}


def _lacks(source: Input, slot: str, what: str) -> InputError:
    return InputError(
        f"{source.name}: --engines.{slot} recorded needs {what}, which the input does not hold;"
        f" add it or choose --engines.{slot} classical"
    )


def _use(slot: str, key: str) -> EngineUse:
    return EngineUse(slot=slot, name=key.partition("+")[0], meaning=MEANING[slot, key])


def own_engines(engines: Engines) -> Composition:
    """Return the composition of engines that the caller brings."""
    names = {"geometry": engines.geometry, "segmenter": engines.segmenter, "tracker": engines.tracker}
    uses = (
        EngineUse(slot=slot, name=getattr(opener, "__qualname__", repr(opener)), meaning="brought by the caller")
        for slot, opener in names.items()
    )
    return Composition(engines=engines, used=tuple(uses))
