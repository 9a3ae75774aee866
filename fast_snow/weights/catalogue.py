"""The weights that are known by name, with their source and licence."""

import difflib
from dataclasses import dataclass
from typing import Literal

from fast_snow.errors import ConfigError

Model = Literal["fastsam", "sam2", "da3", "sam3", "sam3-hf", "sam3.1", "edgetam"]

APACHE = "Apache-2.0"
NON_COMMERCIAL = "CC BY-NC 4.0"
AGPL = "AGPL-3.0"
SAM_LICENSE = "SAM License"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFace:
    """A model repository on the Hugging Face hub."""

    repository: str

    @property
    def page(self) -> str:
        """Web page that describes the weights and grants access."""
        return f"https://huggingface.co/{self.repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRelease:
    """The files of a release on GitHub."""

    repository: str
    tag: str

    @property
    def page(self) -> str:
        """Web page of the release."""
        return f"https://github.com/{self.repository}/releases/tag/{self.tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Trained weights that can be fetched, and the engine that loads them; gated ones need their owner's consent."""

    name: str
    model: Model
    source: HuggingFace | GitHubRelease
    files: tuple[str, ...]
    licence: str
    gated: bool = False

    @property
    def restricted(self) -> bool:
        """Whether the licence or the owner restricts who may use the weights, for what, or in which products."""
        return self.gated or self.licence != APACHE


def _on_hub(name: str, model: Model, repository: str, licence: str, *files: str, gated: bool = False) -> Weights:
    source = HuggingFace(repository=repository)
    files = files or ("config.json", "model.safetensors")
    return Weights(name=name, model=model, source=source, files=files, licence=licence, gated=gated)


def _fastsam(name: str) -> Weights:
    source = GitHubRelease(repository="ultralytics/assets", tag="v8.4.0")
    return Weights(name=name, model="fastsam", source=source, files=(f"{name}.pt",), licence=AGPL)


CATALOGUE = (
    _fastsam("FastSAM-s"),
    _fastsam("FastSAM-x"),
    _on_hub("da3-small", "da3", "depth-anything/DA3-SMALL", APACHE),
    _on_hub("da3-base", "da3", "depth-anything/DA3-BASE", APACHE),
    _on_hub("da3-large", "da3", "depth-anything/DA3-LARGE-1.1", NON_COMMERCIAL),
    _on_hub("da3-giant", "da3", "depth-anything/DA3-GIANT-1.1", NON_COMMERCIAL),
    _on_hub("da3nested-giant-large", "da3", "depth-anything/DA3NESTED-GIANT-LARGE-1.1", NON_COMMERCIAL),
    _on_hub("da3metric-large", "da3", "depth-anything/DA3METRIC-LARGE", APACHE),
    _on_hub("da3mono-large", "da3", "depth-anything/DA3MONO-LARGE", APACHE),
    _on_hub("sam3", "sam3", "facebook/sam3", SAM_LICENSE, "sam3.pt", gated=True),
    _on_hub("sam3-hf", "sam3-hf", "facebook/sam3", SAM_LICENSE, gated=True),
    _on_hub("edgetam", "edgetam", "yonigozlan/EdgeTAM-hf", APACHE),
    _on_hub("sam3.1", "sam3.1", "facebook/sam3.1", SAM_LICENSE, "sam3.1_multiplex.pt", gated=True),
    _on_hub("sam2", "sam2", "facebook/sam2.1-hiera-large", APACHE),
    _on_hub("sam2-base-plus", "sam2", "facebook/sam2.1-hiera-base-plus", APACHE),
    _on_hub("sam2-small", "sam2", "facebook/sam2.1-hiera-small", APACHE),
    _on_hub("sam2-tiny", "sam2", "facebook/sam2.1-hiera-tiny", APACHE),
)
"""All weights that are known by name.

`sam3` and `sam3-hf` are one model in the formats of two packages, `sam3.1` is its successor. Upstream recommends the
retrained DA3 checkpoints (1.1), which are the same networks. EdgeTAM's authors publish it for their own package:
`edgetam` is the conversion that transformers names.
"""


def known(name: str) -> Weights | None:
    """Return the weights of that name, in any case, with or without DA3's `-1.1`; None if not known."""
    plain = name.casefold().removesuffix("-1.1")
    return next((each for each in CATALOGUE if each.name.casefold() == plain), None)


def named(name: str) -> Weights:
    """Return the weights of that name, as `known` does.

    Raises:
        ConfigError: not known; the message offers the nearest name.
    """
    found = known(name)
    if found is None:
        names = {each.name.casefold(): each.name for each in CATALOGUE}
        nearest = difflib.get_close_matches(name.casefold(), names, n=1)
        hint = f"did you mean {names[nearest[0]]}?" if nearest else f"expected one of {', '.join(names.values())}"
        raise ConfigError(f"weights {name}: not known; {hint}")
    return found
