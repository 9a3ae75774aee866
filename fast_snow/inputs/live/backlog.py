"""The frames that wait between the thread that reads a live input and the run: bounded, thinned out when it is full."""

from collections.abc import Callable, Iterator
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")
_POLL_S = 0.1
"""A consumer looks so often whether it was stopped: a signal handler must not take the lock to tell it."""


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
