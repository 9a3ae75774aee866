"""A folding process that is slow on purpose, and notes how many windows are in flight: asked for and not folded."""

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fast_snow import api
from fast_snow.batching import folding
from fast_snow.types import Window

NOTES = "FAST_SNOW_TEST_NOTES"
ASKED, FOLDED = "+", "-"
fold, asked = api.fold, folding.Delegation._asked


def note(mark: str) -> None:
    with Path(os.environ[NOTES]).open("a") as file:
        file.write(mark)


def most_in_flight(notes: str) -> int:
    """Return the largest number of windows that were asked for and not yet folded."""
    in_flight = most = 0
    for mark in notes:
        in_flight += 1 if mark == ASKED else -1
        most = max(most, in_flight)
    return most


def slow_fold(*args: Any, **options: Any) -> Any:
    time.sleep(0.5)
    state = fold(*args, **options)
    note(FOLDED)
    return state


def noted_asked(self: folding.Delegation, window: Window) -> Window:
    note(ASKED)
    return asked(self, window)


def serve(connection: Connection, options: object) -> None:
    api.fold = slow_fold
    folding.Delegation._asked = noted_asked  # type: ignore[method-assign]
    folding.serve(connection, options)
