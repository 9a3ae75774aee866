"""What work costs whatever does it: calls, arithmetic and bytes by kind of operation. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("attention", "product", "convolution", "rest")
"""Fused attention, products of matrices, convolutions, everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of some work.

    Attributes:
        calls: of aten operations, views among them.
        flops: per kind; a multiplication and an addition are two.
        bytes: per kind, read and written by every call that is not a view.
    """

    calls: float
    flops: Mapping[str, float]
    bytes: Mapping[str, float]

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            calls=self.calls + other.calls,
            flops={kind: self.flops[kind] + other.flops[kind] for kind in KINDS},
            bytes={kind: self.bytes[kind] + other.bytes[kind] for kind in KINDS},
        )

    def __mul__(self, factor: float) -> "Cost":
        return Cost(
            calls=self.calls * factor,
            flops={kind: self.flops[kind] * factor for kind in KINDS},
            bytes={kind: self.bytes[kind] * factor for kind in KINDS},
        )

    @property
    def total_flops(self) -> float:
        """Of all kinds."""
        return sum(self.flops.values())

    @property
    def total_bytes(self) -> float:
        """Of all kinds."""
        return sum(self.bytes.values())

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {"calls": self.calls, "flops": dict(self.flops), "bytes": dict(self.bytes)}


NOTHING = Cost(calls=0.0, flops=dict.fromkeys(KINDS, 0.0), bytes=dict.fromkeys(KINDS, 0.0))


def from_json(content: Mapping[str, Any]) -> Cost:
    """Return the cost that `as_json` gave."""
    return Cost(calls=content["calls"], flops=dict(content["flops"]), bytes=dict(content["bytes"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A tracker's counted components.

    Attributes:
        weight_bytes: of its parameters in bf16.
        encode: image features of one frame.
        detect: what the published speeds do beside it in each frame: finding objects by a text.
        start: of a number of objects in one frame, the memory of it included.
        step: of tracking a number of objects through one frame with full memory.
        unit: objects that are tracked together at least: 16 of SAM 3.1's, whose buckets cost the same full or not.
    """

    weight_bytes: float
    encode: Cost
    detect: Cost
    start: Mapping[int, Cost]
    step: Mapping[int, Cost]
    unit: int = 1

    def of(self, component: str, objects: int) -> Cost:
        """Return the cost of a component for a number of objects.

        Between and beyond the counted numbers it is a straight line: calls do not depend on the number, and
        arithmetic and bytes grow with it.
        """
        if component == "encode":
            return self.encode
        counted = self.start if component == "start" else self.step
        wanted = -(-objects // self.unit) * self.unit
        if wanted in counted:
            return counted[wanted]
        low, high = sorted(counted)[-2:]
        share = (wanted - low) / (high - low)
        return counted[low] * (1 - share) + counted[high] * share

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "weight_bytes": self.weight_bytes,
            "unit": self.unit,
            "encode": self.encode.as_json(),
            "detect": self.detect.as_json(),
            "start": {str(objects): each.as_json() for objects, each in self.start.items()},
            "step": {str(objects): each.as_json() for objects, each in self.step.items()},
        }


def network_from_json(content: Mapping[str, Any]) -> Network:
    """Return the network that `as_json` gave."""
    return Network(
        weight_bytes=content["weight_bytes"],
        unit=content["unit"],
        encode=from_json(content["encode"]),
        detect=from_json(content["detect"]),
        start={int(objects): from_json(each) for objects, each in content["start"].items()},
        step={int(objects): from_json(each) for objects, each in content["step"].items()},
    )
