"""Reading a live stream: opened within limits, and again, after growing pauses, where it breaks off."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import FileIO
from itertools import chain
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fast_snow.config import LiveConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.live.address import LiveAddress, Readable
from fast_snow.inputs.live.state import Ending, Live
from fast_snow.inputs.video import Video, stamped, video_of
from fast_snow.inputs.video_packets import DAMAGE, Decoding, frames, reason, video_stream

_LONGEST_PAUSE_S: Final = 30.0
_FIRST_FRAME_S: Final = 60.0
"""Longest wait for a frame while packets come: key frames are rarely further apart."""
Timed = tuple[Fraction, VideoFrame]
"""A frame and its time in seconds since the first."""


@dataclass(slots=True, kw_only=True)
class _Decoding(Decoding):
    """Gives up on a connection whose packets hold no frame."""

    name: str
    clock: Callable[[], float]
    until_s: float

    def count(self, packet: Packet) -> None:  # type: ignore[type-arg]
        Decoding.count(self, packet)
        if not self.frames and self.clock() > self.until_s:
            raise InputError(f"{self.name}: no frame in {_FIRST_FRAME_S:.0f} s, expected a key frame: check the source")


def _decoding(name: str, live: Live) -> Decoding:
    return _Decoding(name=name, clock=live.clock, until_s=live.clock() + _FIRST_FRAME_S)


def open_stream(
    address: LiveAddress, config: LiveConfig, live: Live, *, max_side: int
) -> tuple[Video, Callable[[], Iterator[Timed]]]:
    """Open a live input, whose first frame is decoded at once: returns what it says of itself, and what reads it.

    What can be opened again is closed until frames are asked for; a pipe stays open.

    Raises:
        InputError: it cannot be opened, or no frame comes.
    """
    opening = partial(_opened, address, config)
    with ExitStack() as stack:
        container, stream = stack.enter_context(opening())
        decoding = _decoding(address.name, live)
        found = frames(container, stream, decoding)
        first = next(found, None)
        video = video_of(address.name, opening, container, stream, first, max_side=max_side)
        if not address.is_pipe:
            return video, lambda: reconnecting(lambda: _anew(video, live), video, config.max_reconnects, live)
        pipe, rest = stack.pop_all(), chain([] if first is None else [first], found)

    def remaining() -> Iterator[Timed]:
        with pipe:
            yield from _checked(video, rest, stream, decoding, live)

    return video, lambda: reconnecting(remaining, video, 0, live)


def reconnecting(connect: Callable[[], Iterator[Timed]], video: Video, attempts: int, live: Live) -> Iterator[Timed]:
    """Read a stream, and again where it breaks off; its time goes on as the clock does.

    `connect` opens it and yields frames with their time since the first of this connection; after so many attempts in a
    row it is given up.

    Raises:
        InputError: no frame came at all.
    """
    interval = 1 / (video.fps or Fraction(25))
    time, began_s, failures = -interval, live.clock(), 0
    while not live.stopped:
        shift, problem = None, ""
        try:
            for since, frame in connect():
                if shift is None:  # the first frame of this connection
                    began_s = live.clock() if time < 0 else began_s
                    live.reconnects += time >= 0
                    shift, failures = max(time + interval, Fraction(live.clock() - began_s)), 0
                time = since + shift
                yield time, frame
        except InputError as error:
            problem = str(error)
        failures += 1
        if failures > attempts or live.stopped:
            break
        live.pause(min(2.0 ** (failures - 1), _LONGEST_PAUSE_S))
    if time < 0 and not live.stopped:
        raise InputError(problem or f"{video.name}: no frame came; expected a live video: check the source")
    if not live.stopped and (attempts or problem):
        live.ending = Ending.LOST
        again = f" and {attempts} attempts to reconnect failed" if attempts else ""
        message = f"{problem or f'{video.name}: the stream ended'}{again}; the graph ends there"
        warnings.warn(message, FastSnowWarning, stacklevel=2)


def _anew(video: Video, live: Live) -> Iterator[Timed]:
    with video.open() as (container, stream):
        decoding = _decoding(video.name, live)
        yield from _checked(video, frames(container, stream, decoding), stream, decoding, live)


def _checked(
    video: Video, found: Iterator[VideoFrame], stream: VideoStream, decoding: Decoding, live: Live
) -> Iterator[Timed]:
    """Yield the frames of one connection with their times until it breaks off or is stopped."""
    damaged = live.damaged
    for time, frame in stamped(video, found, stream.time_base):
        if live.stopped:
            return
        height, width = video.stored_size
        if (frame.height, frame.width) != video.stored_size:
            raise InputError(
                f"{video.name}: the picture is now {frame.width}x{frame.height}, expected {width}x{height} throughout"
            )
        live.read, live.damaged = live.read + 1, damaged + decoding.skipped
        yield time, frame
    if decoding.broken and not live.stopped:
        raise InputError(f"{video.name}: reading failed ({decoding.broken})")


@contextmanager
def _opened(address: LiveAddress, config: LiveConfig) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open an address; PyAV's errors repeat it with its password, so they go neither into messages nor into causes."""
    problem = ""
    standard_input = address.is_pipe and address.pipe is None
    if standard_input and os.isatty(0):
        raise InputError(f"{address.name}: is a terminal, expected a pipe with a video, as in `… | fast-snow infer -`")
    with FileIO(0, closefd=False) if standard_input else nullcontext(address.pipe) as file:
        try:
            container = av.open(
                address.target if file is None else _Pipe(file),
                mode="r",
                format=address.format,
                container_options=dict(address.options(config)),
                metadata_errors="replace",
                timeout=config.timeout_s if file is None else None,
            )
        except DAMAGE as error:
            problem = reason(error)
        if problem:
            raise InputError(
                f"{address.name}: cannot be opened ({problem}); expected a live video: check address and access"
            )
        with container:
            yield container, video_stream(address.name, container)


class _Pipe:
    """A pipe as PyAV reads it: forwards only, as much as there is."""

    def __init__(self, file: Readable) -> None:
        self.read = getattr(file, "read1", file.read)
        self.name = ""
