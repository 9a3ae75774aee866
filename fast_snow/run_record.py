"""A run to its end, and its record: the input, the engines with their settings, how long it took, what was noticed."""

import platform
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.graph import FoldState, start
from fast_snow.inputs import Input
from fast_snow.inputs.recording import some_depth
from fast_snow.known_lengths import KnownLengths, nothing_known
from fast_snow.output import SourceOfRun
from fast_snow.pipeline import Step
from fast_snow.scaling import in_metres
from fast_snow.selection import EngineUse
from fast_snow.step import settled_for
from fast_snow.types import Health, Joint, SceneGraph, StageSeconds

PACKAGES = ("fast-snow", "numpy", "numba", "scipy", "opencv-python-headless", "av", "pycolmap")
ENGINE_PACKAGES = {
    "da3-torch": ("torch", "depth-anything-3"),
    "da3-onnx": ("onnxruntime", "onnxruntime-gpu"),
    "da3-tensorrt": ("torch", "tensorrt"),
    "da3metric": ("torch", "depth-anything-3"),
    "yolo26-depth": ("torch", "ultralytics"),
    "fastsam-torch": ("torch", "ultralytics"),
    "fastsam-onnx": ("onnxruntime", "onnxruntime-gpu"),
    "fastsam-tensorrt": ("torch", "tensorrt"),
    "sam2": ("torch", "transformers"),
    "sam3": ("torch", "sam3"),
    "sam3-hf": ("torch", "transformers"),
    "edgetam": ("torch", "transformers", "timm"),
    "sam3.1": ("torch", "sam3"),
}
"""What decides on the numbers of an engine, beside those that every run needs."""
RECORDED_INCIDENTS = 1000
"""Of each kind so many are recorded with their frame; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunSummary:
    """What a run has come to so far.

    Attributes:
        graph: as all that is not named here, what the fold has come to (`FoldState`).
        windows: how many the clip was cut into.
        seconds: wall time per stage; folding runs beside the others.
        wall_s: seconds from the opening of the input to the last fold; 0 until then.
    """

    graph: SceneGraph
    windows: int = 0
    seconds: StageSeconds = StageSeconds()
    health: Health = Health()
    joints: tuple[Joint, ...] = ()
    known_lengths: KnownLengths = field(default_factory=nothing_known)
    wall_s: float = 0.0

    @property
    def observations(self) -> int:
        """How many STEP tokens all objects have."""
        return sum(len(track.observations) for track in self.graph.tracks.values())

    def after(self, step: Step) -> "RunSummary":
        """Return the summary with one more window."""
        return RunSummary.of(step.state, self.windows + 1, self.seconds + step.seconds)

    @staticmethod
    def of(state: FoldState, windows: int, seconds: StageSeconds) -> "RunSummary":
        """Return the summary of a run whose fold is in a state."""
        folded = {name: getattr(state, name) for name in ("graph", "health", "joints", "known_lengths")}
        return RunSummary(windows=windows, seconds=seconds, **folded)


def summarize_run(
    steps: Iterable[Step],
    config: Config,
    keep: Callable[[Step], object],
    *,
    began: float | None = None,
    before: RunSummary | None = None,
) -> RunSummary:
    """Drive a run to its end and sum it up.

    `keep` receives each step, whose masks and images are not held otherwise. It `began` by `perf_counter`; `before` is
    what a dead run had come to.
    """
    began = perf_counter() if began is None else began
    summary = RunSummary(graph=start(config).graph) if before is None else before
    for step in steps:
        keep(step)
        summary = summary.after(step)
    graph = in_metres(summary.graph, summary.known_lengths, config.source)
    return replace(summary, graph=graph, wall_s=perf_counter() - began)


def record(
    source: Input,
    config: Config,
    used: Sequence[EngineUse],
    summary: RunSummary,
    *,
    warnings: Sequence[str],
    origin: SourceOfRun | None,
) -> dict[str, Any]:
    """Return the content of `run.json`.

    Settings that the input settles (`step.settled`) are recorded as they were used; `origin` is the file or folder that
    was read, None for what is in memory.
    """
    return {
        "input": _input(source, origin),
        "engines": {use.slot: _engine(use) for use in used},
        **folded(summary),
        "seed": config.runtime.seed,
        "warnings": list(warnings),
        **({} if source.live is None else {"live": source.live.as_json()}),
        "config": asdict(settled_for(config, summary.graph)),
        "versions": versions(used),
        "platform": platform.platform(),
        "gpus": [each.name for each in gpus()],
    }


def folded(summary: RunSummary) -> dict[str, Any]:
    """Return what the record of a run says of its graph and of how it was made."""
    return {
        "frames": summary.graph.num_frames,
        "tracks": len(summary.graph.tracks),
        "observations": summary.observations,
        "windows": summary.windows,
        "stage_seconds": asdict(summary.seconds),
        "wall_seconds": summary.wall_s,
        "health": _health(summary.health),
        "joints": [_known(asdict(each)) for each in summary.joints],
    }


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with null in place of what is not known."""
    return {name: None if value != value else value for name, value in values.items()}


def _input(source: Input, origin: SourceOfRun | None) -> dict[str, Any]:
    return {
        "name": source.name,
        "path": None if origin is None else str(origin.path.resolve()),
        **({} if origin is None else origin.as_json()),
        "kind": source.kind.value,
        "height": source.size[0],
        "width": source.size[1],
        "source_fps": source.source_fps,
        **({} if some_depth(source.recording) is None else {"some_depth": True}),
    }


def _health(health: Health) -> dict[str, Any]:
    """Return the counts, and of each kind of incident how many there were and the first frames."""
    incidents = {
        kind: {"count": len(t), "t": list(t[:RECORDED_INCIDENTS])} for kind, t in asdict(health.incidents).items()
    }
    return {**asdict(health), "incidents": incidents}


def _engine(use: EngineUse) -> dict[str, Any]:
    return {
        "name": use.name,
        "meaning": use.meaning,
        "passed_over": {each.name: each.why for each in use.skipped},
    }


def versions(used: Sequence[EngineUse]) -> dict[str, str]:
    """Return the versions of Python and of the packages that a run needs; of two builds of one there is but one."""
    names = dict.fromkeys([*PACKAGES, *(name for use in used for name in ENGINE_PACKAGES.get(use.name, ()))])
    found = {"python": platform.python_version()}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
