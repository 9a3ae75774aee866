"""The engines that could find the objects of each frame."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fast_snow.config import Config
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.compiled.network import OpenNetwork
from fast_snow.engines.fastsam.preprocessing import network_size
from fast_snow.engines.recorded import open_segmenter
from fast_snow.inputs.recording import Recording
from fast_snow.protocols import OpenSegmenter, Progress
from fast_snow.selection.candidates import Candidate, recorded
from fast_snow.selection.requirements import Target, artefact, installed, masks_given, no_gpu, runtime, weights_present
from fast_snow.types import GridShape
from fast_snow.weights import on_disk

_FOUND = "class-agnostic masks from FastSAM"


def candidates(
    config: Config, recording: Recording | None, frame: GridShape, progress: Progress, flows: FlowStore | None = None
) -> Sequence[Candidate[OpenSegmenter]]:
    """Return the engines for objects, the best first."""
    return (
        recorded(open_segmenter, recording, "masks of the input", masks_given(recording)),
        _compiled("tensorrt", config, frame, progress),
        _compiled("onnx", config, frame, progress),
        Candidate(
            name="fastsam-torch",
            family="fastsam",
            meaning=f"{_FOUND}, in torch",
            opener=lambda: _in_torch(config, progress),
            missing=installed("torch", "ultralytics") + weights_present(config, "fastsam"),
            caveats=no_gpu(config),
        ),
        Candidate(
            name="sam2",
            meaning="class-agnostic masks from SAM 2.1 at a grid of points, in torch",
            opener=lambda: _at_points(config, progress),
            missing=installed("torch", "transformers") + weights_present(config, "sam2"),
            caveats=no_gpu(config),
        ),
        Candidate(
            name="classical",
            meaning="objects from motion and depth; outlines are rough and objects may be split or missed",
            opener=lambda: _classical(config, progress, flows),
        ),
    )


def _around(open_network: OpenNetwork, config: Config, progress: Progress) -> OpenSegmenter:
    from fast_snow.engines.fastsam import segmenter

    return partial(
        segmenter.open_segmenter,
        config.fastsam,
        open_network=open_network,
        threads=config.runtime.threads,
        progress=progress,
    )


def _compiled(target: Target, config: Config, frame: GridShape, progress: Progress) -> Candidate[OpenSegmenter]:
    size = network_size(*frame, config.fastsam.imgsz)
    variant = Path(config.fastsam.model_path).stem
    compiled = artefact(config, model="fastsam", variant=variant, frame=size, target=target)
    return Candidate(
        name=f"fastsam-{target}",
        family="fastsam",
        meaning=f"{_FOUND}, on {compiled.backend}",
        opener=lambda: _around(compiled.open, config, progress),
        missing=compiled.missing,
        caveats=no_gpu(config) + compiled.caveats,
    )


def _in_torch(config: Config, progress: Progress) -> OpenSegmenter:
    from fast_snow.engines.fastsam.torch_network import open_network

    weights, chosen = on_disk(config.fastsam.model_path), config.runtime
    return _around(partial(open_network, weights, device=chosen.device, threads=chosen.threads), config, progress)


def _at_points(config: Config, progress: Progress) -> OpenSegmenter:
    from fast_snow.engines.sam2 import segmenter

    return partial(segmenter.open_segmenter, config.sam2, device=config.runtime.device, progress=progress)


def _classical(config: Config, progress: Progress, flows: FlowStore | None) -> OpenSegmenter:
    from fast_snow.engines.classical.segmentation import segmenter

    return partial(
        segmenter.open_segmenter, config.classical.segmenter, **runtime(config), flows=flows, progress=progress
    )
