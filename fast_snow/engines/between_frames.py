"""A tracker that sees only every n-th frame of a window; masks in between are carried by optical flow.

A mask between two frames that were tracked is the mean of both masks, each fetched along the flow and weighted by how
far the flow can be trusted and by how near its frame is. A prompt between them is carried to the nearest of them.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int, UInt8

from fast_snow.engines.classical.flow import consistency, flow_between, gray, workers
from fast_snow.engines.classical.flow_trust import trust
from fast_snow.engines.classical.warping import fetch, pixel_grid
from fast_snow.errors import InputError
from fast_snow.kernels.colours import to_lab
from fast_snow.kernels.masks import decode, encode
from fast_snow.protocols import OpenTracker, Tracker, TrackingSession
from fast_snow.types import BoxPrompt, Frames, GridShape, MaskPrompt, PointPrompt, Prompt, TrackedFrame

_COLOUR_ERROR = 25.0  # L*a*b* levels, summed over the channels, by which trust falls to 1/e
_LEAST_TRUST = 1e-3  # where no flow can be trusted, the nearer frame decides


@contextmanager
def open_sparse_tracker(open_tracker: OpenTracker, every: int, *, threads: int) -> Iterator[Tracker]:
    """Open a tracker for one frame of `every` so many, and for the last; it answers for all frames."""
    with workers(threads) as pool, open_tracker() as tracker:
        yield _SparseTracker(tracker, every, pool)


class _SparseTracker:
    """Starts sessions over every n-th frame."""

    def __init__(self, tracker: Tracker, every: int, pool: Executor) -> None:
        self._tracker, self._every, self._pool = tracker, every, pool

    def start(self, frames: Frames, grid: GridShape) -> TrackingSession:
        tracked = np.unique([*range(0, len(frames), self._every), len(frames) - 1])
        ways = _Ways(gray(frames.image, grid), list(self._pool.map(lambda image: to_lab(image, grid), frames.image)))
        return _Session(self._tracker.start(frames[tracked], grid), tracked, ways, self._pool)


class _Way(NamedTuple):
    """Where the pixels of one frame are in another: `(du, dv)` in pixels, and the trust in it, in [0, 1]."""

    flow: Float16[np.ndarray, "h w 2"]
    trust: Float16[np.ndarray, "h w"]

    def fetched(self, mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
        """Return a mask of the other frame as this frame has it."""
        where = pixel_grid(*mask.shape) + self.flow.astype(np.float32)
        return fetch(mask.astype(np.float32), where, outside=0.0)


class _Ways:
    """Flow between frames of a window, computed when first asked for."""

    def __init__(self, grays: UInt8[np.ndarray, "n h w"], lab: Sequence[UInt8[np.ndarray, "h w 3"]]) -> None:
        self._gray, self._lab = grays, lab
        self._known: dict[tuple[int, int], _Way] = {}
        self.grid: GridShape = (grays.shape[1], grays.shape[2])

    def __len__(self) -> int:
        return len(self._gray)

    def between(self, frame: int, other: int) -> _Way:
        """Return the way from one frame to another."""
        if (frame, other) not in self._known:
            there, back = (flow_between(self._gray[a], self._gray[b]) for a, b in ((frame, other), (other, frame)))
            sure = trust(consistency(there, back), there, self._lab[frame], self._lab[other], _COLOUR_ERROR)
            self._known[frame, other] = _Way(there.astype(np.float16), sure.astype(np.float16))
        return self._known[frame, other]


class _Session:
    """Objects that another session tracks in some frames, in all frames."""

    def __init__(self, inner: TrackingSession, tracked: Int[np.ndarray, " k"], ways: _Ways, pool: Executor) -> None:
        self._inner, self._tracked, self._ways, self._pool = inner, tracked, ways, pool

    def add(self, prompts: Sequence[Prompt]) -> None:
        for each in prompts:
            if not 0 <= each.frame < len(self._ways):
                raise InputError(f"prompt: got frame {each.frame}, expected 0 to {len(self._ways) - 1} in this window")
        self._inner.add([self._at_tracked_frame(each) for each in prompts])

    def propagate(self) -> Sequence[TrackedFrame]:
        found = dict(zip(self._tracked.tolist(), self._inner.propagate(), strict=True))
        pairs = list(zip(self._tracked.tolist(), self._tracked[1:].tolist(), strict=False))
        missing = [(a, frame, b) for a, b in pairs for frame in range(a + 1, b)]
        between = self._pool.map(lambda each: _between(found[each[0]], found[each[2]], self._ways, each), missing)
        found |= {frame: each for (_, frame, _), each in zip(missing, between, strict=True)}
        return [found[frame] for frame in range(len(self._ways))]

    def close(self) -> None:
        self._inner.close()

    def _at_tracked_frame(self, prompt: Prompt) -> Prompt:
        """Carry a prompt to the nearest frame that is tracked, or to the second nearest where it left the image."""
        order = np.argsort(np.abs(self._tracked - prompt.frame), kind="stable")[:2].tolist()
        for i in order:
            moved = replace(_moved(prompt, int(self._tracked[i]), self._ways), frame=i)
            if not isinstance(moved, MaskPrompt) or len(moved.mask.start):
                break
        return moved


def _moved(prompt: Prompt, frame: int, ways: _Ways) -> Prompt:
    if frame == prompt.frame:
        return prompt
    if isinstance(prompt, MaskPrompt):
        inside = ways.between(frame, prompt.frame).fetched(decode(prompt.mask)[0]) > 0.5
        return replace(prompt, mask=encode(inside[None]))
    uv = prompt.uv if isinstance(prompt, PointPrompt) else prompt.box_xyxy.reshape(2, 2).mean(axis=0)
    u, v = np.clip(np.rint(uv).astype(int), 0, np.array(ways.grid[::-1]) - 1)
    shift = ways.between(prompt.frame, frame).flow[v, u].astype(np.float32)
    if isinstance(prompt, BoxPrompt):
        return replace(prompt, box_xyxy=prompt.box_xyxy + np.tile(shift, 2))
    return replace(prompt, uv=prompt.uv + shift)


class _Part(NamedTuple):
    """What one of two tracked frames says of an object in a frame between them."""

    inside: Float32[np.ndarray, "h w"]
    weight: Float32[np.ndarray, "h w"]
    score: float
    nearness: float


def _between(before: TrackedFrame, after: TrackedFrame, ways: _Ways, frames: tuple[int, int, int]) -> TrackedFrame:
    """Return the masklets of a frame between two: those of both, and what only one of them has up to the middle."""
    first, frame, last = frames
    parts: dict[tuple[int, int], list[_Part]] = {}
    for known, at, far in ((before, first, last), (after, last, first)):
        if not len(known):
            continue  # no flow is computed for nothing
        way, nearness = ways.between(frame, at), abs(far - frame) / (last - first)
        weight = np.float32(nearness) * (_LEAST_TRUST + way.trust.astype(np.float32))
        for name, mask, score in zip(known.names, decode(known.masks), known.score.tolist(), strict=True):
            parts.setdefault(name, []).append(_Part(way.fetched(mask), weight, score, nearness))
    seen = {name: each for name, each in sorted(parts.items()) if sum(part.nearness for part in each) >= 0.5}
    inside = [
        sum(part.inside * part.weight for part in each) > 0.5 * sum(part.weight for part in each)
        for each in seen.values()
    ]
    score = [sum(p.score * p.nearness for p in each) / sum(p.nearness for p in each) for each in seen.values()]
    run_id, local_id = np.array([*seen], np.int32).reshape(-1, 2).T
    masks = encode(np.array(inside, np.bool_).reshape(-1, *ways.grid))
    found = TrackedFrame(run_id=run_id, local_id=local_id, masks=masks, score=np.array(score, np.float32))
    return found[np.diff(masks.offset) > 0]
