"""Opens inputs: what lies at a path, and how its frames become those of a clip."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import takewhile
from math import ceil
from pathlib import Path
from typing import TypeVar

from av.video.frame import VideoFrame

from fast_snow.config import LiveConfig, SamplingConfig, SourceConfig
from fast_snow.errors import InputError
from fast_snow.inputs.image_files import COLOR_SUFFIXES
from fast_snow.inputs.layouts import lerobot
from fast_snow.inputs.layouts.known import LAYOUTS
from fast_snow.inputs.live.address import LiveAddress, Readable, live_address, piped
from fast_snow.inputs.live.connection import open_stream
from fast_snow.inputs.live.playing import play
from fast_snow.inputs.live.state import Live
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_folder import read_image_folder
from fast_snow.inputs.sampled import Image, Input, InputKind, SampledFrame
from fast_snow.inputs.sampling import exact, select, shrink, shrunk_size
from fast_snow.inputs.video import Video, decode, open_video, picture
from fast_snow.untrusted_files import shown

_LISTED = 5
"""So many names of a folder's files an error shows."""
_MOST_BETWEEN = 4
"""So many frames between two of the clip's are looked at; of more, every other one."""
Source = str | Path | Recording | Input | LiveAddress | Readable
"""What a run can read."""
Item = TypeVar("Item")
_URL = re.compile(r"[a-z][a-z0-9+-]+:/", re.IGNORECASE)


def located(source: object) -> Path | Recording | Input | LiveAddress:
    """Return what a caller gave as the source of a run: a path, whose leading `~` is replaced, or something else.

    Raises:
        InputError: it is nothing that can be opened.
    """
    if isinstance(source, Recording | Input | LiveAddress):
        return source
    if isinstance(source, Readable):
        return piped(source)
    if isinstance(source, str) and (address := live_address(source)):
        return address
    if not isinstance(source, str | Path) or not str(source) or "\0" in str(source):
        what = f"a {type(source).__name__}" if not isinstance(source, str | Path) else repr(source)[:40]
        raise InputError(
            f"source: {what}; expected the path of a video or a recording, a Recording or an opened Input: make arrays"
            " one by fast_snow.inputs.recording.recording_from_arrays(images, fps)"
        )
    path = Path(source)
    if isinstance(source, Path) and _URL.match(str(source)):  # never repeated: it may hold a password
        raise InputError(
            "source: a URL as a path, expected a file or a folder; only infer and stream read what is live"
        )
    try:
        return path.expanduser()
    except RuntimeError:  # no home folder of that name
        return path


def open_input(
    source: Source,
    sampling: SamplingConfig,
    options: SourceConfig = SourceConfig(),
    live: LiveConfig = LiveConfig(),
) -> Input:
    """Open a video file, what a robot, a scanner or another tool recorded, or what is live.

    Args:
        source: path of the file or folder, a recording in memory, an input, which is returned as it is, the address of
            a stream or a camera (`rtsp://…`, `camera:0`), or a pipe: an open binary file, or `-` for standard input.
        sampling: which of its frames become the clip, and at what size.
        options: which part of the input to read, and what it does not tell of itself.
        live: how what is live is read.

    Raises:
        InputError: there is nothing, or nothing that can be used.

    Examples:
        >>> opened = fast_snow.open_input("video.mp4", fast_snow.Config().sampling)
        >>> opened.size, opened.source_fps
        ((96, 128), 10.0)
    """
    found = located(source)
    if isinstance(found, LiveAddress):
        return open_live(found, sampling, live, Live())
    opened = _opened(found, sampling, options)
    return play(opened, Live(), live, paced=True) if live.real_time and opened.live is None else opened


def _opened(path: Path | Recording | Input, sampling: SamplingConfig, options: SourceConfig) -> Input:
    if isinstance(path, Recording):
        return from_recording(path, sampling)
    if isinstance(path, Input):
        return path
    layout = next((each for each in LAYOUTS if each.is_at(path)), None)
    if layout is not None:
        return from_recording(layout.read(path, options), sampling)
    if (path / lerobot.INFO).is_file():
        return _from_episode(lerobot.read_episode(path, options), sampling)
    if not path.is_dir():
        return from_video(open_video(path, max_side=sampling.max_side), sampling, name=path.name)
    names = sorted(each.name for each in path.iterdir() if not each.name.startswith("."))
    if any(Path(name).suffix.lower() in COLOR_SUFFIXES for name in names):
        return from_recording(read_image_folder(path, fps=options.fps), sampling)
    found = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    raise InputError(
        f"{shown(path)}: holds {shown(Path(found)) if found else 'nothing'}; expected color/ (a recording), rgb.txt"
        " (TUM RGB-D) or images, or a video file: name the file itself or complete the folder (docs/recordings.md lists"
        " what is read)"
    )


def open_live(address: LiveAddress, sampling: SamplingConfig, config: LiveConfig, live: Live) -> Input:
    """Open a stream, a camera or a pipe; a pipe, which may hold a file, is read no faster than its time goes on.

    Raises:
        InputError: it cannot be opened, or no frame comes.
    """
    video, timed = open_stream(address, config, live, max_side=sampling.max_side)
    endless = replace(video, num_frames=None, duration_s=None)
    opened = from_video(endless, sampling, name=address.name, kind=InputKind.STREAM, timed=timed)
    return play(opened, live, config, paced=address.is_pipe)


def _from_episode(episode: lerobot.Episode, sampling: SamplingConfig) -> Input:
    """Return an episode of a dataset, a part of a video, as an input."""
    video = open_video(episode.video, max_side=sampling.max_side)
    part = video
    if episode.stop_s is not None:
        span_s = episode.stop_s - episode.start_s
        part = replace(video, num_frames=round(span_s * episode.fps), duration_s=span_s)

    def timed() -> Iterator[tuple[Fraction, VideoFrame]]:
        start, stop = episode.start_s, episode.stop_s
        frames = ((time - start, frame) for time, frame in decode(video, start_s=start) if start <= time)
        return takewhile(lambda each: stop is None or each[0] < stop - start, frames)

    return from_video(part, sampling, name=episode.name, timed=timed)


def from_video(
    video: Video,
    sampling: SamplingConfig,
    *,
    name: str,
    kind: InputKind = InputKind.VIDEO,
    timed: Callable[[], Iterator[tuple[Fraction, VideoFrame]]] | None = None,
) -> Input:
    """Return an opened video as an input."""
    bounds = [video.num_frames, sampling.max_frames]
    if video.duration_s is not None:
        bounds.append(max(1, ceil(video.duration_s * exact(sampling.target_fps))))
    known = video.num_frames is not None or video.duration_s is not None
    return Input(
        name=name,
        kind=kind,
        size=video.size,
        source_fps=None if video.fps is None else float(video.fps),
        expected_frames=min(bound for bound in bounds if bound is not None) if known else None,
        read=lambda: _sampled(decode(video) if timed is None else timed(), partial(picture, video), sampling),
    )


def from_recording(recording: Recording, sampling: SamplingConfig) -> Input:
    """Return a recording as an input; `recording_from_arrays` makes one of arrays in memory."""
    size = shrunk_size(recording.color_size, sampling.max_side)
    timed = tuple((time, index) for index, time in enumerate(recording.time))
    span = recording.time[-1]
    return Input(
        name=recording.name,
        kind=InputKind.RECORDING,
        size=size,
        source_fps=float((len(recording) - 1) / span) if span else None,
        expected_frames=sum(1 for _ in select(timed, target_fps=sampling.target_fps, max_frames=sampling.max_frames)),
        read=lambda: _sampled(
            timed, lambda index: shrink(recording.read_color(index), size), sampling, between=not recording.has_poses
        ),
        recording=recording,
    )


def _sampled(
    timed: Iterable[tuple[Fraction, Item]],
    image: Callable[[Item], Image],
    sampling: SamplingConfig,
    *,
    between: bool = True,
) -> Iterator[SampledFrame]:
    passed: list[Item] = []

    def watched() -> Iterator[tuple[Fraction, Item]]:
        for time, item in timed:
            passed.append(item)
            if len(passed) > _MOST_BETWEEN + 1:
                del passed[:-1:2]
            yield time, item

    picks = select(watched(), target_fps=sampling.target_fps, max_frames=sampling.max_frames)
    for source_frame, time, item in picks:
        skipped = tuple(passed[:-1]) if between and source_frame else ()
        passed.clear()
        yield SampledFrame(
            image=image(item), time_s=float(time), source_frame=source_frame, between=partial(_images, image, skipped)
        )


def _images(image: Callable[[Item], Image], items: tuple[Item, ...]) -> tuple[Image, ...]:
    return tuple(map(image, items))
