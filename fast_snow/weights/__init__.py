"""Trained weights: the catalogue, where they belong, and whether those that a configuration names are complete.

Imports nothing heavy. `fast_snow.fetching` downloads weights.
"""

from dataclasses import dataclass
from pathlib import Path

from fast_snow.config import Config
from fast_snow.weights.catalogue import CATALOGUE as CATALOGUE
from fast_snow.weights.catalogue import GitHubRelease as GitHubRelease
from fast_snow.weights.catalogue import HuggingFace as HuggingFace
from fast_snow.weights.catalogue import Model as Model
from fast_snow.weights.catalogue import Weights as Weights
from fast_snow.weights.catalogue import named as named
from fast_snow.weights.integrity import damage as damage
from fast_snow.weights.paths import MODELS, configured
from fast_snow.weights.paths import folder_for as folder_for
from fast_snow.weights.paths import on_disk as on_disk
from fast_snow.weights.paths import wanted as wanted
from fast_snow.weights.paths import weights_folder as weights_folder
from fast_snow.weights.record import RECORD as RECORD
from fast_snow.weights.record import Recorded as Recorded
from fast_snow.weights.record import check as check
from fast_snow.weights.record import read as read
from fast_snow.weights.record import sha256_of as sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The weights that an engine would load, those of the catalogue or (None) the user's own, and their problems."""

    model: Model
    weights: Weights | None
    folder: Path
    files: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every file is present and complete."""
        return not self.problems

    @property
    def remedy(self) -> str:
        """What to do about incomplete weights."""
        if self.weights is None:
            return f"put {' and '.join(self.files)} into that folder"
        return f"run fast-snow fetch-models {self.weights.name}"


def find(config: Config) -> tuple[Located, ...]:
    """Look for the weights of every model of the catalogue, of those that the configuration names."""
    return tuple(locate(config, each) for each in MODELS)


def locate(config: Config, model: Model) -> Located:
    """Look for the weights of one engine, by size and structure; `check` verifies checksums."""
    folder, files, weights = configured(config, model)
    recorded = read(folder)
    found = ((name, _problem(folder / name, recorded.get(name))) for name in files)
    problems = tuple(f"{name} {problem}" for name, problem in found if problem is not None)
    return Located(model=model, weights=weights, folder=folder, files=files, problems=problems)


def _problem(path: Path, recorded: Recorded | None) -> str | None:
    problem = damage(path)
    if problem is None and recorded is not None and path.stat().st_size != recorded.size:
        return f"has {path.stat().st_size} bytes instead of the {recorded.size} fetched ({RECORD})"
    return problem
