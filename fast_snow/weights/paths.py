"""Where weights and compiled networks are on disk, by the configuration."""

import os
import sys
from pathlib import Path
from typing import Final, get_args

from fast_snow.config import Config
from fast_snow.weights.catalogue import CATALOGUE, Model, Weights, known

HOME: Final = "FAST_SNOW_HOME"
"""Environment variable: the folder that holds `models/`, for every working directory."""
MODELS: Final[tuple[Model, ...]] = get_args(Model)
_FOLDERS: Final = Path("fast_snow/models")
_WITH_VARIANTS: Final = ("da3", "sam2")
"""Models whose setting may be a name of the catalogue in place of a folder."""
_PROJECT_MARKERS = ("pyproject.toml", "fast_snow/models")


def on_disk(setting: str | Path) -> Path:
    """Return the path that a setting means.

    Paths below `fast_snow/models`, as all defaults are, do not depend on the working directory: they are in
    `FAST_SNOW_HOME`, else in the project (the nearest folder, from the working directory upwards, with a
    `pyproject.toml` or a `fast_snow/models`), else in the user's cache. Other paths are as they are.
    """
    path = Path(setting).expanduser()
    if path.parts[:2] != ("fast_snow", "models"):
        return path
    home = os.environ.get(HOME)
    if not home:
        for folder in (Path(), *Path.cwd().parents):
            if any((folder / marker).exists() for marker in _PROJECT_MARKERS):
                return folder / path
    return (Path(home).expanduser() if home else _user_cache()) / path.relative_to("fast_snow")


def _user_cache() -> Path:
    """Return the cache folder that the platform has for this application."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "fast-snow/Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/fast-snow"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fast-snow"


def configured(config: Config, model: Model) -> tuple[Path, tuple[str, ...], Weights | None]:
    """Return where an engine looks for its weights: folder, names of its files, and which weights (None: others)."""
    files: tuple[str, ...]
    if model == "fastsam":
        path = on_disk(config.fastsam.model_path)
        folder, files, found = path.parent, (path.name,), known(path.stem)
    else:
        own = {"sam2": config.sam2.model_path, "da3": config.da3.model_path, "edgetam": config.edgetam.model_path}
        folder = weights_folder(own.get(model, config.sam3.model_path))
        usual = next(each for each in CATALOGUE if each.model == model)
        files, found = usual.files, known(folder.name) if model in _WITH_VARIANTS else usual
    return folder, files, found if found is not None and found.model == model else None


def folder_for(weights: Weights, config: Config) -> Path:
    """Return where weights belong: where the configuration looks for them, or beside what it names instead."""
    folder, _, current = configured(config, weights.model)
    if weights.model not in _WITH_VARIANTS or current == weights:
        return folder
    return folder.parent / weights.name


def wanted(config: Config) -> tuple[Weights, ...]:
    """Return the weights that a configuration names, for every slot; SAM3 as the chosen tracker takes it."""
    segmenter: Model = "sam2" if config.engines.segmenter == "sam2" else "fastsam"
    of_tracker: dict[str, Model] = {"sam3-hf": "sam3-hf", "sam3.1": "sam3.1", "edgetam": "edgetam"}
    tracker = of_tracker.get(config.engines.tracker, "sam3")
    found = [configured(config, each)[2] for each in (segmenter, "da3", tracker)]
    if config.engines.metric_depth == "da3metric":
        found.append(known(weights_folder(config.metric_depth.model_path).name))
    return tuple(each for each in found if each is not None)


def weights_folder(model_path: str) -> Path:
    """Return the folder that a `model_path` means: a variant's name of DA3 or SAM2 stands for its folder."""
    if model_path in {each.name for each in CATALOGUE if each.model in _WITH_VARIANTS}:
        return on_disk(_FOLDERS / model_path)
    return on_disk(model_path)
