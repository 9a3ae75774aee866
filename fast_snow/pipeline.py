"""A frozen composition of stages, and the run that drives it.

The engines work on the calling thread, window after window; the fold works on one thread beside them and never gets
more than a few windows behind. A failure in either stops both with the original error.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import current_thread
from time import perf_counter
from typing import Final, Protocol, runtime_checkable

from fast_snow.graph import FoldState
from fast_snow.keyframes import KeyframeImage, with_depth
from fast_snow.protocols import Progress, silent
from fast_snow.types import Perception, StageSeconds, Window

_FOLD: Final = "fold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The stages of a run.

    Attributes:
        perceive: engines; window in, perception out.
        picture: encodes the window's keyframes, so that its images can be freed.
        fold: pure; grows the graph by one perception.
        start: the graph before the first window.
        conf_thresh: depth of less confidence is not kept beside keyframes.
        queue_length: how many perceived windows may wait for folding; with 0, each is folded before the next is read.
    """

    perceive: Callable[[Window, Progress], Perception]
    picture: Callable[[Window], tuple[KeyframeImage, ...]]
    fold: Callable[[FoldState, Perception], FoldState]
    start: FoldState
    conf_thresh: float = 0.5
    queue_length: int = 1


@runtime_checkable
class Detour(Protocol):
    """Lets others than this process perceive windows."""

    def attached(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with another `perceive`."""
        ...

    def ahead(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Yield the windows; may read some ahead of the fold."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """The graph after one more window.

    Attributes:
        window: index of the window.
        state: the graph, and the masks of the frames that were added.
        keyframes: the images of the keyframes that were added.
        seconds: wall time of the stages for this window.
    """

    window: int
    state: FoldState
    keyframes: tuple[KeyframeImage, ...]
    seconds: StageSeconds


def run(pipeline: Pipeline, windows: Iterable[Window], *, progress: Progress = silent) -> Generator[Step, None, None]:
    """Drive a pipeline over windows in order, read as they are needed, and yield the graph after each.

    Yields:
        One step per window, in order.

    Raises:
        Exception: whatever the first stage to fail raised. No thread is left behind, also where the caller stops early.
    """
    pending: deque[Future[Step]] = deque()
    last: Future[Step] | None = None

    def watch(what: str, done: int, total: int) -> None:
        if last is not None and last.done():
            last.result()  # raises what stopped the fold
        progress(what, done, total)

    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=_FOLD)
    try:
        for window, decode_s in _timed(windows):
            perception = pipeline.perceive(window, watch)
            last = worker.submit(_advance, pipeline, last, perception, pipeline.picture(window), decode_s)
            pending.append(last)
            del window, perception  # the next one is decoded while nothing holds this one
            while pending and (len(pending) > pipeline.queue_length or pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # A generator that was dropped in a cycle is closed by whichever thread collects it, maybe by the fold itself.
        worker.shutdown(wait=not current_thread().name.startswith(_FOLD), cancel_futures=True)


def _timed(windows: Iterable[Window]) -> Iterator[tuple[Window, float]]:
    """Pair each window with the seconds it took to read."""
    began = perf_counter()
    for window in windows:
        yield window, perf_counter() - began
        began = perf_counter()


def _advance(
    pipeline: Pipeline,
    previous: Future[Step] | None,
    perception: Perception,
    keyframes: tuple[KeyframeImage, ...],
    decode_s: float,
) -> Step:
    """Fold one perception onto the state that the previous step left."""
    state = pipeline.start if previous is None else previous.result().state
    known = len(state.graph.keyframes)
    began = perf_counter()
    state = pipeline.fold(state, perception)
    added = state.graph.keyframes[known:]
    keyframes = with_depth(keyframes, added, perception, state.joints, pipeline.conf_thresh)
    seconds = replace(perception.seconds, decode=decode_s, fold=perf_counter() - began)
    return Step(window=perception.window, state=state, keyframes=keyframes, seconds=seconds)
