"""How far a compiled network's answers are from torch's, and whether that is near enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fast_snow.engines.compiled.manifest import Agreement
from fast_snow.engines.compiled.network import Arrays, Network
from fast_snow.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Differences of a compiled network from torch.

    Attributes:
        outputs: by output name, over all samples; NaN where the two do not agree on what is finite.
        frames: numbers of frames that were compared.
    """

    outputs: Mapping[str, Agreement]
    frames: tuple[int, ...]


def compare(
    network: Network, reference: Network, sample: Callable[[int], Arrays], frames: Sequence[int] = (1, 2)
) -> Parity:
    """Run two networks on the same inputs.

    Args:
        network: the compiled one.
        reference: the one it was made from, at fp32; its outputs are compared by name, others are ignored.
        sample: inputs for a number of frames.
        frames: numbers of frames to compare at.

    Returns:
        Absolute differences over the elements of each of the network's outputs, in double precision.

    Raises:
        EngineError: an output is missing on either side, or has another shape.
    """
    gathered: dict[str, list[np.ndarray]] = {}
    for count in frames:
        inputs = sample(count)
        wanted = reference(inputs)
        got = network(inputs)
        if set(got) != set(wanted):
            raise EngineError(f"outputs are {', '.join(sorted(got))}, torch gives {', '.join(sorted(wanted))}")
        for name, values in got.items():
            gathered.setdefault(name, []).append(_difference(name, values, wanted[name]))
    outputs = {}
    for name, pieces in gathered.items():
        difference = np.concatenate(pieces)
        largest, mean = (difference.max(), difference.mean()) if difference.size else (0, 0)
        outputs[name] = Agreement(largest=float(largest), mean=float(mean))
    return Parity(outputs=outputs, frames=tuple(frames))


def require(parity: Parity, tolerance: Mapping[str, float], what: str) -> None:
    """Refuse a network that differs too much.

    Args:
        parity: measured.
        tolerance: largest allowed absolute difference by output name.
        what: the network, for messages.

    Raises:
        EngineError: a difference exceeds its tolerance or is not a number, or an output has no tolerance.
    """
    for name, measured in parity.outputs.items():
        if name not in tolerance:
            raise EngineError(f"{what}: output {name} has no tolerance in the export spec")
        if not measured.largest <= tolerance[name]:  # also refuses NaN
            raise EngineError(
                f"{what}: output {name} differs from torch by {measured.largest:.3g} (mean {measured.mean:.3g}),"
                f" allowed is {tolerance[name]:.3g}; nothing was written"
            )


def _difference(name: str, got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    if got.shape != wanted.shape:
        raise EngineError(f"output {name} has shape {got.shape}, torch gives {wanted.shape}")
    # Equal infinities would give NaN, but no output of these networks may be infinite: it counts as a failure.
    with np.errstate(invalid="ignore"):
        return np.abs(got.astype(np.float64) - wanted.astype(np.float64)).ravel()
