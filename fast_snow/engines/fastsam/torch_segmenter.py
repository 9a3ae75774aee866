"""FastSAM in torch, through ultralytics' own predictor. Returned detections own their buffers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.weights import load
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.torch_runtime import mask_runs
from fast_snow.engines.torch_runtime.devices import choose
from fast_snow.engines.torch_runtime.memory import release
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.mask_resize import resize
from fast_snow.protocols import Progress, Segmenter, silent
from fast_snow.types import Detections, Frames, Geometry, GridShape, Masks
from fast_snow.weights import on_disk

_HALF = 16


@contextmanager
def open_segmenter(
    config: FastSamConfig, *, device: str, threads: int = 0, progress: Progress = silent
) -> Iterator[Segmenter]:
    """Open FastSAM in torch; fp16 on GPUs.

    Args:
        config: its parameters and where its weights are.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: of torch on the CPU; 0 leaves them as they are.
        progress: told how many frames are segmented.

    Yields:
        The segmenter.
    """
    chosen = choose(device)
    before = torch.get_num_threads()
    try:
        with _predictor(config, chosen) as predict:
            torch.set_num_threads(threads or before)  # ultralytics sets them to its own number
            yield _TorchSegmenter(config, predict, chosen, progress)
    finally:
        torch.set_num_threads(before)
        release(chosen)


Predict = Callable[[list[UInt8[np.ndarray, "h w 3"]]], list[Any]]
"""Takes images of one batch as OpenCV reads them, blue first; answers with ultralytics' results."""


@contextmanager
def _predictor(config: FastSamConfig, device: torch.device) -> Iterator[Predict]:
    network = load(on_disk(config.model_path)).network
    from ultralytics.models.fastsam import FastSAMPredictor

    predictor = FastSAMPredictor(
        overrides={
            "conf": config.conf_threshold,
            "iou": config.iou_threshold,
            "imgsz": config.imgsz,
            "max_det": config.max_det,
            "retina_masks": True,
            "rect": True,
            "quantize": _HALF if device.type == "cuda" else None,
            "device": device,
            "mode": "predict",
            "save": False,
            "verbose": False,
        }
    )
    predictor.setup_model(network, verbose=False)
    del network  # the predictor holds a copy of its own
    try:
        yield predictor
    finally:
        predictor.model = predictor.results = predictor.batch = predictor.dataset = None


@dataclass(frozen=True, slots=True)
class _TorchSegmenter:
    config: FastSamConfig
    predict: Predict
    device: torch.device
    progress: Progress

    def __call__(self, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        def in_batches(size: int) -> list[Detections]:
            results: list[Detections] = []
            for first in range(0, len(frames), size):
                images = [np.ascontiguousarray(each[..., ::-1]) for each in frames.image[first : first + size]]
                for result in self.predict(images):
                    masks = None if result.masks is None else result.masks.data.bool()
                    results.append(_on_grid(masks, result.boxes.data.float(), result.orig_shape, geometry.grid))
                    self.progress("FastSAM", len(results), len(frames))
            return results

        return in_smaller_pieces(
            in_batches,
            self.config.batch_size,
            what="FastSAM: frames per batch",
            advice="set a smaller --fastsam.imgsz or --fastsam.max-det",
        )


def _on_grid(
    masks: Bool[torch.Tensor, "m h w"] | None, rows: Float[torch.Tensor, "m 6"], frame: GridShape, grid: GridShape
) -> Detections:
    """Bring what ultralytics answers for one frame (box, score, class per row) to the analysis grid."""
    if masks is None:
        return Detections(masks=Masks.empty(grid), box_xyxy=np.zeros((0, 4), np.float32), score=np.zeros(0, np.float32))
    on_grid = resize(mask_runs.encode(masks), grid)
    seen = area(on_grid) > 0
    results: np.ndarray = rows.cpu().numpy()[seen]
    to_grid = np.array([grid[1] / frame[1], grid[0] / frame[0]] * 2, np.float32)
    return Detections(masks=on_grid[seen], box_xyxy=results[:, :4] * to_grid, score=results[:, 4])
