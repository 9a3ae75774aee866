"""What a live input has come to: shared by the thread that reads it, the run, and whatever stops it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic, sleep
from typing import Any

_SLICE_S = 0.1


class Ending(StrEnum):
    """Why nothing more comes from a live input."""

    END = "the source ended"
    STOPPED = "stopped"
    LOST = "connection lost"


@dataclass(slots=True, kw_only=True, eq=False)
class Live:
    """The state of one live input, which is read once.

    Attributes:
        clock: seconds.
        sleep: waits for so many seconds.
        stopped: whether reading is to end; the frames that were read are still processed.
        read: frames of the source so far.
        dropped: sampled frames that were left out because the run was too slow.
        damaged: packets that could not be decoded.
        reconnects: how often it was opened again.
        delay_s: age of the last window's oldest frame once the graph held it: the window's span and its processing.
        largest_delay_s: the largest of these.
        ending: why reading ended.
    """

    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep
    stopped: bool = False
    read: int = 0
    dropped: int = 0
    damaged: int = 0
    reconnects: int = 0
    delay_s: float = 0.0
    largest_delay_s: float = 0.0
    ending: Ending = Ending.END
    _arrived: deque[float] = field(default_factory=deque)
    _in_graph: int = 0

    def stop(self) -> bool:
        """End the reading, also from a signal handler; returns whether that ends the run soon, with a graph."""
        first, self.stopped = not self.stopped, True
        return first and self.read > 0

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until it is stopped."""
        until_s = self.clock() + seconds
        while not self.stopped and (left_s := until_s - self.clock()) > 0:
            self.sleep(min(left_s, _SLICE_S))

    def taken(self, arrived_s: float) -> None:
        """Note when a frame arrived that the run takes."""
        self._arrived.append(arrived_s)

    def in_graph(self, num_frames: int) -> None:
        """Note that the graph holds the first so many frames."""
        arrived_s = [self._arrived.popleft() for _ in range(num_frames - self._in_graph)]
        self._in_graph = num_frames
        if arrived_s:
            self.delay_s = self.clock() - arrived_s[0]
            self.largest_delay_s = max(self.largest_delay_s, self.delay_s)

    def __str__(self) -> str:
        return f"{self.delay_s:.1f} s behind, {self.dropped} dropped"

    def as_json(self) -> dict[str, Any]:
        """Return what the record of a run says of it."""
        return {
            "frames_read": self.read,
            "frames_dropped": self.dropped,
            "packets_damaged": self.damaged,
            "reconnects": self.reconnects,
            "largest_delay_s": round(self.largest_delay_s, 3),
            "ended": self.ending.value,
        }
