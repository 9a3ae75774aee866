"""An input read by a thread of its own, so that it never waits for the engines; the frames that wait are bounded."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from threading import Condition, Thread
from typing import Generic, TypeVar

from fast_snow.config import LiveConfig, WindowConfig
from fast_snow.errors import InputError
from fast_snow.inputs.live.state import Ending, Live
from fast_snow.inputs.sampled import Input, SampledFrame

Item = TypeVar("Item")
_POLL_S = 0.1
"""A consumer looks so often whether it was stopped: a signal handler must not take the lock to tell it."""
_JOIN_S = 1.0
"""A reader that waits for the network or a pipe is left behind after so long; it ends with its source."""
_NEW_PER_WINDOW = WindowConfig().length - WindowConfig().overlap


class Backlog(Generic[Item]):
    """A bounded queue for one producer and one consumer.

    Where it is full, the waiting frame goes whose absence leaves the shortest gap in time, the earlier of equals; the
    first and the newest stay. So a run that is too slow sees all of the time at a lower rate, not a part of it at the
    full rate.

    Attributes:
        dropped: how many were left out.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: list[tuple[float, Item]] = []
        self._changed = Condition()
        self._ended = False
        self._error: BaseException | None = None
        self.dropped = 0

    def put(self, time_s: float, item: Item) -> None:
        """Add a frame; never waits."""
        with self._changed:
            self._waiting.append((time_s, item))
            if len(self._waiting) > self._size:
                times = [time for time, _ in self._waiting]
                del self._waiting[least_missed(times)]
                self.dropped += 1
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """Tell the consumer that nothing more comes, and why if that is an error."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self, stopped: Callable[[], bool]) -> Iterator[Item]:
        """Yield frames as they come, and after the end, or once `stopped`, those that still wait.

        Raises:
            BaseException: what ended the producer, after the frames before it.
        """
        while True:
            with self._changed:
                while not (self._waiting or self._ended or stopped()):
                    self._changed.wait(_POLL_S)
                if not self._waiting:
                    break
                item = self._waiting.pop(0)[1]
            yield item
        if self._error is not None and not stopped():
            raise self._error


def least_missed(times: list[float]) -> int:
    """Return the index of the time whose absence leaves the shortest gap, neither the first nor the last."""
    return min(range(1, len(times) - 1), key=lambda i: times[i + 1] - times[i - 1])


def play(source: Input, live: Live, config: LiveConfig, *, paced: bool = False) -> Input:
    """Return an input that a thread reads as it comes, whether the run takes its frames or not.

    Where it is `paced`, every frame is held back until its time, as a camera would.
    """
    size = config.max_waiting or _NEW_PER_WINDOW
    return replace(source, live=live, read=partial(_played, source, live, size, paced=paced))


def _played(source: Input, live: Live, size: int, *, paced: bool) -> Iterator[SampledFrame]:
    if live.stopped:
        raise InputError(f"{source.name}: was read already or stopped; expected a new one: open it again")
    backlog = Backlog[tuple[float, SampledFrame]](size)
    reader = Thread(target=_fill, args=(backlog, source.read, live, paced), name="reader", daemon=True)
    reader.start()
    try:
        for arrived_s, frame in backlog.take(lambda: live.stopped):
            live.taken(arrived_s)
            live.dropped = backlog.dropped
            yield frame
        if live.stopped:
            live.ending = Ending.STOPPED
        live.dropped = backlog.dropped
    finally:
        live.stopped = True
        reader.join(_JOIN_S)


def _fill(
    backlog: Backlog[tuple[float, SampledFrame]], read: Callable[[], Iterator[SampledFrame]], live: Live, paced: bool
) -> None:
    began_s = live.clock()
    try:
        for frame in read():
            if paced:
                live.read = max(live.read, frame.source_frame + 1)
                live.pause(began_s + frame.time_s - live.clock())
            if live.stopped:
                break
            # What waits is bounded by its number: the frames between would multiply it.
            backlog.put(frame.time_s, (live.clock(), replace(frame, between=tuple)))
        backlog.end()
    except BaseException as error:  # noqa: BLE001 (raised again where the frames are taken)
        backlog.end(error)
