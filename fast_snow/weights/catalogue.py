"""The weights that are known by name: where they come from, under which licence, and how to get access."""

import difflib
from dataclasses import dataclass
from typing import Literal

from fast_snow.errors import ConfigError

Model = Literal["fastsam", "da3", "sam3", "sam3-hf", "sam2"]

APACHE = "Apache-2.0"
NON_COMMERCIAL = "CC BY-NC 4.0"
AGPL = "AGPL-3.0"
SAM_LICENSE = "SAM License"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFace:
    """A model repository on the Hugging Face hub.

    Attributes:
        repository: owner and name.
        revision: branch, tag or commit.
    """

    repository: str
    revision: str = "main"

    @property
    def page(self) -> str:
        """Where a person reads about the weights and asks for access."""
        return f"https://huggingface.co/{self.repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRelease:
    """The files of a release on GitHub.

    Attributes:
        repository: owner and name.
        tag: of the release.
    """

    repository: str
    tag: str

    @property
    def page(self) -> str:
        """Where a person reads about the release."""
        return f"https://github.com/{self.repository}/releases/tag/{self.tag}"


Source = HuggingFace | GitHubRelease


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of some weights.

    Attributes:
        name: at the source and on disk.
        sha256: of its content; None where nobody has pinned it: then what the source states counts.
    """

    name: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Trained weights that can be fetched.

    Attributes:
        name: as the user writes it.
        model: which engine takes them.
        source: where they come from.
        files: all that the engine needs.
        licence: under which they may be used.
        gated: whether the owner must grant access, on the source's page.
        approximate_mb: size of the download in megabytes; None where it is not known.
    """

    name: str
    model: Model
    source: Source
    files: tuple[WeightFile, ...]
    licence: str
    gated: bool = False
    approximate_mb: int | None = None


def _files(*names: str) -> tuple[WeightFile, ...]:
    return tuple(WeightFile(name=each) for each in names)


def _fastsam(name: str, approximate_mb: int) -> Weights:
    return Weights(
        name=name,
        model="fastsam",
        source=GitHubRelease(repository="ultralytics/assets", tag="v8.4.0"),
        files=_files(f"{name}.pt"),
        licence=AGPL,
        approximate_mb=approximate_mb,
    )


def _da3(name: str, licence: str, *, retrained: bool = False) -> Weights:
    """Describe a variant of DA3; upstream asks to prefer those retrained as 1.1, which are the same networks."""
    repository = f"depth-anything/{name.upper()}{'-1.1' if retrained else ''}"
    return Weights(
        name=name,
        model="da3",
        source=HuggingFace(repository=repository),
        files=_files("config.json", "model.safetensors"),
        licence=licence,
    )


def _sam3(name: Literal["sam3", "sam3-hf"], *files: str) -> Weights:
    return Weights(
        name=name,
        model=name,
        source=HuggingFace(repository="facebook/sam3"),
        files=_files(*files),
        licence=SAM_LICENSE,
        gated=True,
        approximate_mb=3400,
    )


CATALOGUE = (
    _fastsam("FastSAM-s", 24),
    _fastsam("FastSAM-x", 145),
    _da3("da3-small", APACHE),
    _da3("da3-base", APACHE),
    _da3("da3-large", NON_COMMERCIAL, retrained=True),
    _da3("da3-giant", NON_COMMERCIAL, retrained=True),
    _da3("da3nested-giant-large", NON_COMMERCIAL, retrained=True),
    _da3("da3metric-large", APACHE),
    _da3("da3mono-large", APACHE),
    _sam3("sam3", "sam3.pt"),
    _sam3("sam3-hf", "config.json", "model.safetensors"),
    Weights(
        name="sam2",
        model="sam2",
        source=HuggingFace(repository="facebook/sam2.1-hiera-large"),
        files=_files("config.json", "model.safetensors"),
        licence=APACHE,
    ),
)
"""All weights that are known by name.

`sam3` and `sam3-hf` are one model in the formats of two packages; `sam2` serves SNOW, the baseline.
"""


def known(name: str) -> Weights | None:
    """Return the weights of that name, in whatever case and with or without DA3's `-1.1`; None where there are none."""
    plain = name.casefold().removesuffix("-1.1")
    return next((each for each in CATALOGUE if each.name.casefold() == plain), None)


def named(name: str) -> Weights:
    """Return the weights of that name, in whatever case.

    Raises:
        ConfigError: there are none; the nearest name is offered.
    """
    found = known(name)
    if found is None:
        names = {each.name.casefold(): each.name for each in CATALOGUE}
        nearest = difflib.get_close_matches(name.casefold(), names, n=1)
        hint = f"did you mean {names[nearest[0]]}?" if nearest else f"expected one of {', '.join(names.values())}"
        raise ConfigError(f"weights {name}: not known; {hint}")
    return found
