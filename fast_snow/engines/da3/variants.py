"""The variants of Depth Anything 3: which there are, what they answer and under which licence their weights are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fast_snow.errors import ConfigError

MODELS: Final = Path("fast_snow/models")
"""Where a variant that is given by name alone has its folder."""
_APACHE: Final = "Apache-2.0"
_NON_COMMERCIAL: Final = "CC BY-NC 4.0 (no commercial use)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of upstream's networks.

    Attributes:
        name: as upstream's registry has it.
        metric: whether depth and poses are in metres.
        poses: whether it answers camera poses, which a geometry engine needs.
        nested: whether it is two networks, one of which tells the other's scale.
        licence: of the weights.
        repository: of the weights, on Hugging Face.
    """

    name: str
    metric: bool = False
    poses: bool = True
    nested: bool = False
    licence: str
    repository: str


VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Variant(name="da3-small", licence=_APACHE, repository="depth-anything/DA3-SMALL"),
            Variant(name="da3-base", licence=_APACHE, repository="depth-anything/DA3-BASE"),
            Variant(name="da3-large", licence=_NON_COMMERCIAL, repository="depth-anything/DA3-LARGE-1.1"),
            Variant(name="da3-giant", licence=_NON_COMMERCIAL, repository="depth-anything/DA3-GIANT-1.1"),
            Variant(
                name="da3nested-giant-large",
                metric=True,
                nested=True,
                licence=_NON_COMMERCIAL,
                repository="depth-anything/DA3NESTED-GIANT-LARGE-1.1",
            ),
            Variant(
                name="da3metric-large",
                metric=True,
                poses=False,
                licence=_APACHE,
                repository="depth-anything/DA3METRIC-LARGE",
            ),
            Variant(name="da3mono-large", poses=False, licence=_APACHE, repository="depth-anything/DA3MONO-LARGE"),
        )
    }
)
"""By name. Upstream retrained large, giant and nested as 1.1, the same networks with better weights."""


def folder_of(model_path: str) -> Path:
    """Return the folder of the weights that `da3.model_path` means: a variant's name stands for its usual folder."""
    return MODELS / model_path if model_path in VARIANTS else Path(model_path)


def variant_of(model_path: str) -> Variant:
    """Return which variant `da3.model_path` means.

    Args:
        model_path: a variant's name, or a folder. The folder need not exist; where it does, its `config.json` says
            which variant it holds, else its name does (`DA3-LARGE-1.1` as well as `da3-large`).

    Returns:
        The variant, one that can serve as geometry engine.

    Raises:
        ConfigError: no such variant, a `config.json` that cannot be read, or a variant without camera poses.
    """
    folder = folder_of(model_path)
    named = _named_in(folder / "config.json") or folder.name
    variant = VARIANTS.get(named.lower().removesuffix("-1.1"))
    usable = ", ".join(each.name for each in VARIANTS.values() if each.poses)
    if variant is None:
        raise ConfigError(
            f"da3.model_path: {model_path} does not say which variant of Depth Anything 3 it is, got {named!r};"
            f" expected one of {usable}: as `model_name` in its config.json, or as the folder's name"
        )
    if not variant.poses:
        raise ConfigError(
            f"da3.model_path: {variant.name} estimates the depth of single images, without camera poses, so it cannot"
            f" give the geometry of a video; choose one of {usable} (in metres: da3nested-giant-large)"
        )
    return variant


def _named_in(config: Path) -> str | None:
    """Return the variant's name in the `config.json` of a folder as Hugging Face has it, None where it has none."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"da3.model_path: {config} cannot be read as JSON ({error}); download the folder again"
        ) from error
    named = content.get("model_name") if isinstance(content, dict) else None
    return named if isinstance(named, str) else None
