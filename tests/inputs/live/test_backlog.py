"""What a run that is too slow does not see: bounded, in order, counted, and spread evenly."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.inputs.live.playing import Backlog


def never() -> bool:
    return False


@given(st.integers(2, 12), st.lists(st.integers(0, 6), max_size=120), st.integers(0, 2**32))
def test_order_is_kept_drops_are_counted_and_the_backlog_is_bounded(size: int, steps: list[int], choices: int):
    """Numbers go in with growing times; at each step some are taken."""
    backlog, taken, number, largest = Backlog[int](size), list[int](), 0, 0
    stream = backlog.take(never)
    for step in steps:
        for _ in range(step):
            backlog.put(float(number), number)
            number += 1
        waiting = number - backlog.dropped - len(taken)
        largest = max(largest, waiting)
        for _ in range(choices % (waiting + 1)):
            taken.append(next(stream))
    backlog.end()
    taken += stream
    assert largest <= size
    assert taken == sorted(set(taken))
    assert len(taken) + backlog.dropped == number
    assert taken[-1:] == ([number - 1] if number else [])
    assert backlog.dropped == 0 or number > size


@given(st.integers(2, 40), st.integers(1, 200))
def test_what_waits_covers_all_of_the_time_evenly(size: int, count: int):
    backlog = Backlog[int](size)
    for number in range(count):
        backlog.put(number / 10, number)
    backlog.end()
    kept = list(backlog.take(never))
    assert len(kept) == min(size, count)
    assert (kept[0], kept[-1]) == (0, count - 1)
    gaps = [b - a for a, b in pairwise(kept)]
    assert max(gaps, default=1) <= max(1, 2 * count / (size - 1))


def test_nothing_is_dropped_where_the_run_keeps_pace():
    backlog = Backlog[int](2)
    stream = backlog.take(never)
    for number in range(50):
        backlog.put(number / 10, number)
        assert next(stream) == number
    assert backlog.dropped == 0


def test_an_error_of_the_reader_follows_the_frames_before_it():
    backlog = Backlog[int](3)
    backlog.put(0.0, 0)
    backlog.end(ValueError("broken"))
    stream = backlog.take(never)
    assert next(stream) == 0
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_a_consumer_that_waits_notices_that_it_was_stopped():
    """Stopping sets a flag only, as a signal handler does."""
    backlog, flag = Backlog[int](3), threading.Event()
    taken: list[int] = []
    consumer = threading.Thread(target=lambda: taken.extend(backlog.take(flag.is_set)))
    consumer.start()
    backlog.put(0.0, 7)
    flag.set()
    consumer.join(timeout=30)
    assert not consumer.is_alive()
    assert taken == [7]
