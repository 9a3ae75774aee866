"""From operations to seconds: a machine of three parameters, fitted on speeds of SAM3 and tried on those of SAM 3.1."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from bench.cost.composition import Calls
from bench.cost.costs import KINDS, Cost, Network

SAM3_FPS: Mapping[int, float] = {1: 26.5, 16: 9.8, 128: 1.6}
SAM31_FPS: Mapping[int, float] = {1: 33.8, 16: 30.2, 128: 11.5}
"""On one H100, by the authors of SAM 3.1: objects found by a text in each frame and tracked."""
SAM3_OPTIMISED_FPS: Mapping[int, float] = {1: 36.4, 16: 12.2, 128: 2.2}
"""SAM3 with the optimisations of the code that SAM 3.1 is published with, compilation among them; not fitted."""
DISPATCH_S = 6e-3 / 1160
"""The dispatch of one tracking step of SAM3 in torch, 1,160 calls, takes 6 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A GPU and the processor that drives it.

    Attributes:
        name: of the GPU.
        flop_per_s: arithmetic in bf16 that networks sustain.
        bytes_per_s: of the GPU's memory.
        dispatch_s: of one aten call on the processor.
    """

    name: str
    flop_per_s: float
    bytes_per_s: float
    dispatch_s: float = DISPATCH_S

    def device_s(self, cost: Cost) -> float:
        """Return how long the GPU works: each kind of operation is bound by arithmetic or by memory."""
        return sum(max(cost.flops[kind] / self.flop_per_s, cost.bytes[kind] / self.bytes_per_s) for kind in KINDS)

    def seconds(self, *parts: Cost) -> float:
        """Return how long work between two synchronisations takes: dispatch runs ahead, and the slower one counts."""
        return max(sum(each.calls for each in parts) * self.dispatch_s, sum(self.device_s(each) for each in parts))


PEAKS: Mapping[str, Machine] = {
    "h100": Machine(name="H100 SXM", flop_per_s=989e12, bytes_per_s=3.35e12),
    "h200": Machine(name="H200 SXM", flop_per_s=989e12, bytes_per_s=4.8e12),
    "a100": Machine(name="A100 SXM 80 GB", flop_per_s=312e12, bytes_per_s=2.04e12),
}
"""Dense bf16 arithmetic and memory bandwidth as NVIDIA states them."""


class Assumption(NamedTuple):
    """What the published speeds are taken to be of.

    Attributes:
        about: in words.
        detection: whether objects are found by a text in every frame, beside being tracked.
        runs_ahead: whether dispatch runs ahead of the GPU within a frame, or waits after encoding and detection.
    """

    about: str
    detection: bool
    runs_ahead: bool


ASSUMED = Assumption("detection in every frame, dispatch runs ahead", detection=True, runs_ahead=True)
ALTERNATIVES = (
    Assumption("detection in every frame, dispatch waits after each part", detection=True, runs_ahead=False),
    Assumption("tracking alone, dispatch runs ahead", detection=False, runs_ahead=True),
    Assumption("tracking alone, dispatch waits after each part", detection=False, runs_ahead=False),
)


def frame_s(machine: Machine, network: Network, objects: int, assumed: Assumption = ASSUMED) -> float:
    """Return how long a frame takes of what the published speeds measure: encoding, detection, one step of everyone."""
    parts = [network.encode, network.of("step", objects), *([network.detect] if assumed.detection else [])]
    return machine.seconds(*parts) if assumed.runs_ahead else sum(machine.seconds(each) for each in parts)


def window_s(machine: Machine, network: Network, made: Calls) -> float:
    """Return how long the calls for a window take, which read a score or masks back after each."""
    return sum(
        machine.seconds(network.of(component, together)) * times for (component, together), times in made.items()
    )


def fitted(sam3: Network, assumed: Assumption = ASSUMED) -> Machine:
    """Return an H100 whose sustained arithmetic fits SAM3's three published speeds best (least squares of logarithms).

    Bandwidth and dispatch stay as stated: the three speeds lie almost on a line and cannot tell three parameters apart.
    """
    peak = PEAKS["h100"]
    machines = [replace(peak, flop_per_s=peak.flop_per_s * share / 1000) for share in range(50, 1001)]
    return min(machines, key=lambda machine: sum(math.log1p(each) ** 2 for each in errors(machine, sam3, assumed)))


def errors(machine: Machine, network: Network, assumed: Assumption = ASSUMED, *, sam31: bool = False) -> list[float]:
    """Return by how much estimated speeds exceed the published ones, as shares of these."""
    published = SAM31_FPS if sam31 else SAM3_FPS
    return [1 / frame_s(machine, network, objects, assumed) / fps - 1 for objects, fps in published.items()]


def machine_named(name: str, on_h100: Machine) -> Machine:
    """Return a machine that sustains the same share of its peak as the fitted H100 does of its own."""
    peak = PEAKS[name]
    return replace(peak, flop_per_s=peak.flop_per_s * (on_h100.flop_per_s / PEAKS["h100"].flop_per_s))
