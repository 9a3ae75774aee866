"""What a run's results depend on, as two digests: equal ones allow to go on with what another process made."""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fast_snow.config import Config
from fast_snow.output import SourceOfRun
from fast_snow.presets import flat
from fast_snow.run_record import versions
from fast_snow.selection import EngineUse
from fast_snow.weights.paths import weights_folder

_OF_THE_FOLD: Final = (
    "step.",
    "source.camera_height",
    "source.baseline",
    "metric_depth.error",
    "output.",
    "depth_filter.conf_thresh",
    "depth_filter.max_extent",
    "depth_filter.remove_outliers",
    "fusion.merge_centroid_dist_m",
    "fusion.merge_temporal_gap",
    "fusion.reidentify",
)
_OF_NO_RESULT: Final = ("vlm.", "runtime.threads", "runtime.queue_length", "runtime.residency")
_PATIENCE: Final = ("fusion.lost_patience", "fusion.archive_patience")
"""Trackers give up objects by them; recorded identities do not care."""
_NAMES: Final = ("engines.geometry", "engines.segmenter", "engines.tracker")
"""The engines that were chosen stand for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """Digests of what results depend on.

    Attributes:
        perception: of what decides on the answers of engines: input, engines, their packages, weights and settings.
        fold: of the same and of the settings of the fold.
    """

    perception: str
    fold: str


def run_key(origin: SourceOfRun | None, config: Config, used: Sequence[EngineUse]) -> RunKey:
    """Return the key of a run; one that no other has where its input has no digest (or is live: None)."""
    source = {"sha256": None} if origin is None else {"path": str(origin.path.resolve()), **origin.as_json()}
    if source["sha256"] is None:
        source = {"sha256": secrets.token_hex()}
    settings, engines = flat(config), {use.slot: use.name for use in used}
    of_fold = {name: value for name, value in settings.items() if not name.startswith((*_NAMES, *_OF_NO_RESULT))}
    of_perception = {name: value for name, value in of_fold.items() if needs_engines(name, engines)}
    perception = _digest([source, engines, versions(used), of_perception, list(_weights(settings))])
    return RunKey(perception=perception, fold=_digest([perception, of_fold]))


def needs_engines(setting: str, engines: Mapping[str, str]) -> bool:
    """Tell whether engines, given by slot, must run again where a setting of a dotted name changes."""
    if setting in _PATIENCE:
        return engines.get("tracker") != "recorded"
    return not setting.startswith((*_OF_THE_FOLD, *_OF_NO_RESULT))


def _weights(settings: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of the files of weights and compiled networks."""
    for name, value in settings.items():
        if name.endswith(("model_path", "compiled_path")):
            path = weights_folder(value)
            files = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else []
            for status, each in ((each.stat(), each) for each in files if each.is_file()):
                yield str(each), status.st_size, status.st_mtime_ns


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
