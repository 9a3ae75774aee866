"""Which engines stay loaded between the phases and windows of a run."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from fast_snow.perception import EngineOpeners

Engine = TypeVar("Engine")


@contextmanager
def resident(engines: EngineOpeners) -> Iterator[EngineOpeners]:
    """Keep engines open from their first use until the block is left, the last opened first.

    Args:
        engines: how to open each engine; opened anew for every window, they would load their weights every time.

    Yields:
        Openers that open once.
    """
    with ExitStack() as stack:
        yield EngineOpeners(
            geometry=opened_once(engines.geometry, stack),
            segmenter=opened_once(engines.segmenter, stack),
            tracker=opened_once(engines.tracker, stack),
            metric_depth=None if engines.metric_depth is None else opened_once(engines.metric_depth, stack),
        )


def opened_once(
    open_engine: Callable[[], AbstractContextManager[Engine]], stack: ExitStack
) -> Callable[[], AbstractContextManager[Engine]]:
    """Return an opener that opens an engine at its first use and leaves it open until a stack is closed."""
    opened: list[Engine] = []

    @contextmanager
    def use() -> Iterator[Engine]:
        if not opened:
            opened.append(stack.enter_context(open_engine()))
        yield opened[0]

    return use
