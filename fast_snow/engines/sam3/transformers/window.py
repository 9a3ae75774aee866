"""Trackers of the SAM family in transformers: objects are carried one after the other through a window."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final

import numpy as np
import torch

from fast_snow.config import Sam3Config, VideoTrackerConfig
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.features import KeptFeatures, state_waits_on_host
from fast_snow.engines.sam3.images import network_images
from fast_snow.engines.sam3.opening import opened_tracker
from fast_snow.engines.sam3.session import Absences, FrameMasks, Started
from fast_snow.engines.sam3.transformers.masklets import FeatureCache, Masklets, ObjectLogits
from fast_snow.engines.sam3.transformers.network import Architecture, TransformersNetwork, load
from fast_snow.engines.torch_runtime import devices, mask_runs, memory
from fast_snow.protocols import Progress, Tracker, silent
from fast_snow.types import Frames, GridShape, Masks
from fast_snow.weights import on_disk

_MASKS_AT_ONCE: Final = 32
"""Masks that are brought to the analysis grid together: bounds what they take while they are dense."""
_BY_FRAME: Final = attrgetter("frame")
_ADVICE: Final = "choose --{}.features host (or recompute), a smaller --window.length or --runtime.device cpu"


def open_architecture(
    architecture: Architecture,
    config: VideoTrackerConfig,
    *,
    device: str,
    patience: int | None = None,
    progress: Progress = silent,
) -> AbstractContextManager[Tracker]:
    """Open a tracker, as `opened_tracker` does; the memory of EdgeTAM's objects is small and stays on the device.

    Raises:
        ConfigError: no such device, or `model_path` holds no such network or damaged files.
    """

    def network(place: torch.device) -> TransformersNetwork:
        precision = devices.precision(config.precision, place)
        return TransformersNetwork(
            architecture=architecture,
            module=load(architecture, on_disk(config.model_path), place, precision),
            device=place,
            precision=precision,
            state_on_host=isinstance(config, Sam3Config) and state_waits_on_host(config.offload_state_to_cpu, place),
        )

    return opened_tracker(network, TransformersWindow, config, device=device, patience=patience, progress=progress)


class TransformersWindow:
    """The frames of a session and what is computed of them."""

    def __init__(
        self,
        network: TransformersNetwork,
        config: VideoTrackerConfig,
        patience: int | None,
        progress: Progress,
        frames: Frames,
        grid: GridShape,
    ) -> None:
        self._network, self._config, self._progress = network, config, progress
        self._images = network_images(
            frames.image,
            side=network.side,
            device=network.device,
            on_host=config.offload_video_to_cpu,
            normalization=network.architecture.normalization,
        )
        self._features = FeatureCache(KeptFeatures(config.features, frames=len(frames), device=network.device))
        self._grid = grid
        self._absences = partial(Absences, config.score_threshold_detection, patience)

    def follow(self, objects: Sequence[Started]) -> Sequence[Sequence[FrameMasks]]:
        """Carry objects through the window, as many at once as fit."""
        return in_smaller_pieces(
            partial(self._follow, sorted(objects, key=_BY_FRAME)),
            min(self._config.object_batch or len(objects), len(objects)),
            what=f"{self._network.architecture.name}: objects at once",
            advice=_ADVICE.format(self._config.section),
        )

    def close(self) -> None:
        """Free the features; the tracker may stay open, and other libraries want the memory."""
        self._features.clear_all()
        if self._network.device.type == "cuda":
            memory.release(self._network.device)

    def _follow(self, objects: Sequence[Started], at_once: int) -> list[list[FrameMasks]]:
        """Carry objects through the window, so many at once, all that are at once frame by frame together."""
        pieces = [objects[i : i + at_once] for i in range(0, len(objects), at_once)]
        total, done = sum(len(list(self._order(each))) for each in pieces), 0
        found: list[list[FrameMasks]] = [[] for _ in range(len(self._images))]
        for piece in pieces:
            masklets = [
                Masklets(self._network, self._images, self._features, list(begun), self._grid)
                for _, begun in groupby(piece, key=_BY_FRAME)
            ]
            directions = {False: self._absences(), True: self._absences()}
            for t, reverse in self._order(piece):
                absences = directions[reverse]
                taking_part = [each for each in masklets if (t < each.start) == reverse and not _gone(each, absences)]
                if taking_part:
                    seen = self._on_grid([each.step(t, reverse=reverse) for each in taking_part])
                    absences.note(seen)
                    found[t].append(seen)
                done += 1
                self._progress(self._network.architecture.name, done, total)
        return found

    def _order(self, objects: Sequence[Started]) -> Iterator[tuple[int, bool]]:
        """Yield frames, and whether time runs backward: from the first prompt to the end, from the last to the start.

        An object takes part from its own prompt on in either direction; its prompt's frame belongs to the first.
        """
        yield from ((t, False) for t in range(objects[0].frame, len(self._images)))
        yield from ((t, True) for t in reversed(range(objects[-1].frame)))

    def _on_grid(self, answers: Sequence[ObjectLogits]) -> FrameMasks:
        logits = torch.cat([each.logits for each in answers])
        score = torch.cat([each.logit for each in answers]).float().sigmoid()
        masks = [mask_runs.encode_logits(each, self._grid) for each in torch.split(logits, _MASKS_AT_ONCE)]
        return FrameMasks(
            np.concatenate([each.local_id for each in answers]),
            Masks.concatenate(masks, self._grid),
            score.cpu().numpy(),
        )


def _gone(masklets: Masklets, absences: Absences) -> bool:
    """Tell whether all objects of one prompt frame are gone: transformers carries them together."""
    return all(absences.gone(each) for each in masklets.local_id.tolist())
