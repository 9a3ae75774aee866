"""Image features where transformers caches them, in its own terms, with what it does not have."""

from collections.abc import Mapping, Sequence

import torch

from fast_snow.engines.sam3.features import KeptFeatures

Features = Mapping[str, Sequence[torch.Tensor]]
"""As transformers names them: `vision_feats`, finest first, and `vision_pos_embeds`."""


class FeatureCache:
    """Kept features behind the methods of transformers' cache.

    Position codes are alike in all frames: one is kept, of the coarsest level, the only one that tracking reads.
    """

    def __init__(self, kept: KeptFeatures) -> None:
        self._kept = kept
        self._position: list[torch.Tensor] = []

    def get_vision_features(self, frame_idx: int) -> Features | None:
        """Return the features of a frame on the device, or None where they must be computed."""
        levels = self._kept.of(frame_idx)
        return None if levels is None else {"vision_feats": levels, "vision_pos_embeds": self._position}

    def cache_vision_features(self, frame_idx: int, features: Features) -> None:
        """Keep the features of a frame that were just computed."""
        if not self._position:
            self._position = [features["vision_pos_embeds"][-1].clone()]
        self._kept.keep(frame_idx, list(features["vision_feats"]))

    def clear_all(self) -> None:
        """Free all of it."""
        self._kept.clear()
        self._position = []
