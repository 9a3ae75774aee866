"""SAM2 asked at every point of a grid: all masks of a frame, without classes. Returned detections own their buffers.

Reference:
    `SAM2AutomaticMaskGenerator` of github.com/facebookresearch/sam2 without crops, on the analysis grid in place of the
    frame's own: what is predicted good and stable is kept, and of boxes that overlap the best.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torchvision.ops import nms

from fast_snow.config import Sam2Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam2.network import Embeddings, ImageNetwork, load
from fast_snow.engines.torch_runtime import mask_runs, memory
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.protocols import Progress, Segmenter, silent
from fast_snow.types import Detections, Frames, Geometry, GridShape, Masks
from fast_snow.weights import weights_folder

_OFFSET: Final = 1.0
"""Of the mask threshold, upwards and downwards, between which a stable mask hardly changes."""
_LAST_PIXEL: Final = np.array([0, 0, 1, 1], np.float32)
"""Upstream's boxes end at the last pixel, not after it."""


class _Found(NamedTuple):
    """Masks on the analysis grid and the IoU that is predicted for each."""

    masks: Masks
    score: Float32[np.ndarray, " m"]


@contextmanager
def open_segmenter(config: Sam2Config, *, device: str, progress: Progress = silent) -> Iterator[Segmenter]:
    """Load SAM2; leaving frees its memory.

    Raises:
        ConfigError: no such device, or `sam2.model_path` holds no such network or damaged files.
    """
    folder = weights_folder(config.model_path)
    network = load(folder, setting="sam2.model_path", device=device, precision=config.precision)
    place = network.device
    segmenter = _GridSegmenter(network, config, progress)
    del network
    try:
        yield segmenter
    finally:
        del segmenter
        memory.release(place)


@dataclass(frozen=True, slots=True, eq=False)
class _GridSegmenter:
    network: ImageNetwork
    config: Sam2Config
    progress: Progress

    def __call__(self, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        points = torch.tensor(grid_points(self.config.points_per_side) * self.network.side)
        results: list[Detections] = []
        for image in frames.image:
            embeddings = self.network.encode(image)
            found = in_smaller_pieces(
                lambda size, embeddings=embeddings: [  # type: ignore[misc]
                    self._ask(embeddings, some, geometry.grid) for some in torch.split(points, size)
                ],
                self.config.points_per_batch,
                what="SAM2: points per batch",
                advice="set --runtime.device cpu",
            )
            results.append(self._best(found, geometry.grid))
            self.progress("SAM2", len(results), len(frames))
        return results

    def _ask(self, embeddings: Embeddings, points: Float32[torch.Tensor, "k 2"], grid: GridShape) -> _Found:
        """Return the good and stable ones of the masks at some points."""
        logits, score = self.network.answer(embeddings, points[:, None], several=True)
        logits, score = logits.flatten(0, 1), score.flatten().float()
        good = score > self.config.pred_iou_thresh
        on_grid = torch.nn.functional.interpolate(
            logits[good][:, None].float(), size=grid, mode="bilinear", align_corners=False
        )[:, 0]
        kept = (on_grid > 0).any(-1).any(-1)
        if self.config.stability_score_thresh > 0:
            kept &= is_stable(on_grid, self.config.stability_score_thresh)
        return _Found(mask_runs.encode(on_grid[kept] > 0), score[good][kept].clamp(0, 1).cpu().numpy())

    def _best(self, found: Sequence[_Found], grid: GridShape) -> Detections:
        """Return the masks of a frame whose boxes no better one overlaps too much, best first."""
        masks = Masks.concatenate([each.masks for each in found], grid)
        score = np.concatenate([each.score for each in found])
        box = bounding_boxes(masks)
        kept = nms(torch.tensor(box - _LAST_PIXEL), torch.tensor(score), self.config.box_nms_thresh).numpy()
        return Detections(masks=masks[kept], box_xyxy=box[kept], score=score[kept])


def grid_points(per_side: int) -> Float32[np.ndarray, "n 2"]:
    """Return the middles of `per_side` x `per_side` equal cells of the unit square, row by row, as (x, y)."""
    middle = ((np.arange(per_side, dtype=np.float32) + np.float32(0.5)) / np.float32(per_side)).astype(np.float32)
    x, y = np.meshgrid(middle, middle)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def is_stable(logits: Float[torch.Tensor, "m h w"], threshold: float) -> Bool[torch.Tensor, " m"]:
    """Tell which masks hardly change when the mask threshold is raised and lowered: IoU above `threshold`.

    A mask that is empty either way is not stable.
    """
    smaller, larger = ((logits > offset).sum((-2, -1)) for offset in (_OFFSET, -_OFFSET))
    return smaller / larger > threshold  # 0 / 0 is not
