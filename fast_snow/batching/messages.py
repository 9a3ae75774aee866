"""What travels between the coordinator, the processes that fold videos, and workers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from fast_snow.batching.report import BatchRow
from fast_snow.batching.resources import Resources
from fast_snow.config import Config
from fast_snow.selection import EngineUse
from fast_snow.types import GridShape, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How videos are folded.

    Attributes:
        folder: of all runs, on this machine.
        remote: the URL that finished runs go to; None where they stay.
        config: all settings.
        overwrite: whether runs that are there may be replaced.
        resources: what the batch may use.
    """

    folder: Path
    remote: str | None
    config: Config
    overwrite: bool
    resources: Resources

    @property
    def ahead(self) -> int:
        """How many windows of a video may be asked for before they are folded."""
        return self.resources.workers + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A video to fold: its row of the table so far, and the file or folder that it is read from."""

    row: BatchRow
    source: Path
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A video was opened; it has about so many frames, None where it does not say."""

    frames: int | None


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
    """

    origin: Origin
    window: Window
    used: tuple[EngineUse, ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Perceived:
    """The perception of a window.

    Attributes:
        file: the content of its file.
        frames: how many it adds.
        peak_bytes: the most memory that the worker has held.
        gpu_use: the share of time that its GPUs were busy; None where there are none.
    """

    file: UInt8[np.ndarray, " bytes"]
    frames: int
    peak_bytes: int
    gpu_use: float | None


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
