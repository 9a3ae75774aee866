"""The variants of Depth Anything 3: which there are and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fast_snow import untrusted_json
from fast_snow.errors import ConfigError, InputError
from fast_snow.limits import CHECKPOINT_JSON_FILE
from fast_snow.weights import weights_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of upstream's networks, by the name of its registry; whether in metres, and whether it answers camera poses.

    A nested one is two networks, one of which tells the other's scale.
    """

    name: str
    metric: bool = False
    poses: bool = True
    nested: bool = False

    @property
    def setting(self) -> str:
        """The setting that names its weights."""
        return "da3.model_path" if self.poses else "metric_depth.model_path"


VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Variant(name="da3-small"),
            Variant(name="da3-base"),
            Variant(name="da3-large"),
            Variant(name="da3-giant"),
            Variant(name="da3nested-giant-large", metric=True, nested=True),
            Variant(name="da3metric-large", metric=True, poses=False),
            Variant(name="da3mono-large", poses=False),
        )
    }
)
"""By name."""


def variant_of(model_path: str) -> Variant:
    """Return which variant `da3.model_path` means, one that can serve as geometry engine.

    It is a variant's name, or a folder, which need not exist; where it does, its `config.json` says which variant it
    holds, else its name does (`DA3-LARGE-1.1` as well as `da3-large`).

    Raises:
        ConfigError: no such variant, a `config.json` that cannot be read, or a variant without camera poses.
    """
    folder = weights_folder(model_path)
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
        if not config.exists():
            return None
        content = untrusted_json.load(config, limit=CHECKPOINT_JSON_FILE)
    except (OSError, InputError) as error:
        raise ConfigError(f"da3.model_path: {error}; download the folder again") from error
    named = content.get("model_name") if isinstance(content, dict) else None
    return named if isinstance(named, str) else None
