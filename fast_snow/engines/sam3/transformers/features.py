"""Image features of a window's frames: computed once, used by all objects and by both passes."""

from collections.abc import Mapping, Sequence
from typing import Final

import torch

from fast_snow.config import FeatureStore
from fast_snow.engines.torch_runtime import memory

Features = Mapping[str, Sequence[torch.Tensor]]
"""As transformers names them: `vision_feats`, finest first, and `vision_pos_embeds`."""

_SHARE: Final = 0.5
"""Of the free memory of a device, how much features may take before they wait in host memory."""


class FeatureStorage:
    """Stands where transformers caches features, in its own terms, with what it does not have.

    Features wait on the device, in pinned host memory, or are computed again; the frame in work is on the device
    always, so that its objects share one transfer. Position codes are alike in all frames: one is kept, of the
    coarsest level, which is the only one that tracking reads.
    """

    def __init__(self, store: FeatureStore, *, frames: int, device: torch.device) -> None:
        self._store = store
        self._frames = frames
        self._device = device
        self._waiting: dict[int, list[torch.Tensor]] = {}
        self._position: list[torch.Tensor] = []
        self._in_work: tuple[int, Features] | None = None

    def get_vision_features(self, frame_idx: int) -> Features | None:
        """Return the features of a frame on the device, or None where they must be computed."""
        if self._in_work is not None and self._in_work[0] == frame_idx:
            return self._in_work[1]
        self._in_work = None  # before the next frame takes its place
        if frame_idx not in self._waiting:
            return None
        levels = [each.to(self._device, non_blocking=True) for each in self._waiting[frame_idx]]
        return self._work_on(frame_idx, levels)

    def cache_vision_features(self, frame_idx: int, features: Features) -> None:
        """Keep the features of a frame that were just computed."""
        levels = list(features["vision_feats"])
        if not self._position:
            self._position = [features["vision_pos_embeds"][-1].clone()]
        if self._store == "auto":
            self._store = self._roomiest(levels)
        if self._store != "recompute":
            where = self._device if self._store == "device" else torch.device("cpu")
            self._waiting[frame_idx] = [each.to(where, non_blocking=True) for each in levels]
        self._work_on(frame_idx, levels)

    def clear_all(self) -> None:
        """Free all of it."""
        self._waiting.clear()
        self._position = []
        self._in_work = None

    def _work_on(self, frame: int, levels: list[torch.Tensor]) -> Features:
        features = {"vision_feats": levels, "vision_pos_embeds": self._position}
        self._in_work = (frame, features)
        return features

    def _roomiest(self, levels: Sequence[torch.Tensor]) -> FeatureStore:
        free = memory.free_bytes(self._device)
        needed = self._frames * sum(each.nbytes for each in levels)
        return "device" if free is None or needed <= _SHARE * free else "host"
