"""Video files: frames in presentation order, upright, with square pixels, decoded as they are needed."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.sampling import shrink, shrunk_size
from fast_snow.inputs.video_packets import WHAT_TO_DO, Decoding, frames, missing_s, open_container
from fast_snow.types import GridShape
from fast_snow.untrusted_files import shown

PictureArray = TypeVar("PictureArray", bound=np.ndarray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Rows and columns exchanged first, if at all; then mirrored.

    Attributes:
        transpose: exchange rows and columns.
        flip_rows: mirror upside down.
        flip_columns: mirror left to right.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, picture: PictureArray) -> PictureArray:
        """Return the upright view of `picture`, whose first two axes are rows and columns."""
        upright = picture.swapaxes(0, 1) if self.transpose else picture
        return upright[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]  # type: ignore[return-value]


def from_display_matrix(matrix: bytes) -> Orientation | None:
    """Read a video's display matrix; `None` where it turns by anything but quarter turns.

    The matrix `[[a, b, u], [c, d, v], [x, y, w]]` of nine 32-bit integers shows the pixel `(column, row)` at
    `(a·column + c·row, b·column + d·row)`.

    Reference: ISO/IEC 14496-12, section 8.3.2 (track header box).
    """
    a, b, _, c, d, _ = np.frombuffer(matrix, dtype=np.int32)[:6].tolist()
    if b == c == 0 and a and d:
        return Orientation(flip_rows=d < 0, flip_columns=a < 0)
    if a == d == 0 and b and c:
        return Orientation(transpose=True, flip_rows=b < 0, flip_columns=c < 0)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video that could be opened, and what it says of itself.

    Attributes:
        name: what messages call it.
        open: opens it at its beginning.
        stored_size: height and width of a decoded frame.
        orientation: how to turn a decoded frame upright.
        size: height and width of a picture: upright, square pixels, shrunk.
        fps: frames per second on average, if it is known.
        num_frames: how many frames the file announces, if it does.
        duration_s: how long the file says it is, if it does.
    """

    name: str
    open: Callable[[], AbstractContextManager[tuple[InputContainer, VideoStream]]]
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
    if not path.exists():
        raise InputError(f"{shown(path)}: no such file; expected a video file or a recording folder: check the path")
    opening = partial(open_container, path)
    with opening() as (container, stream):
        first = next(frames(container, stream, Decoding()), None)
        return video_of(shown(path), opening, container, stream, first, max_side=max_side)


def video_of(
    name: str,
    opening: Callable[[], AbstractContextManager[tuple[InputContainer, VideoStream]]],
    container: InputContainer,
    stream: VideoStream,
    first: VideoFrame | None,
    *,
    max_side: int,
) -> Video:
    """Return what a stream and its first frame say of a video.

    Raises:
        InputError: there is no first frame.
    """
    if first is None:
        raise InputError(f"{name}: no frame can be decoded; expected a readable video: {WHAT_TO_DO}")
    orientation = _orientation(name, first)
    stored = (first.height, first.width)
    upright = shrunk_size(stored, max_side, stream.sample_aspect_ratio or Fraction(1))
    return Video(
        name=name,
        open=opening,
        stored_size=stored,
        orientation=orientation,
        size=upright[::-1] if orientation.transpose else upright,
        fps=stream.average_rate or stream.guessed_rate,
        num_frames=stream.frames or None,
        duration_s=_duration_s(container, stream),
    )


def decode(video: Video, *, start_s: Fraction = Fraction(0)) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Decode a video from its beginning, or from the key frame at or before a time.

    Packets that are damaged are skipped, and a file that breaks off is decoded up to there; then a `FastSnowWarning`
    says how much is missing.

    Yields:
        Each frame with its presentation time in seconds relative to the first, in presentation order.

    Raises:
        InputError: the frames change their size on the way.
    """
    decoding = Decoding()
    with video.open() as (container, stream):
        complete = False
        origin = None
        if start_s and stream.time_base is not None:
            begin = stream.start_time or 0
            container.seek(begin + int(start_s / stream.time_base), stream=stream)
            origin = begin * stream.time_base
        try:
            timed = stamped(video, frames(container, stream, decoding), stream.time_base, origin)
            for index, (time, frame) in enumerate(timed):
                _require_size(video, index, frame)
                yield time, frame
            complete = not start_s
        finally:
            _warn_of_damage(video.name, decoding, missing_s(stream, decoding) if complete else Fraction(0))


def _require_size(video: Video, index: int, frame: VideoFrame) -> None:
    if (frame.height, frame.width) != video.stored_size:
        height, width = video.stored_size
        raise InputError(
            f"{video.name}: frame {index} is {frame.width}x{frame.height}, those before it {width}x{height};"
            " expected one size: cut the video there or re-encode it to one size"
        )


def _warn_of_damage(name: str, decoding: Decoding, lost_s: Fraction) -> None:
    damage = []
    if lost_s or decoding.broken:
        damage.append(f"cut short ({f'{float(lost_s):.1f} s are missing' if lost_s else decoding.broken})")
    if decoding.skipped:
        damage.append(f"{decoding.skipped} of {decoding.packets} packets damaged or without a key frame, skipped")
    if damage:
        message = f"{name}: {', '.join(damage)}; {decoding.frames} frames decoded"
        warnings.warn(message, FastSnowWarning, stacklevel=2)


def picture(video: Video, frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """Return a decoded frame as an RGB image of `video.size`."""
    stored = video.size[::-1] if video.orientation.transpose else video.size
    image = shrink(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8), stored)
    return np.ascontiguousarray(video.orientation.apply(image))


def stamped(
    video: Video, found: Iterable[VideoFrame], time_base: Fraction | None, origin: Fraction | None = None
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Stamp frames with seconds since the first, or since an origin of the stream's clock.

    One interval follows a frame where that clock is no help.
    """
    interval = 1 / (video.fps or Fraction(25))
    time = -interval
    jumps = 0
    for frame in found:
        stamp = None if frame.pts is None or time_base is None else frame.pts * time_base
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
            f"{video.name}: time stamps jump back {jumps} times; time goes on from there",
            FastSnowWarning,
            stacklevel=2,
        )


def _orientation(name: str, frame: VideoFrame) -> Orientation:
    # The type stub of PyAV knows of motion vectors alone.
    matrix = cast("Mapping[str, Buffer]", frame.side_data).get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    orientation = from_display_matrix(bytes(matrix))
    if orientation is None:
        warnings.warn(
            f"{name}: turned by {frame.rotation} degrees; only quarter turns are undone",
            FastSnowWarning,
            stacklevel=2,
        )
        return Orientation()
    return orientation


def _duration_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if stream.duration is not None and stream.time_base is not None:
        duration, start = stream.duration * stream.time_base, (stream.start_time or 0) * stream.time_base
    elif container.duration is not None:
        duration, start = (Fraction(each or 0, av.time_base) for each in (container.duration, container.start_time))
    else:
        return None
    # These state the time of the end, others the length.
    return duration - start if container.format.name.startswith(("matroska", "asf", "nut")) else duration
