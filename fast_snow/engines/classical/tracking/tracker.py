"""Tracks prompted objects through a window by optical flow and by their looks, without weights.

Returned masks own their buffers. Each object is carried by itself: masks of different objects may overlap.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.config import ClassicalTrackerConfig
from fast_snow.engines.classical.flow import consistency, workers
from fast_snow.engines.classical.flow_trust import trust
from fast_snow.engines.classical.neighbour_flow import FlowStore, NeighbourFlow
from fast_snow.engines.classical.tracking.evidence import RULES, CarryRules
from fast_snow.engines.classical.tracking.in_sight import InSight, in_full, kept_in_sight, nothing_in_sight
from fast_snow.engines.classical.tracking.lost_objects import PATIENCE, Lost, Others, look_for
from fast_snow.engines.classical.tracking.mask_propagation import Carried, Step, begin, carry, overlap
from fast_snow.engines.classical.tracking.object_model import View, view_of
from fast_snow.engines.classical.tracking.prompting import prompted_mask
from fast_snow.errors import InputError
from fast_snow.kernels.colours import to_lab
from fast_snow.kernels.masks import encode
from fast_snow.protocols import Progress, Tracker, TrackingSession, silent
from fast_snow.types import Frames, GridShape, Masks, Prompt, TrackedFrame

_COLOUR_ERROR = 25.0  # L*a*b* levels, summed over the channels
_LEAST_TRUST = 0.1
_FULL_TRUST = 255
_SAME = 0.5  # IoU of a prompt with an object that was carried to it


@contextmanager
def open_tracker(
    config: ClassicalTrackerConfig,
    *,
    seed: int,
    threads: int,
    flows: FlowStore | None = None,
    patience: int = PATIENCE,
    progress: Progress = silent,
    rules: CarryRules = RULES,
) -> Iterator[Tracker]:
    """Open the classical tracker.

    Args:
        config: its parameters.
        seed: of the random sampling in estimating objects' motion.
        threads: how many frames or objects are worked on at once; 0 takes one per core.
        flows: what the engines of a run share; None for one of its own.
        patience: frames for which a lost object is looked for, at most `lost_objects.PATIENCE`.
        progress: told how many frames are done.
        rules: what common motion counts.

    Yields:
        The tracker.
    """
    with workers(threads) as pool:
        yield _ClassicalTracker(
            _Work(config, seed, pool, flows or FlowStore(seed), min(patience, PATIENCE), progress, rules)
        )


class _Work(NamedTuple):
    """How the tracker works."""

    config: ClassicalTrackerConfig
    seed: int
    pool: Executor
    flows: FlowStore
    patience: int
    progress: Progress
    rules: CarryRules


@dataclass(frozen=True, slots=True)
class _ClassicalTracker:
    work: _Work

    def start(self, frames: Frames, grid: GridShape) -> TrackingSession:
        lab = list(self.work.pool.map(lambda image: to_lab(image, grid), frames.image))
        return _Session(self.work, lab, frames, grid)


class _Flows(NamedTuple):
    """Flow between two neighbouring frames and the trust in it, small enough to keep for a whole window.

    Attributes:
        between: the flow.
        forward_trust: in the flow to the next frame, from 0 to `_FULL_TRUST`.
        backward_trust: in the flow from the next frame.
    """

    between: NeighbourFlow
    forward_trust: UInt8[np.ndarray, "h w"]
    backward_trust: UInt8[np.ndarray, "h w"]

    def step(self, before: View, view: View, rules: CarryRules, *, reverse: bool) -> Step:
        """Return the motion in the direction of propagation, from one frame to the next one."""
        forward, backward = self.between.both()
        forward_trust, backward_trust = (
            each * np.float32(1 / _FULL_TRUST) for each in (self.forward_trust, self.backward_trust)
        )
        if reverse:
            return Step(backward, forward, backward_trust, forward_trust, before, view, rules)
        return Step(forward, backward, forward_trust, backward_trust, before, view, rules)


class _Started(NamedTuple):
    local_id: int
    prompt: Prompt


class _Seen(NamedTuple):
    """Objects in one frame."""

    local_id: list[int]
    masks: Masks
    score: list[float]


class _Session:
    """The objects of one window; flow is computed once, at the first propagation."""

    def __init__(self, work: _Work, lab: Sequence[UInt8[np.ndarray, "h w 3"]], frames: Frames, grid: GridShape) -> None:
        self._work = work
        self._lab = lab
        self._frames = frames
        self._grid = grid
        self._flows: Sequence[_Flows] | None = None
        self._pending: list[_Started] = []
        self._added = 0
        self._runs = 0
        self._views: dict[int, View] = {}

    def add(self, prompts: Sequence[Prompt]) -> None:
        for prompt in prompts:
            if not 0 <= prompt.frame < len(self._lab):
                raise InputError(f"prompt: got frame {prompt.frame}, expected 0 to {len(self._lab) - 1} in this window")
            self._pending.append(_Started(self._added, prompt))
            self._added += 1

    def propagate(self) -> Sequence[TrackedFrame]:
        run, self._runs = self._runs, self._runs + 1
        objects, self._pending = self._pending, []
        seen: list[list[_Seen]] = [[] for _ in self._lab]
        if objects:
            if self._flows is None:
                between = self._work.flows(self._frames, self._grid, self._work.pool)
                self._flows = list(self._work.pool.map(self._flows_after, range(len(between)), between))
            repeats = self._sweep(objects, self._flows, seen, reverse=False)
            self._sweep([each for each in objects if each.local_id not in repeats], self._flows, seen, reverse=True)
        return [_tracked(each, run, self._grid) for each in seen]

    def close(self) -> None:
        self._flows = None
        self._views = {}
        self._pending = []

    def _flows_after(self, a: int, between: NeighbourFlow) -> _Flows:
        b, (forward, backward) = a + 1, between.both()
        both = (
            trust(consistency(forward, backward), forward, self._lab[a], self._lab[b], _COLOUR_ERROR),
            trust(consistency(backward, forward), backward, self._lab[b], self._lab[a], _COLOUR_ERROR),
        )
        trusts = (_LEAST_TRUST + (1 - _LEAST_TRUST) * each for each in both)
        return _Flows(between, *(np.rint(_FULL_TRUST * each).astype(np.uint8) for each in trusts))

    def _sweep(
        self, objects: Sequence[_Started], flows: Sequence[_Flows], seen: list[list[_Seen]], *, reverse: bool
    ) -> set[int]:
        """Carry all objects from their prompts to one end of the window; adds to what is seen in each frame.

        Returns:
            The objects left out because their prompt shows one that was carried there from an earlier frame.
        """
        active: dict[int, Carried | Lost] = {}
        repeats: set[int] = set()
        in_sight = nothing_in_sight(self._grid)
        order, direction = range(len(self._lab)), "backward" if reverse else "forward"
        for done, frame in enumerate(reversed(order) if reverse else order):
            if active:
                before = frame + 1 if reverse else frame - 1
                flow = flows[min(frame, before)]
                step = flow.step(self._view(before), self._view(frame), self._work.rules, reverse=reverse)
                in_sight = kept_in_sight(in_sight, step.back, step.back_trust)
                active = self._carried(active, step._replace(moves=self._moves(frame)), in_sight, frame)
            if not reverse:  # a prompt's own frame belongs to the forward sweep
                begun = self._begun(objects, frame)
                repeats |= {i for i, state in begun.items() if _repeats(state, active.values())}
                active |= {i: state for i, state in begun.items() if i not in repeats}
            seen[frame].append(_seen(active, self._grid))
            if reverse:
                active |= self._begun(objects, frame)
            self._work.progress(f"track: pass {self._runs}, {direction}", done + 1, len(order))
        return repeats

    def _view(self, frame: int) -> View:
        """Return what a frame looks like; the last few are kept."""
        if frame not in self._views:
            self._views = {i: view for i, view in self._views.items() if abs(i - frame) <= 1}
            self._views[frame] = view_of(self._lab[frame])
        return self._views[frame]

    def _moves(self, frame: int) -> Float32[np.ndarray, "h w"] | None:
        """Return how clearly each pixel moves by itself, where the segmenter told."""
        moves = self._work.flows.moves(self._frames)
        return None if moves is None else cv2.resize(moves[frame], self._grid[::-1], interpolation=cv2.INTER_LINEAR)

    def _begun(self, objects: Sequence[_Started], frame: int) -> dict[int, Carried | Lost]:
        prompted = [each for each in objects if each.prompt.frame == frame]
        if not prompted:
            return {}
        view, lab = self._view(frame), self._lab[frame]
        begun = self._work.pool.map(lambda each: begin(prompted_mask(each.prompt, lab), view), prompted)
        return {each.local_id: state for each, state in zip(prompted, begun, strict=True) if state is not None}

    def _carried(
        self, active: dict[int, Carried | Lost], step: Step, in_sight: InSight, frame: int
    ) -> dict[int, Carried | Lost]:
        least, seed, patience = self._work.config.min_resemblance, self._work.seed, self._work.patience

        def carry_one(local_id: int) -> Carried | None:
            state = active[local_id]
            if isinstance(state, Lost):
                return None
            return carry(state, step, min_resemblance=least, rng=np.random.default_rng([seed, frame, local_id]))

        def look_for_one(local_id: int) -> Carried | Lost | None:
            state = active[local_id]
            lost = Lost(state, 0) if isinstance(state, Carried) else state
            rng = np.random.default_rng([seed, frame, local_id])
            return look_for(lost, step, others, patience=patience, min_resemblance=least, rng=rng)

        carried: dict[int, Carried | Lost | None] = dict(
            zip(active, self._work.pool.map(carry_one, active), strict=True)
        )
        missing = [i for i, state in carried.items() if state is None]
        if not missing:
            return {i: state for i, state in carried.items() if state is not None}
        claims = np.zeros(self._grid, np.float32)
        for state in carried.values():
            if isinstance(state, Carried):
                held = np.where(state.soft > 0.5, state.model.own[step.view.fine[state.window]], 0.0)
                claims[state.window] = np.maximum(claims[state.window], held)
        others = Others(claims, in_full(in_sight, self._grid))
        carried |= zip(missing, self._work.pool.map(look_for_one, missing), strict=True)
        return {i: state for i, state in carried.items() if state is not None}


def _repeats(state: Carried | Lost, active: Iterable[Carried | Lost]) -> bool:
    others = (other for other in active if isinstance(other, Carried))
    return isinstance(state, Carried) and any(overlap(state, other) > _SAME for other in others)


def _seen(active: dict[int, Carried | Lost], grid: GridShape) -> _Seen:
    followed = {i: state for i, state in active.items() if isinstance(state, Carried)}
    dense = np.zeros((len(followed), *grid), np.bool_)
    for mask, state in zip(dense, followed.values(), strict=True):
        mask[state.window] = state.soft > 0.5
    return _Seen(list(followed), encode(dense), [state.score for state in followed.values()])


def _tracked(seen: Sequence[_Seen], run: int, grid: GridShape) -> TrackedFrame:
    local_id = np.array([i for each in seen for i in each.local_id], np.int32)
    order = np.argsort(local_id)
    score = np.array([s for each in seen for s in each.score], np.float32)
    return TrackedFrame(
        run_id=np.full(len(order), run, np.int32),
        local_id=local_id[order],
        masks=Masks.concatenate([each.masks for each in seen], grid)[order],
        score=score[order],
    )
