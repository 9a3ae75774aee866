"""Where weights and compiled networks are on disk, by the configuration."""

import os
import sys
from pathlib import Path
from typing import Final

from fast_snow.config import Config, Da3Config
from fast_snow.weights.catalogue import CATALOGUE, Model, Weights, known, named

HOME: Final = "FAST_SNOW_HOME"
"""Environment variable: the folder that holds `models/`, for every working directory."""
MODELS: tuple[Model, ...] = ("fastsam", "da3", "sam3", "sam3-hf", "sam3.1", "sam2")
SAM2_FOLDER = Path("fast_snow/models/sam2")
"""Of SAM2, which only the baseline uses: no setting of a run names it."""
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
    found: Weights | None
    if model == "fastsam":
        path = on_disk(config.fastsam.model_path)
        folder, files, found = path.parent, (path.name,), known(path.stem)
    elif model == "da3":
        folder, files = da3_folder(config.da3.model_path), named("da3-small").files
        found = known(folder.name)
    else:
        found = named(model)
        folder, files = on_disk(SAM2_FOLDER if model == "sam2" else config.sam3.model_path), found.files
    return folder, files, found if found is not None and found.model == model else None


def folder_for(weights: Weights, config: Config) -> Path:
    """Return where weights belong: where the configuration looks for them, or beside what it names instead."""
    folder, _, current = configured(config, weights.model)
    return folder if weights.model != "da3" or current == weights else folder.parent / weights.name


def wanted(config: Config) -> tuple[Weights, ...]:
    """Return the weights that a configuration names, for every slot; SAM3 as the chosen tracker takes it."""
    of_tracker: dict[str, Model] = {"sam3-hf": "sam3-hf", "sam3.1": "sam3.1"}
    tracker = of_tracker.get(config.engines.tracker, "sam3")
    models: tuple[Model, ...] = ("fastsam", "da3", tracker)
    found = (configured(config, each)[2] for each in models)
    return tuple(each for each in found if each is not None)


def da3_folder(model_path: str) -> Path:
    """Return the folder that `da3.model_path` means: a variant's name stands for its folder beside the default one."""
    if model_path in {each.name for each in CATALOGUE if each.model == "da3"}:
        return on_disk(Da3Config().model_path).parent / model_path
    return on_disk(model_path)
