"""Requests that wait for a worker: bounded, and what failed goes to another worker than the one it failed on."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from fast_snow.batching.messages import Reply, Request


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waiting:
    """A request.

    Attributes:
        video: its name.
        request: as the folding process sent it.
        reply: that of a worker; cancelled where nobody waits for it any more.
        failed_on: the workers that it failed on.
    """

    video: str
    request: Request
    reply: "Future[Reply]" = field(default_factory=Future)
    failed_on: set[int] = field(default_factory=set)


class WaitingRequests:
    """Hands each request to one of several workers."""

    def __init__(self, most: int, num_workers: int) -> None:
        self._most, self._present = most, set(range(num_workers))
        self._changed = Condition()
        self._requests: list[Waiting] = []
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
            request.failed_on.add(worker)
            self._requests.insert(0, request)
            self._changed.notify_all()

    def take(self, worker: int) -> Waiting | None:
        """Return the next request for a worker, as soon as there is one; None once all are closed."""
        with self._changed:
            while not self._closed:
                wanted = [each for each in self._requests if not each.reply.cancelled()]
                fitting = (each for each in wanted if worker not in each.failed_on or self._present <= each.failed_on)
                request = next(fitting, None)
                if request is not None:
                    wanted.remove(request)
                if len(wanted) < len(self._requests):
                    self._requests = wanted
                    self._changed.notify_all()
                if request is not None:
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
