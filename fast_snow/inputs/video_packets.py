"""The packets of video files: opened safely, decoded one by one; what is damaged is skipped and counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fast_snow import limits
from fast_snow.errors import InputError
from fast_snow.untrusted_files import open_file, shown

WHAT_TO_DO: Final = "re-encode it or copy it again"
# A small file can name other files and addresses (playlists do): nothing is opened on a file's behalf.
_CONTAINER_OPTIONS: Final = {"protocol_whitelist": ""}
_BROADCAST: Final = 0x0200  # FFmpeg's AVFMT_TS_DISCONT
DAMAGE: Final = (av.FFmpegError, OSError, EOFError, ValueError)


@dataclass(slots=True)
class Decoding:
    """How decoding a stream went so far.

    Attributes:
        packets: how many were read.
        skipped: how many of them could not be decoded.
        frames: how many came out.
        end: the latest end of a packet, by the stream's clock.
        durations: whether packets say how long they are; FFmpeg 7 does not know it of all.
        broken: why reading ended before the end of the file; empty where it did not.
    """

    packets: int = 0
    skipped: int = 0
    frames: int = 0
    end: int | None = None
    durations: bool = False
    broken: str = ""

    def count(self, packet: Packet) -> None:  # type: ignore[type-arg]
        """Count a packet."""
        self.packets += 1
        self.durations |= bool(packet.duration)
        if packet.pts is not None:
            end = packet.pts + (packet.duration or 0)
            self.end = end if self.end is None else max(self.end, end)


@contextmanager
def open_container(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its video stream.

    Yields:
        The container and the stream, which is closed with it.

    Raises:
        InputError: the file is missing, empty, not regular, no video, of an unknown codec or too large a picture.
    """
    with open_file(path) as file:
        if not file.seek(0, 2):
            raise InputError(f"{shown(path)}: the file is empty; expected a video: copy it again")
        file.seek(0)
        try:
            # Not `options`, which are for streams too: PyAV crashes where streams appear later than the header (FLV).
            container = av.open(
                _Source(file, path), mode="r", container_options=_CONTAINER_OPTIONS, metadata_errors="replace"
            )
        except DAMAGE as error:
            raise InputError(
                f"{shown(path)}: cannot be read as a video ({reason(error)}); expected one: {WHAT_TO_DO}"
            ) from error
        with container:
            yield container, video_stream(shown(path), container)


class _Source:
    """A file as PyAV reads it: whatever is decoded is the file that was checked."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self.name = path.suffix.encode("ascii", "ignore").decode()  # some formats are known by it alone


def video_stream(name: str, container: InputContainer) -> VideoStream:
    """Return the stream that players show: the one marked default, then the largest; a cover image is none."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise InputError(f"{name}: no video stream, only {kinds}; expected a video: give another file")
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise InputError(f"{name}: the video's codec is unknown; expected a readable video: {WHAT_TO_DO}")
    chosen = max(decodable, key=lambda each: (bool(each.disposition & Disposition.default), _pixels(each)))
    if _pixels(chosen) > limits.IMAGE_PIXELS.largest:
        size = f"{chosen.codec_context.width}x{chosen.codec_context.height}"
        raise InputError(
            f"{name}: pictures of {size}, expected at most {limits.IMAGE_PIXELS.largest} pixels: re-encode it"
        )
    chosen.codec_context.options = {"max_pixels": str(limits.IMAGE_PIXELS.largest)}  # sizes may change on the way
    return chosen


def _pixels(stream: VideoStream) -> int:
    return stream.codec_context.width * stream.codec_context.height


def frames(container: InputContainer, stream: VideoStream, decoding: Decoding) -> Iterator[VideoFrame]:
    """Decode a stream from its beginning, counting as frames are taken; a packet that cannot be decoded is skipped."""
    # Broadcasts flag packets as corrupt that can be decoded; elsewhere the end of the file cuts such a packet short.
    broadcast = container.format.flags & _BROADCAST
    for packet in _packets(container, stream, decoding):
        try:
            if packet is not None and packet.is_corrupt and not broadcast:
                raise EOFError
            found = stream.codec_context.decode(packet)
        except DAMAGE:
            decoding.skipped += packet is not None
            continue
        decoding.frames += len(found)
        yield from found


def _packets(container: InputContainer, stream: VideoStream, decoding: Decoding) -> Iterator[Packet | None]:  # type: ignore[type-arg]
    """Yield packets, then None: the decoder is to give out what it holds back."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # one without content, which AVI has for repeated frames, would end decoding
                decoding.count(packet)
                yield packet
    except DAMAGE as error:
        decoding.broken = reason(error)
    yield None


def missing_s(stream: VideoStream, decoding: Decoding) -> Fraction:
    """Return how much shorter a decoded stream is than its file announces, in seconds; 0 where that is not known."""
    # Only formats that list their frames know how long each stream is. An edit may leave out frames, but no time.
    if decoding.packets >= stream.frames or stream.duration is None or stream.time_base is None or decoding.end is None:
        return Fraction(0)
    frame_s = 1 / (stream.average_rate or Fraction(25))
    announced = (stream.start_time or 0) + stream.duration
    end_s = decoding.end * stream.time_base + (0 if decoding.durations else frame_s)
    missing = announced * stream.time_base - end_s
    return missing if missing > frame_s / 2 else Fraction(0)


def reason(error: Exception) -> str:
    """Return what went wrong, without the name of the file or the address."""
    return (str(getattr(error, "strerror", None) or error).splitlines() or [type(error).__name__])[0]
