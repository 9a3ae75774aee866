"""When Numba compiles kernels, in the first run on a machine alone, and for how long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from numba.core.event import Event, Listener, install_listener


class CompileWatch(Listener):
    """Seconds for which the compiler worked.

    Numba reports a compilation where its cache does not hold the function, wherever that cache is, and compiles one
    function at a time, with those that it calls inside of it.
    """

    def __init__(self, began: Callable[[], object]) -> None:
        self.seconds = 0.0
        self._began = began
        self._started: list[float] = []

    def on_start(self, event: Event) -> None:  # noqa: ARG002 (Numba's signature)
        """Tell of the first compilation."""
        if not self._started and not self.seconds:
            self._began()
        self._started.append(perf_counter())

    def on_end(self, event: Event) -> None:  # noqa: ARG002
        """Add the time of a compilation that is not inside of another one."""
        started = self._started.pop()
        if not self._started:
            self.seconds += perf_counter() - started


@contextmanager
def watched_compilation(began: Callable[[], object] = lambda: None) -> Iterator[CompileWatch]:
    """Watch for kernels that are compiled while the block runs.

    Args:
        began: called once, when the first compilation begins, on the thread that waits for it.

    Yields:
        What counts the seconds.
    """
    with install_listener("numba:compile", CompileWatch(began)) as watch:
        yield watch
