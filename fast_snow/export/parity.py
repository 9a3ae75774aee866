"""How far a compiled network's answers are from torch's, and whether that is near enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fast_snow.engines.compiled.manifest import Agreement, Tolerance
from fast_snow.engines.compiled.network import Arrays, Network
from fast_snow.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Differences of a compiled network from torch by output, over the numbers of frames that were compared.

    They are NaN where the two do not agree on what is finite.
    """

    outputs: Mapping[str, Agreement]
    frames: tuple[int, ...]


def compare(
    network: Network,
    reference: Network,
    sample: Callable[[int], Arrays],
    tolerance: Mapping[str, Tolerance],
    frames: Sequence[int] = (1, 2),
) -> Parity:
    """Run two networks on the same inputs.

    The reference is the network in fp32 that the other was made from; its outputs are compared by name, others are
    ignored.

    Raises:
        EngineError: an output is missing on either side, has another shape, or has no tolerance.
    """
    gathered: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for count in frames:
        inputs = sample(count)
        wanted = reference(inputs)
        got = network(inputs)
        if set(got) != set(wanted):
            raise EngineError(f"outputs are {', '.join(sorted(got))}, torch gives {', '.join(sorted(wanted))}")
        for name, values in got.items():
            if name not in tolerance:
                raise EngineError(f"output {name} has no tolerance in the export spec")
            gathered.setdefault(name, []).append(_difference(name, values, wanted[name], tolerance[name]))
    outputs = {name: _agreement(pieces) for name, pieces in gathered.items()}
    return Parity(outputs=outputs, frames=tuple(frames))


def require(parity: Parity, tolerance: Mapping[str, Tolerance], what: str) -> None:
    """Refuse a network that differs too much.

    Raises:
        EngineError: a difference exceeds its tolerance or is not a number.
    """
    for name, measured in parity.outputs.items():
        if not measured.worst <= 1:  # also refuses NaN
            allowed = tolerance[name]
            raise EngineError(
                f"{what}: output {name} differs from torch by {measured.largest:.3g} (mean {measured.mean:.3g}),"
                f" allowed is {allowed.absolute:.3g} + {allowed.relative:.3g} * |value| (the worst element:"
                f" {measured.worst:.3g} times that); nothing was written"
            )


def _difference(name: str, got: np.ndarray, wanted: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray, np.ndarray]:
    """Return the absolute difference of every element, and its share of what is allowed there."""
    if got.shape != wanted.shape:
        raise EngineError(f"output {name} has shape {got.shape}, torch gives {wanted.shape}")
    # Equal infinities would give NaN, but no output of these networks may be infinite: it counts as a failure.
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = wanted.astype(np.float64)
        difference = np.abs(got.astype(np.float64) - expected).ravel()
        allowed = tolerance.absolute + tolerance.relative * np.abs(expected).ravel()
        return difference, np.where(difference == 0, 0.0, difference / allowed)


def _agreement(pieces: Sequence[tuple[np.ndarray, np.ndarray]]) -> Agreement:
    difference, share = (np.concatenate(each) for each in zip(*pieces, strict=True))
    if not difference.size:
        return Agreement(largest=0.0, mean=0.0, worst=0.0)
    return Agreement(largest=float(difference.max()), mean=float(difference.mean()), worst=float(share.max()))
