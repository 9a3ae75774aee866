"""SAM2 as an image predictor: masks from points, the image encoded once. Returned masks own their buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from fast_snow.config import Precision
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam2.network import Embeddings, ImageNetwork, load
from fast_snow.engines.torch_runtime import mask_runs, memory
from fast_snow.errors import EngineError
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.types import Detections, GridShape, Masks

_CLOSED: Final = "SAM2: used after it was closed; open it again"


@contextmanager
def open_masks(folder: Path, *, device: str, precision: Precision, prompts_at_once: int) -> Iterator["_Predictor"]:
    """Load SAM2; leaving frees its memory.

    Yields:
        What looks at an image and then answers for points in it: one mask for each set of points, without a choice of
        several, because more than one point says what is meant.

    Raises:
        ConfigError: no such device, or the folder holds no such network or damaged files.
    """
    network = load(folder, setting="snow.model_path", device=device, precision=precision)
    place = network.device
    predictor = _Predictor(network, prompts_at_once)
    del network
    try:
        yield predictor
    finally:
        predictor.close()
        memory.release(place)


class _Predictor:
    """Looks at images, one at a time."""

    def __init__(self, network: ImageNetwork, at_once: int) -> None:
        self._network: ImageNetwork | None = network
        self._at_once = at_once
        self._looking: _Image | None = None

    def __call__(self, image: UInt8[np.ndarray, "height width 3"], grid: GridShape) -> "_Image":
        """Encode an image; what answers for points in it holds until the next image."""
        if self._network is None:
            raise EngineError(_CLOSED)
        self._forget()
        self._looking = _Image(self._network, self._network.encode(image), grid, self._at_once)
        return self._looking

    def close(self) -> None:
        self._forget()
        self._network = None

    def _forget(self) -> None:
        if self._looking is not None:
            self._looking.close()
        self._looking = None


class _Image:
    """An encoded image, asked by points."""

    def __init__(self, network: ImageNetwork, embeddings: Embeddings, grid: GridShape, at_once: int) -> None:
        self._encoded: tuple[ImageNetwork, Embeddings] | None = (network, embeddings)
        self._grid, self._at_once = grid, at_once

    def __call__(self, points: Float32[np.ndarray, "k points 2"]) -> Detections:
        """Return one mask on the analysis grid for each set of points; its score is the IoU that SAM2 predicts."""
        if self._encoded is None:
            raise EngineError(_CLOSED)
        network, embeddings = self._encoded
        scale = np.array([network.side / self._grid[1], network.side / self._grid[0]], np.float32)
        scaled = torch.tensor(points * scale)

        def ask(size: int) -> list[Detections]:
            return [self._ask(network, embeddings, scaled[i : i + size]) for i in range(0, len(scaled), size)]

        pieces = in_smaller_pieces(
            ask, self._at_once, what="SAM2: prompts at once", advice="set snow.masks to classical, or use the CPU"
        )
        masks = Masks.concatenate([each.masks for each in pieces], self._grid)
        return Detections(
            masks=masks,
            box_xyxy=bounding_boxes(masks),
            score=np.concatenate([np.zeros(0, np.float32), *(each.score for each in pieces)]),
        )

    def close(self) -> None:
        self._encoded = None

    def _ask(self, network: ImageNetwork, embeddings: Embeddings, points: Float32[torch.Tensor, "k p 2"]) -> Detections:
        logits, score = network.answer(embeddings, points, several=False)
        masks = mask_runs.encode_logits(logits[:, 0], self._grid)
        score = score[:, 0].float().clamp(0, 1)
        return Detections(masks=masks, box_xyxy=bounding_boxes(masks), score=score.cpu().numpy())
