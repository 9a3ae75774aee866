"""Where a piece of ground truth lies, and what its format leaves open."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What ground truth is about."""

    MASKS = "masks"
    BOXES = "boxes"
    BOXES_3D = "boxes3d"
    POSES = "poses"
    DEPTH = "depth"
    QUESTIONS = "questions"


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthSource:
    """A file or folder of ground truth.

    Attributes:
        kind: what it is about.
        format: how it is written, one of `clip_truth.FORMATS` for its kind.
        path: relative to the data root.
        sha256: of the file or folder, see `checksums.sha256_of`; None where it is not known.
        first_frame: which number of the annotation belongs to the input's first frame; None is the format's custom.
        frames: how many of the annotation's frames belong to the clip; None is all. Those outside are left out.
        classes: names or numbers of the classes that count; empty is all.
        video: which video of a file that holds several; None where it holds one.
        exhaustive: whether every object of the annotated frames is annotated.
        depth_scale: stored units per metre.
        intrinsics: fx, fy, cx and cy of the depth images in pixels.
        first_time_s: the time stamp that belongs to the input's first frame.
        camera_offset_m: what takes positions to the frame of the camera that made the images.
    """

    kind: Kind
    format: str
    path: str
    sha256: str | None = None
    first_frame: int | None = None
    frames: int | None = None
    classes: tuple[str, ...] = ()
    video: int | None = None
    exhaustive: bool = False
    depth_scale: float = 1000.0
    intrinsics: tuple[float, float, float, float] | None = None
    first_time_s: float = 0.0
    camera_offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def index(self, number: int, custom: int) -> int | None:
        """Return the index in the input of a frame's number in the annotation; None where the clip lacks that frame.

        Args:
            number: as the annotation counts.
            custom: the number of the first frame in this format.
        """
        index = number - (custom if self.first_frame is None else self.first_frame)
        return index if index >= 0 and (self.frames is None or index < self.frames) else None

    def counts(self, name: str) -> bool:
        """Return whether objects of a class count."""
        return not self.classes or name in self.classes
