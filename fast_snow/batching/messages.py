"""What travels between the coordinator, the processes that fold videos, and workers."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_snow.config import Config
from fast_snow.selection import EngineUse
from fast_snow.types import GridShape, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A video to fold.

    Attributes:
        source: a file or a folder.
        folder: of its run.
        log: the file that what happens is appended to.
        config: all settings.
        overwrite: whether a run in the folder may be replaced.
        ahead: how many windows may be asked for before they are folded.
    """

    source: Path
    folder: Path
    log: Path
    config: Config
    overwrite: bool
    ahead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A video was opened; it has about so many frames, None where it does not say."""

    frames: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a video.

    Attributes:
        status: done, skipped (a run of the same key is there), failed or interrupted.
        error: why it failed, in one line.
        frames: of the graph.
        windows: of the run.
        tracks: of the graph.
        wall_s: seconds from the opening of the input to the finished run.
    """

    status: str
    error: str = ""
    frames: int = 0
    windows: int = 0
    tracks: int = 0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the choice of engines depends on; as a request, it asks which they are.

    Attributes:
        size: height and width of the frames.
        recording: the recording, from which engines read; None for a video.
        brings: whether it brings depth, poses, intrinsics and masks.
    """

    size: GridShape
    recording: Path | None
    brings: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The engines that a worker chooses, and the names of its GPUs."""

    used: tuple[EngineUse, ...]
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowRequest:
    """Asks for the perception of a window.

    Attributes:
        origin: of the video.
        window: with its images.
        used: the engines that were chosen for the video.
        key: of the perception (`RunKey.perception`).
        compressed: whether the perception file is kept and therefore deflated.
    """

    origin: Origin
    window: Window
    used: tuple[EngineUse, ...]
    key: str
    compressed: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Perceived:
    """The content of a perception file, how many frames it adds, and the most memory that its worker has held."""

    file: bytes | pickle.PickleBuffer
    frames: int
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no answer.

    Attributes:
        error: in one line.
        worn: whether the worker should be started anew.
        trace: of the error, for the log.
    """

    error: str
    worn: bool = False
    trace: str = ""


Request = Origin | WindowRequest
Reply = Selected | Perceived | Failure


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A value as bytes, which who passes it on need not know; its arrays are not copied.

    Unpacked, arrays are read-only, as in all values.
    """

    tree: bytes
    arrays: tuple[bytes | pickle.PickleBuffer, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (self.tree, tuple(map(pickle.PickleBuffer, self.arrays)))

    def unpacked(self) -> Any:  # noqa: ANN401 (any message)
        """Return the value; only ever called on what our own processes sent."""
        return pickle.loads(self.tree, buffers=self.arrays)


def packed(value: object) -> Packed:
    """Return a value as bytes."""
    arrays: list[pickle.PickleBuffer] = []
    tree = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    return Packed(tree, tuple(arrays))
