"""The run: order, a bounded queue, and how failures and interruptions end it."""

import threading
from collections.abc import Iterator

import pytest

from fast_snow.config import Config
from fast_snow.graph import FoldState, fold, start
from fast_snow.pipeline import Pipeline, run
from fast_snow.protocols import Progress
from fast_snow.types import Perception, Window
from tests.building import frames, perception, tracked

CONFIG = Config()


def windows(count: int) -> Iterator[Window]:
    for index in range(count):
        yield Window(index=index, frames=frames(2, first=2 * index), shared=0)


def perceive(window: Window, progress: Progress) -> Perception:
    progress("geometry", 1, 1)
    return perception([tracked((2 * window.index, 0, (2, 2, 12, 12)))] * 2, window=window.index, first=2 * window.index)


def pipeline(**stages: object) -> Pipeline:
    usual = {
        "perceive": perceive,
        "picture": lambda _: (),
        "fold": lambda state, seen: fold(state, seen, config=CONFIG),
        "start": start(CONFIG),
    }
    return Pipeline(**(usual | stages))


def fold_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("fold")]


def test_steps_come_in_order_and_the_graph_grows():
    steps = list(run(pipeline(), windows(5)))
    assert [step.window for step in steps] == [0, 1, 2, 3, 4]
    assert [step.state.graph.num_frames for step in steps] == [2, 4, 6, 8, 10]
    assert all(step.seconds.fold > 0 for step in steps)
    assert fold_threads() == []


def test_the_fold_works_beside_the_engines():
    """The first fold ends only after the second window is being perceived."""
    second_began = threading.Event()

    def watched(window: Window, progress: Progress) -> Perception:
        if window.index == 1:
            second_began.set()
        return perceive(window, progress)

    def waits(state: FoldState, seen: Perception) -> FoldState:
        assert second_began.wait(timeout=30)
        return fold(state, seen, config=CONFIG)

    assert len(list(run(pipeline(perceive=watched, fold=waits), windows(3)))) == 3


@pytest.mark.parametrize("queue_length", [1, 3])
def test_the_queue_is_bounded(queue_length: int):
    """A window is read only once at most `queue_length` perceived ones wait."""
    folded: list[int] = []
    ahead: list[int] = []

    def watched_windows() -> Iterator[Window]:
        for window in windows(8):
            ahead.append(window.index - len(folded))
            yield window

    def slow(state: FoldState, seen: Perception) -> FoldState:
        for _ in range(3):
            grown = fold(state, seen, config=CONFIG)
        folded.append(seen.window)
        return grown

    assert len(list(run(pipeline(fold=slow, queue_length=queue_length), watched_windows()))) == 8
    assert max(ahead) <= queue_length + 1


def test_an_engine_failure_ends_the_run_with_its_error():
    def breaks(window: Window, progress: Progress) -> Perception:
        if window.index == 2:
            raise RuntimeError("engine on fire")
        return perceive(window, progress)

    with pytest.raises(RuntimeError, match="engine on fire"):
        list(run(pipeline(perceive=breaks), windows(9)))
    assert fold_threads() == []


def test_a_fold_failure_stops_the_engines_at_their_next_report():
    failed = threading.Event()
    reports: list[int] = []

    def breaks(state: FoldState, seen: Perception) -> FoldState:
        failed.set()
        raise RuntimeError("fold on fire")

    def long_work(window: Window, progress: Progress) -> Perception:
        if window.index == 1:
            assert failed.wait(timeout=30)
            for done in range(100_000):
                reports.append(done)
                progress("geometry", done, 100_000)
        return perceive(window, progress)

    with pytest.raises(RuntimeError, match="fold on fire"):
        list(run(pipeline(perceive=long_work, fold=breaks), windows(3)))
    assert len(reports) < 100_000
    assert fold_threads() == []


def test_a_caller_that_stops_early_leaves_no_thread():
    steps = run(pipeline(), windows(100))
    next(steps)
    steps.close()
    assert fold_threads() == []


def test_a_dropped_run_may_be_collected_by_its_own_fold():
    suspended = threading.Event()
    ended: list[Exception | None] = []

    def collects(state: FoldState, seen: Perception) -> FoldState:
        if seen.window == 1:
            assert suspended.wait(timeout=30)
            try:
                steps.close()  # as the garbage collector does, on any thread
                ended.append(None)
            except RuntimeError as error:
                ended.append(error)
        return fold(state, seen, config=CONFIG)

    steps = run(pipeline(fold=collects), windows(3))
    next(steps)
    (worker,) = fold_threads()
    suspended.set()
    worker.join(timeout=30)
    assert ended == [None]
    assert fold_threads() == []


def test_an_interruption_leaves_no_thread():
    def interrupted(window: Window, progress: Progress) -> Perception:
        if window.index == 1:
            raise KeyboardInterrupt
        return perceive(window, progress)

    with pytest.raises(KeyboardInterrupt):
        list(run(pipeline(perceive=interrupted), windows(9)))
    assert fold_threads() == []


def test_no_windows():
    assert list(run(pipeline(), windows(0))) == []
