"""Tracking sessions of SAM3 and its kin: objects are queued, carried through a window and reported."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable
from weakref import WeakSet

import numpy as np
from jaxtyping import Bool, Float32, Int32

from fast_snow.config import VideoTrackerConfig
from fast_snow.engines.sam3.prompting import as_kind
from fast_snow.errors import EngineError, InputError
from fast_snow.protocols import Tracker, TrackingSession
from fast_snow.types import Frames, GridShape, MaskPrompt, Masks, Prompt, TrackedFrame


class Started(NamedTuple):
    """An object and what starts it."""

    local_id: int
    prompt: Prompt

    @property
    def frame(self) -> int:
        """The frame of the prompt."""
        return self.prompt.frame


class FrameMasks(NamedTuple):
    """Objects in one frame, by their numbers in the session: masks on the analysis grid, possibly empty, and scores."""

    local_id: Int32[np.ndarray, " m"]
    masks: Masks
    score: Float32[np.ndarray, " m"]


def visible(found: FrameMasks, threshold: float) -> Bool[np.ndarray, " m"]:
    """Tell which objects are seen: not empty, and with a score of at least `threshold`."""
    return (np.diff(found.masks.offset) > 0) & (found.score >= threshold)


class Absences:
    """Counts, while objects are carried in one direction, how many frames in a row each was not seen."""

    def __init__(self, threshold: float, patience: int | None) -> None:
        self._threshold, self._patience = threshold, patience
        self._missed: dict[int, int] = {}

    def note(self, found: FrameMasks) -> None:
        """Take note of the next frame."""
        for local_id, is_seen in zip(found.local_id.tolist(), visible(found, self._threshold), strict=True):
            self._missed[local_id] = 0 if is_seen else self._missed.get(local_id, 0) + 1

    def gone(self, local_id: int) -> bool:
        """Tell whether an object has been away for longer than it could come back as itself."""
        return self._patience is not None and self._missed.get(local_id, 0) >= self._patience


@runtime_checkable
class FollowedWindow(Protocol):
    """A window of frames in which a network follows objects; image features serve all calls."""

    def follow(self, objects: Sequence[Started]) -> Sequence[Sequence[FrameMasks]]:
        """Return, per frame, all that is found of at least one object, in any number of pieces."""
        ...

    def close(self) -> None:
        """Free what the window holds."""
        ...


OpenWindow = Callable[[Frames, GridShape], FollowedWindow]


@contextmanager
def tracking(open_window: OpenWindow, config: VideoTrackerConfig) -> Iterator[Tracker]:
    """Track with a network that is at hand; leaving closes its sessions, whoever still holds them."""
    tracker = _Tracker(open_window, config)
    del open_window
    try:
        yield tracker
    finally:
        tracker.close()


class _Tracker:
    """Starts sessions, any number at a time."""

    def __init__(self, open_window: OpenWindow, config: VideoTrackerConfig) -> None:
        self._open_window: OpenWindow | None = open_window
        self._config = config
        self._sessions: WeakSet[_Session] = WeakSet()

    def start(self, frames: Frames, grid: GridShape) -> TrackingSession:
        if self._open_window is None:
            raise EngineError("the tracker was used after it was closed; open another")
        session = _Session(self._open_window(frames, grid), self._config, len(frames), grid)
        self._sessions.add(session)
        return session

    def close(self) -> None:
        self._open_window = None
        for session in list(self._sessions):
            session.close()


class _Session:
    """The objects of one window; masks of different objects may overlap."""

    def __init__(self, window: FollowedWindow, config: VideoTrackerConfig, length: int, grid: GridShape) -> None:
        self._window: FollowedWindow | None = window
        self._config, self._length, self._grid = config, length, grid
        self._pending: list[Started] = []
        self._added = 0
        self._runs = 0

    def add(self, prompts: Sequence[Prompt]) -> None:
        self._opened()
        kind = self._config.first_prompt if self._runs == 0 else self._config.discovery_prompt
        for prompt in prompts:
            if self._shows_something(prompt):
                self._pending.append(Started(self._added, as_kind(prompt, kind)))
            self._added += 1

    def propagate(self) -> Sequence[TrackedFrame]:
        window = self._opened()
        run, self._runs = self._runs, self._runs + 1
        objects, self._pending = self._pending, []
        found = window.follow(objects) if objects else [()] * self._length
        threshold = self._config.score_threshold_detection
        return [tracked_frame(run, each, self._grid, threshold) for each in found]

    def close(self) -> None:
        window, self._window = self._window, None
        self._pending = []
        if window is not None:
            window.close()

    def _opened(self) -> FollowedWindow:
        if self._window is None:
            raise EngineError("the tracking session was used after it was closed; start another")
        return self._window

    def _shows_something(self, prompt: Prompt) -> bool:
        if not 0 <= prompt.frame < self._length:
            raise InputError(f"prompt: got frame {prompt.frame}, expected 0 to {self._length - 1} in this window")
        if not isinstance(prompt, MaskPrompt):
            return True
        if prompt.mask.shape != self._grid or len(prompt.mask) != 1:
            raise InputError(
                f"prompt: got {len(prompt.mask)} masks on a grid of {prompt.mask.shape}, expected one on {self._grid}"
            )
        return len(prompt.mask.start) > 0  # an empty mask shows nothing to follow


def tracked_frame(run_id: int, found: Sequence[FrameMasks], grid: GridShape, threshold: float) -> TrackedFrame:
    """Keep the masklets of a frame that are not empty and score at least the threshold, by ascending number."""
    local_id = np.concatenate([np.zeros(0, np.int32), *(each.local_id for each in found)])
    masks = Masks.concatenate([each.masks for each in found], grid)
    score = np.concatenate([np.zeros(0, np.float32), *(each.score for each in found)])
    kept = np.flatnonzero(visible(FrameMasks(local_id, masks, score), threshold))
    kept = kept[np.argsort(local_id[kept], kind="stable")]
    return TrackedFrame(
        run_id=np.full(len(kept), run_id, np.int32), local_id=local_id[kept], masks=masks[kept], score=score[kept]
    )
