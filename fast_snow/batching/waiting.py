"""Requests that wait for a worker: bounded, and what failed goes to another worker than the one it failed on."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition

from fast_snow.batching.messages import Packed


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """A request.

    Attributes:
        request: as the folding process sent it.
        answer: takes the reply.
        wanted: whether somebody still waits for the reply.
        retried: told when it is tried again.
        failed_on: the workers that it failed on.
    """

    request: Packed
    answer: Callable[[Packed], None]
    wanted: Callable[[], bool]
    retried: Callable[[], None]
    failed_on: list[int] = field(default_factory=list)


class WaitingRequests:
    """Hands each request to one of several workers."""

    def __init__(self, most: int, num_workers: int) -> None:
        self._most, self._present = most, set(range(num_workers))
        self._changed = Condition()
        self._requests: deque[Waiting] = deque()
        self._failed: list[Waiting] = []
        self._closed = False

    def put(self, request: Waiting) -> None:
        """Add a request; waits while there are as many as may wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._requests) < self._most)
            self._requests.append(request)
            self._changed.notify_all()

    def put_back(self, request: Waiting, worker: int) -> None:
        """Add a request that failed on a worker, before all others."""
        with self._changed:
            request.failed_on.append(worker)
            self._failed.append(request)
            self._changed.notify_all()

    def take(self, worker: int) -> Waiting | None:
        """Return the next request for a worker, as soon as there is one; None once all are closed."""
        with self._changed:
            while not self._closed:
                request = self._next(worker)
                if request is not None:
                    self._changed.notify_all()
                    return request
                self._changed.wait()
        return None

    def note(self, worker: int, *, present: bool) -> None:
        """Note whether a worker can take requests: what failed waits for no other one."""
        with self._changed:
            (self._present.add if present else self._present.discard)(worker)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self, worker: int) -> Waiting | None:
        self._failed = [each for each in self._failed if each.wanted()]
        for request in self._failed:
            if worker in request.failed_on and not self._present.issubset(request.failed_on):
                continue  # another worker will take it
            self._failed.remove(request)
            return request
        while self._requests:
            request = self._requests.popleft()
            if request.wanted():
                return request
        return None
