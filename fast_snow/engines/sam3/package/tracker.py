"""SAM3's tracker through the package `sam3`: objects in batches, later ones beside those that are already tracked.

Returned masks own their buffers. Each propagation touches only the objects added since the last one; image features are
computed once per frame and shared by all of them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from fast_snow.config import Sam3Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.package import model
from fast_snow.engines.sam3.package.features import FeaturePlace, Features
from fast_snow.engines.sam3.package.network import TrackingNetwork
from fast_snow.engines.sam3.package.propagation import Carried, Scene, Started, carry
from fast_snow.engines.sam3.prompting import as_kind
from fast_snow.engines.sam3.tracked import tracked_frame
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.errors import EngineError, InputError
from fast_snow.protocols import Progress, Tracker, TrackingSession, silent
from fast_snow.types import Frames, GridShape, MaskPrompt, Masks, Prompt, TrackedFrame

_OBJECT_BYTES = 400 << 20  # an upper estimate at full size: keys and values of the memory, decoder, memory encoder
_FULL_SIDE = 1008
_LARGEST_BATCH = 64  # more at once is no faster
_BATCH_WITHOUT_GPU = 16
_ADVICE = "close other programs on it, or set --sam3.features recompute or a smaller --sam3.object-batch"


@contextmanager
def open_tracker(config: Sam3Config, *, device: str, progress: Progress = silent) -> Iterator[Tracker]:
    """Open SAM3's tracker with its trained weights.

    Args:
        config: its parameters.
        device: where torch computes: `auto`, `cpu`, `cuda` or `cuda:N`.
        progress: told how many frames are done, all batches of objects together.

    Yields:
        The tracker.

    Raises:
        ConfigError: no such device, or there are no weights.
        InputError: the weights are damaged or of another network.
    """
    on = devices.choose(device)
    tracker = model.load(config.model_path, on)
    try:
        with serving(TrackingNetwork(tracker, on, devices.precision(config.precision, on)), config, progress) as opened:
            del tracker
            yield opened
    finally:
        memory.release(on)


@contextmanager
def serving(network: TrackingNetwork, config: Sam3Config, progress: Progress = silent) -> Iterator[Tracker]:
    """Track with a network that is at hand; leaving closes the sessions that are still open.

    Args:
        network: the network.
        config: everything but the weights.
        progress: told how many frames are done.

    Yields:
        The tracker.
    """
    tracker = _PackageTracker(_Work(network, config, progress))
    try:
        yield tracker
    finally:
        tracker.close()


class _Work(NamedTuple):
    """How the tracker works."""

    network: TrackingNetwork
    config: Sam3Config
    progress: Progress


class _PackageTracker:
    def __init__(self, work: _Work) -> None:
        self._work: _Work | None = work
        self._sessions: list[_Session] = []

    def start(self, frames: Frames, grid: GridShape) -> TrackingSession:
        if self._work is None:
            raise EngineError("SAM3: this tracker is closed; open it again with open_tracker")
        session = _Session(self._work, frames, grid)
        self._sessions.append(session)
        return session

    def close(self) -> None:
        for each in self._sessions:
            each.close()
        self._sessions.clear()
        self._work = None


class _Session:
    """The objects of one window."""

    def __init__(self, work: _Work, frames: Frames, grid: GridShape) -> None:
        network, config = work.network, work.config
        place = FeaturePlace(device=network.device, store=config.features, frames_on_host=config.offload_video_to_cpu)
        features = Features(frames.image, network.encode, side=network.side, place=place)
        self._config, self._progress = config, work.progress
        self._scene: Scene | None = Scene(network, features, grid, config.offload_state_to_cpu)
        self._largest_batch = config.object_batch
        self._pending: list[Started] = []
        self._added = 0
        self._runs = 0

    def add(self, prompts: Sequence[Prompt]) -> None:
        frames = len(self._open().features)
        kind = self._config.first_prompt if self._runs == 0 else self._config.discovery_prompt
        for prompt in prompts:
            if not 0 <= prompt.frame < frames:
                raise InputError(f"prompt: got frame {prompt.frame}, expected 0 to {frames - 1} in this window")
            if not isinstance(prompt, MaskPrompt) or len(prompt.mask.start):  # an empty mask shows nothing to follow
                self._pending.append(Started(self._added, as_kind(prompt, kind)))
            self._added += 1

    def propagate(self) -> Sequence[TrackedFrame]:
        scene = self._open()
        run, self._runs = self._runs, self._runs + 1
        objects, self._pending = self._pending, []
        seen: list[list[Carried]] = [[] for _ in range(len(scene.features))]
        for each in self._carried(scene, objects) if objects else []:
            seen[each.frame].append(each)
        return [self._tracked(run, carried, scene.grid) for carried in seen]

    def close(self) -> None:
        if self._scene is not None:
            device = self._scene.network.device
            self._scene.features.close()
            self._scene = None
            self._pending = []
            memory.release(device)

    def _open(self) -> Scene:
        if self._scene is None:
            raise EngineError("SAM3: this session is closed; start another one")
        return self._scene

    def _carried(self, scene: Scene, objects: Sequence[Started]) -> Sequence[Carried]:
        by_frame: dict[int, list[Started]] = defaultdict(list)
        for each in objects:
            by_frame[each.prompt.frame].append(each)
        meter = _Meter(self._progress, len(objects), len(scene.features))
        carried: list[Carried] = []
        with scene.network.computing():
            for _, together in sorted(by_frame.items()):
                carried += self._fitting(scene, together, meter)
                meter.settle()
        return carried

    def _fitting(self, scene: Scene, objects: Sequence[Started], meter: "_Meter") -> Sequence[Carried]:
        most = min(len(objects), self._largest_batch or _that_fit(scene.network))

        def attempt(batch: int) -> Sequence[Carried]:
            meter.again()
            carried = carry(scene, objects, batch=batch, tick=meter.tick)
            if batch < most:
                self._largest_batch = batch  # objects of the next prompt frame fit no better
            return carried

        return in_smaller_pieces(attempt, most, what="SAM3: objects per batch", advice=_ADVICE)

    def _tracked(self, run: int, carried: Sequence[Carried], grid: GridShape) -> TrackedFrame:
        return tracked_frame(
            run,
            np.concatenate([np.zeros(0, np.int32), *(each.local_id for each in carried)]),
            Masks.concatenate([each.masks for each in carried], grid),
            np.concatenate([np.zeros(0, np.float32), *(each.score for each in carried)]),
            self._config.score_threshold_detection,
        )


class _Meter:
    """Counts frames, an object's share of a frame at a time."""

    def __init__(self, progress: Progress, objects: int, frames: int) -> None:
        self._progress, self._objects, self._frames = progress, objects, frames
        self._settled = 0
        self._current = 0

    def tick(self, objects: int) -> None:
        self._current += objects
        self._progress("SAM3", (self._settled + self._current) // self._objects, self._frames)

    def again(self) -> None:
        self._current = 0

    def settle(self) -> None:
        self._settled += self._current
        self._current = 0


def _that_fit(network: TrackingNetwork) -> int:
    free = memory.free_bytes(network.device)
    if free is None:
        return _BATCH_WITHOUT_GPU
    per_object = max(1, round(_OBJECT_BYTES * (network.side / _FULL_SIDE) ** 2))
    return max(1, min(_LARGEST_BATCH, free // (2 * per_object)))
