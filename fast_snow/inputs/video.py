"""Video files: frames in presentation order, upright, with square pixels, decoded as they are needed."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.orientation import Orientation, from_display_matrix
from fast_snow.inputs.sampling import shrink, shrunk_size
from fast_snow.types import GridShape

# A small file can name other files and addresses (playlists do): nothing is fetched on a file's behalf.
_OPTIONS = {"protocol_whitelist": "file"}
_WHAT_TO_DO = "re-encode it or copy it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video file that could be opened, and what it says of itself.

    Attributes:
        path: the file.
        stored_size: height and width of a decoded frame.
        orientation: how to turn a decoded frame upright.
        size: height and width of a picture: upright, square pixels, shrunk.
        fps: frames per second on average, if it is known.
        num_frames: how many frames the file announces, if it does.
        duration_s: how long the file says it is, if it does.
    """

    path: Path
    stored_size: GridShape
    orientation: Orientation
    size: GridShape
    fps: Fraction | None
    num_frames: int | None
    duration_s: Fraction | None


def open_video(path: Path, *, max_side: int = 0) -> Video:
    """Open a video file; only its first frame is decoded at once.

    Args:
        path: a file in any format that FFmpeg reads.
        max_side: longest side of a picture in pixels; 0 keeps the stored size.

    Raises:
        InputError: the file is missing, empty, no video, or holds no frame that can be decoded.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a video file or a recording folder: check the path")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty; expected a video: copy it again")
    with _open(path) as container:
        stream = _video_stream(path, container)
        first = next(_frames(path, container, stream), None)
        if first is None:
            raise InputError(f"{path}: no frame can be decoded; expected a readable video: {_WHAT_TO_DO}")
        orientation = _orientation(path, first)
        stored = (first.height, first.width)
        upright = shrunk_size(stored, max_side, stream.sample_aspect_ratio or Fraction(1))
        return Video(
            path=path,
            stored_size=stored,
            orientation=orientation,
            size=upright[::-1] if orientation.transpose else upright,
            fps=stream.average_rate or stream.guessed_rate,
            num_frames=stream.frames or None,
            duration_s=_duration_s(container, stream),
        )


def decode(video: Video) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Decode a video from its beginning.

    A file that breaks off or is damaged is decoded up to the damage; then a `FastSnowWarning` says how many frames
    there were.

    Yields:
        Each frame with its presentation time in seconds relative to the first, in presentation order.

    Raises:
        InputError: the frames change their size on the way.
    """
    with _open(video.path) as container:
        stream = _video_stream(video.path, container)
        interval = 1 / (video.fps or Fraction(25))
        for index, (time, frame) in enumerate(_timed(video.path, _frames(video.path, container, stream), interval)):
            if (frame.height, frame.width) != video.stored_size:
                height, width = video.stored_size
                raise InputError(
                    f"{video.path}: frame {index} is {frame.width}x{frame.height}, those before it {width}x{height};"
                    " expected one size: cut the video there or re-encode it to one size"
                )
            yield time, frame


def picture(video: Video, frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """Return a decoded frame as an RGB image of `video.size`."""
    stored = video.size[::-1] if video.orientation.transpose else video.size
    image = shrink(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8), stored)
    return np.ascontiguousarray(video.orientation.apply(image))


def _open(path: Path) -> InputContainer:
    try:
        return av.open(str(path.resolve()), options=_OPTIONS)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as a video ({_reason(error)}); expected one: {_WHAT_TO_DO}"
        ) from error


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the first stream of moving pictures; a cover image on a sound file is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise InputError(f"{path}: no video stream, only {kinds}; expected a video: give another file")


def _frames(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Decode up to the end or the first damage, and warn of damage after the last good frame."""
    count = 0
    try:
        for frame in _whole_frames(container, stream):
            count += 1
            yield frame
    except (av.FFmpegError, EOFError) as error:
        for frame in _rest(stream):
            count += 1
            yield frame
        if count:
            message = f"damaged or cut short ({_reason(error)}); the {count} frames before that are used"
            warnings.warn(f"{path}: {message}", FastSnowWarning, stacklevel=2)


def _whole_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield frames; EOFError where the file ends before it should."""
    announced = len(stream.index_entries) or stream.frames
    count = 0
    for packet in container.demux(stream):
        # The end of the file cuts this packet short. Broadcast streams, which announce nothing, flag others too.
        if packet.is_corrupt and announced:
            raise EOFError("the file ends inside a frame")
        count += packet.size > 0
        yield from packet.decode()
    if count < announced:
        raise EOFError(f"{announced} frames were announced")


def _rest(stream: VideoStream) -> list[VideoFrame]:
    """Return the good frames that the decoder still holds back after damage."""
    try:
        return stream.codec_context.decode(None)
    except av.FFmpegError:
        return []


def _timed(path: Path, frames: Iterable[VideoFrame], interval: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Stamp frames with seconds since the first; `interval` follows a frame where the file's clock is no help."""
    origin: Fraction | None = None
    time = -interval
    jumps = 0
    for frame in frames:
        stamp = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
        expected = time + interval
        if stamp is None:
            time = expected
        else:
            origin = stamp if origin is None else origin
            if stamp - origin < time:
                origin, jumps = stamp - expected, jumps + 1
            time = stamp - origin
        yield time, frame
    if jumps:
        warnings.warn(
            f"{path}: time stamps jump back {jumps} times; time goes on from there", FastSnowWarning, stacklevel=2
        )


def _orientation(path: Path, frame: VideoFrame) -> Orientation:
    # The type stub of PyAV knows of motion vectors alone.
    matrix = cast("Mapping[str, Buffer]", frame.side_data).get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    orientation = from_display_matrix(bytes(matrix))
    if orientation is None:
        warnings.warn(
            f"{path}: turned by {frame.rotation} degrees; only quarter turns are undone", FastSnowWarning, stacklevel=2
        )
        return Orientation()
    return orientation


def _duration_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return None if container.duration is None else Fraction(container.duration, av.time_base)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
