"""Trained weights: which there are, where they belong, and whether those that a configuration names are complete.

Imports nothing heavy, so that choosing engines costs nothing. `fast_snow.fetching` downloads them.
"""

from dataclasses import dataclass
from pathlib import Path

from fast_snow.config import Config
from fast_snow.weights.catalogue import (
    CATALOGUE,
    GitHubRelease,
    HuggingFace,
    Model,
    Source,
    WeightFile,
    Weights,
    known,
    named,
)
from fast_snow.weights.condition import damage
from fast_snow.weights.places import (
    MODELS,
    SAM2_FOLDER,
    configured_files,
    configured_folder,
    configured_weights,
    da3_folder,
    folder_for,
    wanted,
)
from fast_snow.weights.record import RECORD, Recorded, check, read, sha256_of

__all__ = [
    "CATALOGUE",
    "MODELS",
    "RECORD",
    "SAM2_FOLDER",
    "GitHubRelease",
    "HuggingFace",
    "Located",
    "Model",
    "Recorded",
    "Source",
    "WeightFile",
    "Weights",
    "check",
    "da3_folder",
    "damage",
    "find",
    "folder_for",
    "known",
    "locate",
    "named",
    "read",
    "sha256_of",
    "wanted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The weights that an engine would load.

    Attributes:
        model: which engine.
        weights: those that the configuration names; None where they are the user's own.
        folder: where they are looked for.
        files: names of the files that the engine reads.
        problems: what is missing or damaged, each beginning with the file's name.
    """

    model: Model
    weights: Weights | None
    folder: Path
    files: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every file is there and whole."""
        return not self.problems

    @property
    def remedy(self) -> str:
        """What the user can do where the weights are not complete."""
        if self.weights is None:
            return f"put {' and '.join(self.files)} there"
        return f"run fast-snow fetch-models {self.weights.name}"


def find(config: Config) -> tuple[Located, ...]:
    """Look for the weights of every engine that needs some.

    Args:
        config: says where weights are.

    Returns:
        What was found for FastSAM, Depth Anything 3, SAM3 in either format, and SAM2.
    """
    return tuple(locate(config, each) for each in MODELS)


def locate(config: Config, model: Model) -> Located:
    """Look for the weights of one engine, by size and structure; use `check` to compare what was fetched to the bit.

    Args:
        config: says where weights are.
        model: which engine.

    Returns:
        Where they are and what is wrong with them.
    """
    folder, files = configured_folder(config, model), configured_files(config, model)
    recorded = read(folder)
    found = ((each, _problem(folder / each, recorded.get(each))) for each in files)
    return Located(
        model=model,
        weights=configured_weights(config, model),
        folder=folder,
        files=files,
        problems=tuple(f"{name} {problem}" for name, problem in found if problem is not None),
    )


def _problem(path: Path, recorded: Recorded | None) -> str | None:
    problem = damage(path)
    if problem is not None or recorded is None or path.stat().st_size == recorded.size:
        return problem
    return f"has {path.stat().st_size} bytes, but {recorded.size} were fetched ({RECORD})"
