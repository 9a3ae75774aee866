"""An input read by a thread of its own, so that it never waits for the engines."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from threading import Thread

from fast_snow.config import LiveConfig, WindowConfig
from fast_snow.errors import InputError
from fast_snow.inputs.live.backlog import Backlog
from fast_snow.inputs.live.state import Ending, Live
from fast_snow.inputs.sampled import Input, SampledFrame

_JOIN_S = 1.0
"""A reader that waits for the network or a pipe is left behind after so long; it ends with its source."""
_NEW_PER_WINDOW = WindowConfig().length - WindowConfig().overlap


def play(source: Input, live: Live, config: LiveConfig, *, paced: bool = False) -> Input:
    """Return an input whose frames are read as they come, whether the run takes them or not.

    Args:
        source: what is read.
        live: told what comes of it.
        config: how many frames may wait.
        paced: hold every frame back until its time, as a camera would.
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
