"""Sections of what is read: files that hold several things, and what is live."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fast_snow.config import lengths
from fast_snow.config.section import Section, between


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig(Section):
    """What to read of an input that holds several things, and what it does not tell of itself."""

    section: ClassVar[str] = "source"
    fps: float | None = between(None, 1e-6, 1e6)
    """Frames per second of images; needed where nothing tells it."""
    metric: bool | None = None
    """Whether poses are in metres; by default what the kind of input implies."""
    episode: int = between(0, 0)
    """Episode of a LeRobot dataset."""
    color: str = ""
    """Camera of a LeRobot dataset, or topic of colour images in a ROS bag or MCAP file; by default the first."""
    depth: str = ""
    """Topic of depth images in a ROS bag or MCAP file; `none` reads none."""
    poses: str = ""
    """Topic of poses (odometry, poses, tf) in a ROS bag or MCAP file; `none` reads none."""
    frame: str = ""
    """Fixed frame of tf that poses refer to; by default the root of the tree."""
    camera_height: str = ""
    """Height of the camera above the floor over the clip, like "1.2 m ± 0.05": an unscaled graph becomes metric."""
    baseline: str = ""
    """How far apart the camera was in two frames of the clip, like "0 40 = 2 m ± 0.05": the same."""

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        lengths.camera_height(self.camera_height)
        lengths.baseline(self.baseline)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig(Section):
    """Live inputs: streams, cameras and pipes."""

    section: ClassVar[str] = "live"
    real_time: bool = False
    """Play files in real time, as if they were live (set by --live)."""
    max_waiting: int | None = between(None, 2)
    """Maximum sampled frames waiting for the engines; beyond that, frames are dropped evenly over the time that waits
    (default: the new frames of one window)."""
    timeout_s: float = between(10.0, 0.1)
    """Timeout of connecting and of each read, in seconds."""
    max_reconnects: int = between(5, 0)
    """Maximum attempts to reconnect in a row (exponential backoff)."""
    transport: Literal["tcp", "udp"] = "tcp"
    """Transport of RTSP streams: tcp, or udp."""
