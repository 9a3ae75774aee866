"""Depth Anything 3 as ONNX: any number of frames of one size to depth, confidence and pose encoding.

Preprocessing and pose decoding stay outside the graph. The first frame is the one that the others refer to: upstream's
choice by features would put the frames in an order that depends on their content. The exporter is torch's TorchScript
one: it needs no package beside `onnx`, and its answers lie within rounding of torch.
"""

import copy
import math
import tempfile
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnx
import torch

from fast_snow.config import Da3Config, WindowConfig
from fast_snow.engines.compiled.manifest import Tolerance
from fast_snow.engines.compiled.network import Arrays
from fast_snow.engines.da3.preprocessing import PATCH, preprocess
from fast_snow.engines.da3.torch_network import FIRST, TorchNetwork, load_da3
from fast_snow.engines.da3.variants import variant_of
from fast_snow.errors import ConfigError
from fast_snow.export.da3_patches import exportable
from fast_snow.export.exportable import Exportable, ExportSpec, ShapeProfile, export_graph
from fast_snow.weights.record import sha256_of

OPSET: Final = 18
INPUT: Final = "images"
OUTPUTS: Final = ("depth", "confidence", "pose")
EXTERNAL_FROM: Final = 1_500_000_000
"""Weights of more bytes go to a file beside the graph, which itself can hold 2 GiB."""
TOLERANCE: Final[Mapping[str, Mapping[str, Tolerance]]] = {
    "fp32": {name: Tolerance(absolute=1e-3, relative=1e-3) for name in OUTPUTS},
    "fp16": {
        "depth": Tolerance(absolute=2e-2, relative=2e-2),
        "confidence": Tolerance(absolute=5e-2, relative=5e-2),
        "pose": Tolerance(absolute=1e-2, relative=1e-2),
    },
}
"""Random weights stay far below; trained ones answer larger values, and were not there to be measured."""
TENSOR_LIMIT: Final = 2**31 - 1
"""TensorRT's tensors hold no more values."""
_TRACED_FRAMES: Final = 3


def prepare_da3(folder: Path, *, precision: str, config: Da3Config, frame: tuple[int, int]) -> Exportable:
    """Load a variant, ready to be exported.

    Half precision is the backbone's: heads, input and outputs are fp32. A TensorRT engine is tuned for `chunk_size`
    frames.

    Returns:
        The model: `images` (n, 3, h, w) to `depth` and `confidence` (n, h, w) and `pose` (n, 9), n free.

    Raises:
        ConfigError: a folder, variant, precision or size that cannot be exported.
    """
    variant = variant_of(str(folder))
    if variant.nested:
        raise ConfigError(
            f"da3: {variant.name} takes its scale from a robust fit between two networks, which cannot be exported;"
            " use --engines.geometry da3-torch with it"
        )
    if precision not in TOLERANCE:
        raise ConfigError(f"precision: got {precision!r}, expected one of {', '.join(TOLERANCE)}")
    if min(frame) < PATCH or frame[0] % PATCH or frame[1] % PATCH:
        raise ConfigError(f"frame: got {frame[0]}x{frame[1]}, expected height and width that are multiples of {PATCH}")
    module = load_da3(folder)
    spec = ExportSpec(
        model="da3",
        variant=variant.name,
        precision=precision,
        frame=frame,
        opset=OPSET,
        profiles={INPUT: _profile(module, config, frame)},
        tolerance=TOLERANCE[precision],
        weights_sha256=sha256_of(folder / "model.safetensors"),
        packages={name: version(name) for name in ("depth-anything-3", "onnx", "torch")},
    )
    return Exportable(
        spec=spec,
        write=partial(write_onnx, module, precision=precision, frame=frame),
        reference=TorchNetwork(
            module=module, device=torch.device("cpu"), precision=torch.float32, ref_view_strategy=FIRST
        ),
        sample=partial(_sample, frame=frame),
    )


class DepthAndPoses(torch.nn.Module):
    """What of upstream's network is exported: frames in, depth, confidence and pose encoding out, all fp32.

    Args:
        module: upstream's network.
        precision: `fp16` computes the backbone in half precision, on a copy.
    """

    def __init__(self, module: Any, precision: str) -> None:  # noqa: ANN401 (upstream's module)
        super().__init__()
        half = precision == "fp16"
        self.precision = torch.float16 if half else torch.float32
        self.backbone = copy.deepcopy(module.backbone).half() if half else module.backbone
        self.head = module.head
        self.cam_dec = module.cam_dec

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return depth and confidence (n, h, w) and pose encoding (n, 9) of images (n, 3, h, w)."""
        height, width = images.shape[-2:]
        layers, _ = self.backbone(images.to(self.precision)[None], ref_view_strategy=FIRST)
        layers = [(patches.float(), camera.float()) for patches, camera in layers]
        answer = self.head(layers, height, width, patch_start_idx=0, chunk_size=None)
        return answer.depth[0], answer.depth_conf[0], self.cam_dec(layers[-1][1])[0]


def write_onnx(
    module: Any,  # noqa: ANN401 (upstream's module)
    path: Path,
    *,
    precision: str,
    frame: tuple[int, int],
    external_from: int = EXTERNAL_FROM,
) -> None:
    """Write the network as ONNX.

    Weights of more than `external_from` bytes go to `<name>.data` beside the graph.
    """
    network = DepthAndPoses(module, precision).eval()
    images = torch.from_numpy(_sample(_TRACED_FRAMES, frame=frame)[INPUT])
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, torch.no_grad(), exportable(frame):
        network(images[:1])  # computes what the patches hold constant, so that it is no part of the graph
        traced = Path(scratch) / path.name  # above 2 GiB torch puts every tensor into a file of its own beside it
        names = (INPUT, *OUTPUTS)
        axes = {name: {0: "n"} for name in names}
        export_graph(network, images, traced, names=names, opset_version=OPSET, dynamic_axes=axes)
        graph = onnx.load(traced)
    for output in graph.graph.output[:2]:  # the trace does not say that these are the input's
        for dimension, side in zip(output.type.tensor_type.shape.dim[1:], frame, strict=True):
            dimension.dim_value = side
    size = sum(len(each.raw_data) for each in graph.graph.initializer)
    onnx.save_model(graph, path, save_as_external_data=size > external_from, location=f"{path.name}.data")


def _profile(module: Any, config: Da3Config, frame: tuple[int, int]) -> ShapeProfile:  # noqa: ANN401
    """Return for how many frames a TensorRT engine is built: a chunk, or a window, or what its tensors can hold.

    It is tuned for half as many, what is left where memory does not hold the largest.
    """
    window = config.chunk_size or WindowConfig().length
    most = min(window, most_frames(module, frame))
    return ShapeProfile(smallest=(1, 3, *frame), usual=((most + 1) // 2, 3, *frame), largest=(most, 3, *frame))


def most_frames(module: Any, frame: tuple[int, int]) -> int:  # noqa: ANN401 (upstream's module)
    """Return the frames of which no tensor exceeds TensorRT's limit: neither the head's nor the attention's scores.

    The exported attention multiplies and normalises scores explicitly, over the tokens of all frames: they are
    `heads * (n * tokens)²`.
    """
    widest = module.head.scratch.output_conv1.out_channels * frame[0] * frame[1]
    backbone = module.backbone.pretrained
    tokens = (frame[0] // PATCH) * (frame[1] // PATCH) + 1
    by_scores = math.isqrt(TENSOR_LIMIT // backbone.num_heads) // tokens
    return max(1, min(TENSOR_LIMIT // widest, by_scores))


def _sample(count: int, *, frame: tuple[int, int]) -> Arrays:
    """Return repeatable frames with structure at every scale, prepared for the network."""
    draw = np.random.default_rng(0)
    image = np.zeros((count, *frame, 3))
    for cells in (2, 8, 32):
        coarse = draw.uniform(0, 255, (count, cells, cells, 3))
        for i in range(count):
            image[i] += cv2.resize(coarse[i], frame[::-1], interpolation=cv2.INTER_CUBIC) / 3
    return {INPUT: preprocess(image.clip(0, 255).astype(np.uint8), max(frame))}
