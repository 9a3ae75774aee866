"""FastSAM for export: one ONNX file for every batch, height and width that its stride divides."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from fast_snow.config import FastSamConfig
from fast_snow.engines.compiled.manifest import Tolerance
from fast_snow.engines.compiled.network import Arrays
from fast_snow.engines.fastsam.detections import BOXES, COEFFICIENTS, PROTOTYPES, SCORES
from fast_snow.engines.fastsam.preprocessing import IMAGES, STRIDE
from fast_snow.engines.fastsam.torch_network import OUTPUTS, FastSamNetwork, FastSamOutputs, in_half
from fast_snow.engines.fastsam.weights import load_fastsam
from fast_snow.errors import ConfigError
from fast_snow.export.exportable import Exportable, ExportSpec, ShapeProfile, export_graph
from fast_snow.types import GridShape
from fast_snow.weights.record import sha256_of

_OPSET = 17
_SAMPLE_SEED = 0
_SAMPLE_COLOUR = 0.2
_TRACED = (2, 3, 64, 96)  # small, and no two sizes alike

_TOLERANCE: Mapping[str, Mapping[str, Tolerance]] = {
    "fp32": {
        BOXES: Tolerance(absolute=0.25),
        SCORES: Tolerance(absolute=1e-3),
        COEFFICIENTS: Tolerance(absolute=1e-2, relative=1e-2),
        PROTOTYPES: Tolerance(absolute=1e-2, relative=1e-2),
    },
    "fp16": {
        BOXES: Tolerance(absolute=8.0),
        SCORES: Tolerance(absolute=0.05),
        COEFFICIENTS: Tolerance(absolute=0.25, relative=0.05),
        PROTOTYPES: Tolerance(absolute=0.25, relative=0.05),
    },
}
"""Of all anchors, most of which stand for nothing and are the least certain.

Boxes are in pixels: an edge is the mean of 16 bins of up to 32 pixels each, so that 1 % of error in a logit moves it by
pixels where the bins disagree. On the sample, random networks of scales n and s stayed below a tenth of the absolute
values; trained weights were not at hand. TF32 has the mantissa of fp16: engines of fp32 must not use it.
"""


def prepare_fastsam(weights: Path, *, precision: str, config: FastSamConfig, frame: GridShape) -> Exportable:
    """Load FastSAM for export.

    Inputs and outputs are float32 in either precision; an engine is tuned for `frame` and for a batch of the
    configuration.

    Returns:
        The network; its input is `images`, its outputs are `boxes`, `scores`, `coefficients` and `prototypes`.

    Raises:
        ConfigError: no such precision, or a frame that the network's stride does not divide.
        InputError: weights that are missing, damaged or of something else.
    """
    if precision not in _TOLERANCE:
        raise ConfigError(f"precision: got {precision!r}, expected {' or '.join(_TOLERANCE)}")
    if any(side < STRIDE or side % STRIDE for side in frame):
        raise ConfigError(f"frame: got {frame[0]} x {frame[1]}, expected multiples of {STRIDE} pixels")
    exact = FastSamOutputs(load_fastsam(weights).network)
    written = exact if precision == "fp32" else in_half(exact)
    largest = (config.batch_size, 3, *frame)
    spec = ExportSpec(
        model="fastsam",
        variant=weights.stem,
        precision=precision,
        frame=frame,
        opset=_OPSET,
        profiles={IMAGES: ShapeProfile(smallest=(1, 3, *frame), usual=largest, largest=largest)},
        tolerance=_TOLERANCE[precision],
        weights_sha256=sha256_of(weights),
        packages={name: version(name) for name in ("torch", "ultralytics", "onnx")},
    )
    return Exportable(
        spec=spec,
        write=partial(_write, written),
        reference=FastSamNetwork(exact, torch.device("cpu")),
        sample=partial(_sample, frame=frame),
    )


def _write(network: torch.nn.Module, path: Path) -> None:
    axes = {
        IMAGES: {0: "batch", 2: "height", 3: "width"},
        BOXES: {0: "batch", 2: "anchors"},
        SCORES: {0: "batch", 1: "anchors"},
        COEFFICIENTS: {0: "batch", 2: "anchors"},
        PROTOTYPES: {0: "batch", 2: "prototype_height", 3: "prototype_width"},
    }
    names = (IMAGES, *OUTPUTS)
    export_graph(network, torch.zeros(_TRACED), path, names=names, opset_version=_OPSET, dynamic_axes=axes)


def _sample(count: int, *, frame: GridShape) -> Arrays:
    """Return images like photographs: large areas of one brightness, with a little colour in smaller ones."""
    generator = np.random.default_rng(_SAMPLE_SEED)

    def noise(*shape: int) -> Float32[np.ndarray, "n h w c"]:
        coarse = generator.random((count, *shape), np.float32)
        fine = [cv2.resize(each, frame[::-1], interpolation=cv2.INTER_LINEAR) for each in coarse]
        return np.stack(fine).reshape(count, *frame, shape[-1])

    images = (1 - _SAMPLE_COLOUR) * noise(6, 10, 1) + _SAMPLE_COLOUR * noise(24, 40, 3)
    return {IMAGES: np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
