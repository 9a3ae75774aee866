"""A tracking session: objects are added, then carried through the whole window; features serve all passes."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int32

from fast_snow.config import Sam3Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.prompting import as_kind
from fast_snow.engines.sam3.tracked import tracked_frame
from fast_snow.engines.sam3.transformers.features import FeatureStorage
from fast_snow.engines.sam3.transformers.images import NetworkImages, network_images
from fast_snow.engines.sam3.transformers.masklets import Answer, Masklets, Network, Started
from fast_snow.engines.torch_runtime import mask_runs, memory
from fast_snow.errors import EngineError, InputError
from fast_snow.protocols import Progress
from fast_snow.types import Frames, GridShape, MaskPrompt, Masks, Prompt, TrackedFrame

_MASKS_AT_ONCE: Final = 32
"""Masks that are brought to the analysis grid together: bounds what they take while they are dense."""
_ADVICE: Final = "choose --sam3.features host (or recompute), a smaller --window.length or --runtime.device cpu"


class _Work(NamedTuple):
    """What a session computes with, until it is closed."""

    network: Network
    images: NetworkImages
    features: FeatureStorage


class _Seen(NamedTuple):
    """Objects in one frame, as runs."""

    local_id: Int32[np.ndarray, " m"]
    masks: Masks
    score: Float32[np.ndarray, " m"]


class TransformersSession:
    """The objects of one window; masks of different objects may overlap."""

    def __init__(
        self, network: Network, frames: Frames, grid: GridShape, *, config: Sam3Config, progress: Progress
    ) -> None:
        device = network.device
        on_host = config.offload_video_to_cpu
        self._work: _Work | None = _Work(
            network,
            network_images(frames.image, side=network.side, device=device, on_host=on_host),
            FeatureStorage(config.features, frames=len(frames), device=device),
        )
        self._length = len(frames)
        self._grid = grid
        self._config = config
        self._progress = progress
        self._pending: list[Started] = []
        self._added = 0
        self._runs = 0

    def add(self, prompts: Sequence[Prompt]) -> None:
        """Queue one new object per prompt; a mask becomes the kind of prompt that the coming pass starts from."""
        self._opened()
        kind = self._config.first_prompt if self._runs == 0 else self._config.discovery_prompt
        for prompt in prompts:
            if self._shows_something(prompt):
                self._pending.append(Started(self._added, as_kind(prompt, kind)))
            self._added += 1

    def propagate(self) -> Sequence[TrackedFrame]:
        """Return, per frame, the masklets of the objects added since the last call; they own their buffers.

        Raises:
            EngineError: not even one object fits into memory, or the session was closed.
        """
        work = self._opened()
        run, self._runs = self._runs, self._runs + 1
        objects, self._pending = self._pending, []
        seen: list[list[_Seen]] = [[] for _ in range(self._length)]
        if objects:
            seen = in_smaller_pieces(
                partial(self._follow, work, sorted(objects, key=_frame)),
                min(self._config.object_batch or len(objects), len(objects)),
                what="SAM3: objects at once",
                advice=_ADVICE,
            )
        return [self._tracked(each, run) for each in seen]

    def close(self) -> None:
        """Free what the session holds; it cannot be used any more."""
        if self._work is not None:
            work, self._work = self._work, None
            self._pending = []
            work.features.clear_all()
            if work.network.device.type == "cuda":  # the tracker may stay open; other libraries want the memory
                memory.release(work.network.device)

    def _opened(self) -> _Work:
        if self._work is None:
            raise EngineError("SAM3: the tracking session was used after it was closed; start another")
        return self._work

    def _shows_something(self, prompt: Prompt) -> bool:
        if not 0 <= prompt.frame < self._length:
            raise InputError(f"prompt: got frame {prompt.frame}, expected 0 to {self._length - 1} in this window")
        if not isinstance(prompt, MaskPrompt):
            return True
        if prompt.mask.shape != self._grid or len(prompt.mask) != 1:
            raise InputError(
                f"prompt: got {len(prompt.mask)} masks on a grid of {prompt.mask.shape}, expected one on {self._grid}"
            )
        return len(prompt.mask.start) > 0

    def _follow(self, work: _Work, objects: Sequence[Started], at_once: int) -> list[list[_Seen]]:
        """Carry objects through the window, so many at once, all that are at once frame by frame together."""
        pieces = [objects[i : i + at_once] for i in range(0, len(objects), at_once)]
        total, done = sum(len(list(self._order(each))) for each in pieces), 0
        seen: list[list[_Seen]] = [[] for _ in range(self._length)]
        for piece in pieces:
            masklets = [
                Masklets(work.network, work.images, work.features, list(begun), self._grid)
                for _, begun in groupby(piece, key=_frame)
            ]
            for t, reverse in self._order(piece):
                taking_part = [each for each in masklets if (t < each.start) == reverse]
                seen[t].append(self._on_grid([each.step(t, reverse=reverse) for each in taking_part]))
                done += 1
                self._progress("SAM3", done, total)
        return seen

    def _order(self, objects: Sequence[Started]) -> Iterator[tuple[int, bool]]:
        """Yield frames, and whether time runs backward: from the first prompt to the end, from the last to the start.

        An object takes part from its own prompt on in either direction; its prompt's frame belongs to the first.
        """
        yield from ((t, False) for t in range(_frame(objects[0]), self._length))
        yield from ((t, True) for t in reversed(range(_frame(objects[-1]))))

    def _on_grid(self, answers: Sequence[Answer]) -> _Seen:
        logits = torch.cat([each.logits for each in answers])
        score = torch.cat([each.logit for each in answers]).float().sigmoid()
        masks = [mask_runs.encode_logits(each, self._grid) for each in torch.split(logits, _MASKS_AT_ONCE)]
        return _Seen(
            np.concatenate([each.local_id for each in answers]),
            Masks.concatenate(masks, self._grid),
            score.cpu().numpy(),
        )

    def _tracked(self, seen: Sequence[_Seen], run: int) -> TrackedFrame:
        return tracked_frame(
            run,
            np.concatenate([np.empty(0, np.int32), *(each.local_id for each in seen)]),
            Masks.concatenate([each.masks for each in seen], self._grid),
            np.concatenate([np.empty(0, np.float32), *(each.score for each in seen)]),
            self._config.score_threshold_detection,
        )


def _frame(started: Started) -> int:
    return started.prompt.frame
