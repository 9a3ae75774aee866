"""SAM2 as an image predictor: masks from points, the image encoded once. Returned masks own their buffers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torchvision.transforms.v2 import InterpolationMode, functional
from transformers import Sam2Model

from fast_snow.config import Precision
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.torch_runtime import devices, mask_runs, memory, transformers_folder
from fast_snow.engines.torch_runtime.transformers_folder import Expected
from fast_snow.errors import EngineError
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.types import Detections, GridShape, Masks

_EXPECTED: Final = Expected(
    setting="snow.model_path",
    network="SAM2",
    kinds=("sam2", "sam2_video"),  # the image model, or the video model as published, which holds it
    remedy="run fast-snow fetch-models sam2",
)

_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)
"""ImageNet's, of levels in [0, 1]."""
_CLOSED: Final = "SAM2: used after it was closed; open it again"


@contextmanager
def open_masks(folder: Path, *, device: str, precision: Precision, prompts_at_once: int) -> Iterator["_Predictor"]:
    """Load SAM2; leaving frees its memory.

    Args:
        folder: of its weights.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: of its arithmetic.
        prompts_at_once: how many masks it is asked for at once.

    Yields:
        What looks at an image and then answers for points in it: one mask for each set of points, without a choice of
        several, because more than one point says what is meant.

    Raises:
        ConfigError: no such device, or the folder holds no such network or damaged files.
    """
    place = devices.choose_device(device)
    network = _load(folder, place)
    predictor = _Predictor(network, place, devices.precision(precision, place), prompts_at_once)
    del network
    try:
        yield predictor
    finally:
        predictor.close()
        memory.release(place)


class _Predictor:
    """Looks at images, one at a time."""

    def __init__(self, network: Any, device: torch.device, precision: torch.dtype, at_once: int) -> None:  # noqa: ANN401
        self._network: Any = network
        self._device, self._precision, self._at_once = device, precision, at_once
        self._looking: _Image | None = None

    def __call__(self, image: UInt8[np.ndarray, "height width 3"], grid: GridShape) -> "_Image":
        """Encode an image; what answers for points in it holds until the next image."""
        if self._network is None:
            raise EngineError(_CLOSED)
        self._forget()
        with torch.inference_mode(), self.autocast():
            embeddings = self._network.get_image_embeddings(self._pixels(image))
        self._looking = _Image(self, embeddings, grid, self._at_once)
        return self._looking

    @property
    def side(self) -> int:
        """Height and width of the network's input in pixels."""
        return int(self._network.config.prompt_encoder_config.image_size)

    def close(self) -> None:
        self._forget()
        self._network = None

    def autocast(self) -> torch.autocast:
        """Return the context in which the network computes."""
        half = self._precision != torch.float32
        return torch.autocast(self._device.type, dtype=self._precision if half else None, enabled=half)

    def answer(
        self, embeddings: Sequence[torch.Tensor], points: Float32[torch.Tensor, "k p 2"]
    ) -> tuple[Float[torch.Tensor, "k h w"], Float[torch.Tensor, " k"]]:
        """Return coarse mask logits and predicted IoUs for points in pixels of the network's input."""
        with torch.inference_mode(), self.autocast():
            output = self._network(
                image_embeddings=list(embeddings),
                input_points=points.to(self._device)[None],
                input_labels=torch.ones(points.shape[:2], dtype=torch.int64, device=self._device)[None],
                multimask_output=False,
            )
        return output.pred_masks[0, :, 0], output.iou_scores[0, :, 0]

    def _forget(self) -> None:
        if self._looking is not None:
            self._looking.close()
        self._looking = None

    def _pixels(self, image: UInt8[np.ndarray, "height width 3"]) -> Float32[torch.Tensor, "1 3 side side"]:
        levels = torch.tensor(image, device=self._device).permute(2, 0, 1)
        square = functional.resize(
            levels, [self.side, self.side], interpolation=InterpolationMode.BILINEAR, antialias=True
        )
        mean, std = (torch.tensor(each, device=self._device)[:, None, None] * 255 for each in (_MEAN, _STD))
        return ((square.float() - mean) / std)[None]


class _Image:
    """An encoded image, asked by points."""

    def __init__(
        self, predictor: _Predictor, embeddings: Sequence[torch.Tensor], grid: GridShape, at_once: int
    ) -> None:
        self._predictor = predictor
        self._embeddings: Sequence[torch.Tensor] | None = embeddings
        self._grid, self._at_once = grid, at_once

    def __call__(self, points: Float32[np.ndarray, "k points 2"]) -> Detections:
        """Return one mask on the analysis grid for each set of points; its score is the IoU that SAM2 predicts."""
        if self._embeddings is None:
            raise EngineError(_CLOSED)
        embeddings, side = self._embeddings, self._predictor.side
        scale = np.array([side / self._grid[1], side / self._grid[0]], np.float32)
        scaled = torch.tensor(points * scale)

        def ask(size: int) -> list[Detections]:
            return [self._ask(embeddings, scaled[i : i + size]) for i in range(0, len(scaled), size)]

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
        self._embeddings = None

    def _ask(self, embeddings: Sequence[torch.Tensor], points: Float32[torch.Tensor, "k p 2"]) -> Detections:
        logits, score = self._predictor.answer(embeddings, points)
        masks = mask_runs.encode_logits(logits, self._grid)
        return Detections(masks=masks, box_xyxy=bounding_boxes(masks), score=score.float().clamp(0, 1).cpu().numpy())


def _load(folder: Path, device: torch.device) -> Any:  # noqa: ANN401 (transformers is not typed)
    """Load the image model.

    Args:
        folder: `config.json` and `model.safetensors`, of the image model or of the video model that holds it.
        device: where it will compute.

    Returns:
        transformers' `Sam2Model` in evaluation mode, fp32.

    Raises:
        ConfigError: the folder holds no such network, or files that are damaged or do not belong together.
    """
    return transformers_folder.load_folder(Sam2Model, folder, _EXPECTED).to(device)
