"""FastSAM's weights from its `.pt` file: only numbers are taken from it, and nothing in it is run.

The file is a pickle of a whole ultralytics model. Every class it names is replaced by one that does nothing, what
remains is a tree of tensors, and their numbers go into a network that is built here.
"""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from fast_snow.engines.fastsam.quiet_import import ultralytics
from fast_snow.errors import InputError, first_line
from fast_snow.limits import CHECKPOINT_MODULES, PATH_LENGTH
from fast_snow.weights import check, damage
from fast_snow.weights.integrity import require_cheap

_LETTER_BY_WIDTH = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}
"""The scale of YOLOv8 by the channels of its first convolution."""

_FIRST = "model.0.conv.weight"
_CLASSES = "model.22.cv3.0.2.weight"
_COEFFICIENTS = "model.22.cv4.0.2.weight"
_EXPECTED = "expected FastSAM: YOLOv8 for segmentation with one class"
_REMEDY = "run fast-snow fetch-models fastsam"
_NETWORK_STATE = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FastSam:
    """A loaded network on the CPU, in fp32, in evaluation mode.

    Its variant is `FastSAM-s` or `FastSAM-x`; other letters are scales of YOLOv8 that were not published.
    """

    variant: str
    network: torch.nn.Module


def load_fastsam(path: Path) -> FastSam:
    """Load FastSAM from a `.pt` file of ultralytics.

    Raises:
        InputError: the file is missing, damaged, not what was fetched, or holds something else.
    """
    state = read_state(path, _EXPECTED, _REMEDY)
    letter = _letter(state, path)
    network = _build(letter)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2]
        raise InputError(
            f"{path}: got a network unlike YOLOv8{letter} ({' '.join(first).strip()}), {_EXPECTED}"
        ) from None
    return FastSam(variant=f"FastSAM-{letter}", network=network.float().eval())


def random_weights(path: Path, *, variant: str, seed: int) -> None:
    """Write weights that were never trained: enough to measure speed and memory, useless to find objects."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build(variant.removeprefix("FastSAM-"))
    torch.save({"model": network.half(), "ema": None}, path)


class _Inert:
    """Stands for every class that a file names: takes what it is given and does nothing."""

    def __new__(cls, *_: object, **__: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass


def read_state(path: Path, expected: str, remedy: str) -> dict[str, torch.Tensor]:
    """Read the tensors of a `.pt` file of ultralytics by name, none where it holds no network.

    Raises:
        InputError: it is missing, damaged, not what was fetched, or of another structure.
    """
    problem = damage(path)
    if problem is not None:
        raise InputError(f"{path}: {problem}, {expected}; {remedy}")
    check(path)
    require_cheap(path)
    try:
        checkpoint = _unpickled(path)
        network = _network_of(checkpoint)
        return {} if network is None else dict(_tensors(network))
    except (RuntimeError, ValueError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = first_line(error).rstrip(".")
        raise InputError(f"{path}: cannot be read ({reason}); {remedy} again") from None
    except (AttributeError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: got a pickle of another structure ({type(error).__name__}), {expected}") from None


def _unpickled(path: Path) -> object:
    named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    # The pickle knows classes of old versions of ultralytics by names that are gone: names are all that is needed.
    with torch.serialization.safe_globals([(_Inert, name) for name in named]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _network_of(checkpoint: object) -> _Inert | None:
    if isinstance(checkpoint, Mapping):
        checkpoint = checkpoint.get("ema") or checkpoint.get("model")
    return checkpoint if isinstance(checkpoint, _Inert) else None


def _tensors(network: _Inert) -> Iterator[tuple[str, torch.Tensor]]:
    """Walk what was a network and yield what its state would hold.

    Modules may be shared, as activations are; a few of them that hold each other would have names without end.
    """
    remaining, visited = [("", network)], 0
    while remaining:
        prefix, module = remaining.pop()
        visited += 1
        if visited + len(remaining) > CHECKPOINT_MODULES.largest or len(prefix) > PATH_LENGTH.largest:
            raise ValueError(f"more than {CHECKPOINT_MODULES.largest} modules")
        parameters, buffers, modules = (vars(module)[name] for name in _NETWORK_STATE)
        passing = vars(module).get("_non_persistent_buffers_set", ())
        lasting = {name: tensor for name, tensor in buffers.items() if name not in passing}
        for name, tensor in (parameters | lasting).items():
            if isinstance(tensor, torch.Tensor):
                yield prefix + name, tensor.detach()
        remaining += [(f"{prefix}{name}.", inner) for name, inner in modules.items()]


def _letter(state: Mapping[str, torch.Tensor], path: Path) -> str:
    """Tell which scale of YOLOv8 the tensors are of."""
    if not state:
        raise InputError(f"{path}: got no network in it, {_EXPECTED}")
    if _COEFFICIENTS not in state or _CLASSES not in state:
        raise InputError(f"{path}: got a network without the layers of YOLOv8 for segmentation, {_EXPECTED}")
    if (classes := _channels(state[_CLASSES])) != 1:
        raise InputError(f"{path}: got a network of {classes} classes, {_EXPECTED}")
    width = _channels(state[_FIRST]) if _FIRST in state else 0
    if width not in _LETTER_BY_WIDTH:
        raise InputError(f"{path}: got a first layer of {width} channels, {_EXPECTED}")
    return _LETTER_BY_WIDTH[width]


def _channels(weights: torch.Tensor) -> int:
    return weights.shape[0] if weights.ndim else 0


def _build(letter: str) -> torch.nn.Module:
    ultralytics()
    from ultralytics.nn.tasks import SegmentationModel

    network: torch.nn.Module = SegmentationModel(f"yolov8{letter}-seg.yaml", ch=3, nc=1, verbose=False)
    return network
