"""What a model brings to be exported: its network in torch, how to write it as ONNX, and what it must agree to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fast_snow.engines.compiled.manifest import Tolerance
from fast_snow.engines.compiled.network import Arrays, Network

Shape = tuple[int, ...]


class ShapeProfile(NamedTuple):
    """The sizes of one input that a TensorRT engine is tuned for."""

    smallest: Shape
    usual: Shape
    largest: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """What is fixed about an exported network before it is written, as its `Manifest` has it.

    Half precision is in the ONNX graph.
    """

    model: str
    variant: str
    precision: str
    frame: tuple[int, int]
    opset: int
    profiles: Mapping[str, ShapeProfile]
    tolerance: Mapping[str, Tolerance]
    weights_sha256: str
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportable:
    """A loaded model, ready to be exported: `write` writes ONNX, with external data beside it where there is any.

    The reference is the network in torch at fp32; `sample` gives repeatable inputs for a number of frames.
    """

    spec: ExportSpec
    write: Callable[[Path], None]
    reference: Network
    sample: Callable[[int], Arrays]
