"""Weights of the trackers of the package `sam3` from their official checkpoints; what is missing or odd is named."""

import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fast_snow.engines.sam3.package.workarounds import UpstreamTracker, parameters_without_values
from fast_snow.engines.torch_runtime.checkpoints import warn_of_unknown
from fast_snow.errors import ConfigError, InputError, first_line
from fast_snow.weights import damage, on_disk
from fast_snow.weights.integrity import require_cheap


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where an official checkpoint, the first found of its names, holds the weights of a tracker.

    Prefixes of weights in it stand for what they begin with in the tracker.
    """

    network: str
    engine: str
    files: tuple[str, ...]
    prefixes: Mapping[str, str]

    @property
    def advice(self) -> str:
        """What to do about a file that cannot be used."""
        return f"fetch the official weights again (fast-snow fetch-models {self.engine})"


_DETECTORS_ENCODER = {"detector.backbone.vision_backbone.": "backbone.vision_backbone."}
"""Checkpoints hold a detector and a tracker that share the detector's image encoder."""
_MULTIPLEX_PREFIX = "tracker.model."
SAM3 = Layout(
    network="SAM3",
    engine="sam3",
    files=("sam3.safetensors", "sam3.pt"),
    prefixes={**_DETECTORS_ENCODER, "tracker.": ""},
)
SAM3_1 = Layout(
    network="SAM 3.1",
    engine="sam3.1",
    files=("sam3.1_multiplex.pt",),
    prefixes={**_DETECTORS_ENCODER, _MULTIPLEX_PREFIX: ""},
)
_SHOWN = 3


def trained(build: Callable[[], UpstreamTracker], model_path: str, layout: Layout) -> UpstreamTracker:
    """Build a tracker and give it the trained weights of a folder; they stay in host memory.

    `build` makes it, without values of its parameters. It raises as `weights_file`, `read` and `with_weights`.
    """
    weights = weights_file(on_disk(model_path), layout)
    tensors = read(weights, layout)
    with parameters_without_values():
        tracker = build()
    return with_weights(tracker, tensors, source=str(weights), layout=layout)


def with_weights(
    tracker: UpstreamTracker, tensors: Mapping[str, torch.Tensor], *, source: str, layout: Layout
) -> UpstreamTracker:
    """Give a tracker, whose parameters may be without values, its weights under its own names; returns it.

    Source and layout are for messages.

    Raises:
        InputError: weights are missing or have other shapes.

    Warns:
        FastSnowWarning: there are weights that the tracker does not have.
    """
    state = tracker.state_dict()
    tables = {name for name, tensor in state.items() if tensor.is_complex()}  # of angles: not learned
    expected = {name: tuple(state[name].shape) for name in set(state) - (tables - set(tensors))}
    missing = sorted(set(expected) - set(tensors))
    if missing:
        raise InputError(f"{source}: {_some(missing)} missing of a {layout.network} tracker; {layout.advice}")
    wrong = [
        f"{name} {tuple(tensors[name].shape)}" for name in sorted(expected) if tensors[name].shape != expected[name]
    ]
    if wrong:
        first = wrong[0].split()[0]
        raise InputError(f"{source}: {_some(wrong)} of other shapes, expected {expected[first]}; {layout.advice}")
    warn_of_unknown(set(tensors) - set(state), source, f"a {layout.network} tracker")
    loaded = {name: tensors[name].to(state[name].dtype) for name in expected}
    tracker.load_state_dict(loaded, strict=False, assign=True)
    return tracker


def read(weights: Path, layout: Layout) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint under the names of the tracker; nothing in the file is executed.

    Raises:
        InputError: the file is damaged or is not a checkpoint.
    """
    problem = damage(weights)
    if problem is not None:
        raise InputError(f"{weights}: not a readable checkpoint ({problem}); {layout.advice}")
    try:
        if weights.suffix == ".safetensors":
            content: Any = load_file(weights)
        else:
            require_cheap(weights)
            content = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(f"{weights}: not a readable checkpoint ({first_line(error)}); {layout.advice}") from None
    inner = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(inner, dict) or not all(
        isinstance(name, str) and isinstance(each, torch.Tensor) for name, each in inner.items()
    ):
        raise InputError(f"{weights}: got {type(content).__name__}, expected named weights; {layout.advice}")
    other = _other(layout)
    multiplexed = any(name.startswith(_MULTIPLEX_PREFIX) for name in inner)
    if any(name.startswith("tracker.") for name in inner) and multiplexed != (_MULTIPLEX_PREFIX in layout.prefixes):
        raise InputError(f"{weights}: {_is_of(other, layout)}")
    return {
        new + name.removeprefix(old): tensor
        for name, tensor in inner.items()
        for old, new in layout.prefixes.items()
        if name.startswith(old)
    }


def weights_file(folder: Path, layout: Layout) -> Path:
    """Return the checkpoint in a folder; raises ConfigError where there is none, or only that of the other network."""
    for name in layout.files:
        if (folder / name).is_file():
            return folder / name
    other = _other(layout)
    for name in other.files:
        if (folder / name).is_file():
            raise ConfigError(f"sam3.model_path: {folder / name}: {_is_of(other, layout)}")
    raise ConfigError(
        f"sam3.model_path: got {str(folder)!r}, expected a folder with {' or '.join(layout.files)};"
        f" run fast-snow fetch-models {layout.engine}, or choose --engines.tracker classical"
    )


def _other(layout: Layout) -> Layout:
    return SAM3 if layout is SAM3_1 else SAM3_1


def _is_of(found: Layout, expected: Layout) -> str:
    return (
        f"got the weights of {found.network} ({found.files[-1]}), expected those of {expected.network};"
        f" run fast-snow fetch-models {expected.engine}, or choose --engines.tracker {found.engine}"
    )


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
