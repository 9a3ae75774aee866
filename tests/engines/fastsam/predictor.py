"""Ultralytics' own predictor, from image to masks: what the engine is compared with."""

from typing import Any

import numpy as np
import torch
import torchvision  # noqa: F401 (its exact suppression of boxes is taken only where it is loaded already)

from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.quiet_import import ultralytics
from fast_snow.engines.fastsam.weights import load_fastsam
from fast_snow.engines.torch_runtime import mask_runs
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.mask_resize import resize
from fast_snow.types import Detections, GridShape, Masks
from fast_snow.weights import on_disk

ultralytics()
from ultralytics.models.fastsam import FastSAMPredictor  # noqa: E402


def by_ultralytics(images: np.ndarray, config: FastSamConfig, grid: GridShape) -> list[Detections]:
    """Return the detections of RGB images, in batches of `config.batch_size`, on one thread."""
    predictor = FastSAMPredictor(
        overrides={
            "conf": config.conf_threshold,
            "iou": config.iou_threshold,
            "imgsz": config.imgsz,
            "max_det": config.max_det,
            "retina_masks": True,
            "rect": True,
            "device": torch.device("cpu"),
            "mode": "predict",
            "save": False,
            "verbose": False,
        }
    )
    threads = torch.get_num_threads()
    predictor.setup_model(load_fastsam(on_disk(config.model_path)).network, verbose=False)
    torch.set_num_threads(threads)  # ultralytics sets its own number
    blue_first = [np.ascontiguousarray(each[..., ::-1]) for each in images]
    batches = [blue_first[k : k + config.batch_size] for k in range(0, len(images), config.batch_size)]
    return [_on_grid(each, grid) for batch in batches for each in predictor(batch)]


def _on_grid(result: Any, grid: GridShape) -> Detections:
    if result.masks is None:
        return Detections(masks=Masks.empty(grid), box_xyxy=np.zeros((0, 4), np.float32), score=np.zeros(0, np.float32))
    on_grid = resize(mask_runs.encode(result.masks.data.bool()), grid)
    seen = area(on_grid) > 0
    rows = result.boxes.data.float().numpy()[seen]
    height, width = result.orig_shape
    to_grid = np.array([grid[1] / width, grid[0] / height] * 2, np.float32)
    return Detections(masks=on_grid[seen], box_xyxy=rows[:, :4] * to_grid, score=rows[:, 4])
