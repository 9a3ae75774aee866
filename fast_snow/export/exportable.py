"""What a model brings to be exported: its network in torch, how to write it as ONNX, and what it must agree to."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fast_snow.engines.compiled.manifest import Tolerance
from fast_snow.engines.compiled.network import Arrays, Network

if TYPE_CHECKING:
    import torch

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


def export_graph(
    network: "torch.nn.Module",
    example: "torch.Tensor",
    path: Path,
    *,
    names: Sequence[str],
    **named: Any,  # noqa: ANN401
) -> None:
    """Write a network as ONNX by torch's TorchScript exporter: the one that replaces it needs onnxscript.

    The first of `names` is the input's, the others are those of the outputs; more are options of `torch.onnx.export`.
    """
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python")
        for deprecated in ("You are using the legacy TorchScript", "The feature will be removed"):
            warnings.filterwarnings("ignore", message=deprecated, category=DeprecationWarning)
        inputs, outputs = list(names[:1]), list(names[1:])
        torch.onnx.export(
            network, (example,), str(path), input_names=inputs, output_names=outputs, dynamo=False, **named
        )
