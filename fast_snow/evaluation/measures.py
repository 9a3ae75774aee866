"""What is measured, in words: the columns of tables, the axes of plots, the lines of comparisons."""

from dataclasses import dataclass
from typing import Literal

NONE = "\N{EN DASH}"
"""Stands where there is no figure."""

Better = Literal["more", "less", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure.

    Attributes:
        name: in files.
        label: for people, with its unit.
        better: which way is good.
        digits: after the point, for people.
        scale: people see the figure times this.
        meaning: in one sentence.
    """

    name: str
    label: str
    better: Better
    digits: int
    meaning: str
    scale: float = 1.0

    def show(self, value: float | None) -> str:
        """Return the figure for people; a dash where there is none."""
        if value is None:
            return NONE
        return f"{round(self.scale * value, self.digits) + 0.0:.{self.digits}f}"  # + 0.0: never "-0"


_SPEED = (
    Measure(name="fps", label="frames/s", better="more", digits=2, meaning="clip frames per second of wall time"),
    Measure(name="p50_s", label="p50 ms", better="less", digits=1, scale=1e3, meaning="latency of the median frame"),
    Measure(name="p95_s", label="p95 ms", better="less", digits=1, scale=1e3, meaning="latency of a slow frame"),
    Measure(
        name="peak_bytes",
        label="peak MiB",
        better="less",
        digits=0,
        scale=2**-20,
        meaning="most resident memory of the process during a run",
    ),
)
_TRACKING = (
    Measure(name="idf1", label="IDF1", better="more", digits=3, meaning="share of correctly identified detections"),
    Measure(name="idp", label="IDP", better="more", digits=3, meaning="of what was found, the share with the right id"),
    Measure(name="idr", label="IDR", better="more", digits=3, meaning="of what is there, the share with the right id"),
    Measure(name="hota", label="HOTA", better="more", digits=3, meaning="mean of detection and association accuracy"),
    Measure(name="deta", label="DetA", better="more", digits=3, meaning="detection accuracy of HOTA"),
    Measure(name="assa", label="AssA", better="more", digits=3, meaning="association accuracy of HOTA"),
    Measure(name="mota", label="MOTA", better="more", digits=3, meaning="1 less misses, false positives and switches"),
    Measure(
        name="switches_per_1000",
        label="switches/1000",
        better="less",
        digits=1,
        meaning="identity switches per 1000 frames",
    ),
    Measure(
        name="fragmentations_per_1000",
        label="fragm./1000",
        better="less",
        digits=1,
        meaning="interruptions of a true object's track per 1000 frames",
    ),
    Measure(
        name="duplicate_ids",
        label="duplicate ids",
        better="less",
        digits=0,
        meaning="ids that name more than one object of a frame; must be 0",
    ),
)
_GEOMETRY = (
    Measure(
        name="trajectory_rigid_m",
        label="path rigid m",
        better="less",
        digits=4,
        meaning="rms error of the camera's path after rigid alignment, where lengths are metric",
    ),
    Measure(
        name="trajectory_similarity_m",
        label="path Sim(3) m",
        better="less",
        digits=4,
        meaning="rms error of the camera's path after similarity alignment",
    ),
)

MEASURES = (*_SPEED, *_TRACKING, *_GEOMETRY)
SPEED = frozenset(each.name for each in _SPEED)
