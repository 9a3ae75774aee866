"""Definitions of the metrics: label, unit, direction and meaning, for tables, plots and comparisons."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

NO_VALUE = "\N{EN DASH}"
"""Stands where there is no figure."""

Better = Literal["more", "less", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    """One figure: its name in files, and for people its label with the unit, digits after the point, scale and meaning.

    `needs_all` says that it counts as wrong what is found and not annotated, so that it says little where a truth
    annotates only some objects.
    """

    name: str
    label: str
    better: Better
    digits: int
    meaning: str
    scale: float = 1.0
    needs_all: bool = False

    def show(self, value: float | None) -> str:
        """Return the figure for people; a dash where there is none."""
        if value is None:
            return NO_VALUE
        return f"{round(self.scale * value, self.digits) + 0.0:.{self.digits}f}"  # + 0.0: never "-0"


def _share(name: str, label: str, meaning: str, *, needs_all: bool = False) -> MetricDefinition:
    return MetricDefinition(name=name, label=label, better="more", digits=3, meaning=meaning, needs_all=needs_all)


def _error(name: str, label: str, meaning: str, *, digits: int = 3, scale: float = 1.0) -> MetricDefinition:
    return MetricDefinition(name=name, label=label, better="less", digits=digits, scale=scale, meaning=meaning)


_RUN = (
    MetricDefinition(
        name="fps", label="frames/s", better="more", digits=2, meaning="clip frames per second of wall time"
    ),
    _error("p50_s", "p50 ms", "median latency of a frame", digits=1, scale=1e3),
    _error("p95_s", "p95 ms", "95th-percentile latency of a frame", digits=1, scale=1e3),
    _error("peak_bytes", "peak MiB", "peak resident memory of the process during a run", digits=0, scale=2**-20),
    _error("duplicate_ids", "duplicate ids", "ids that name more than one object of a frame; must be 0", digits=0),
)
_TRACKING = (
    _share("idr", "IDR", "of what is annotated, the share with the right id"),
    _share("recall", "recall", "of what is annotated, the share that was found, under whichever id"),
    _error("switches_per_1000", "switches/1000", "identity switches per 1000 frames", digits=1),
    _error(
        "fragmentations_per_1000", "fragm./1000", "interruptions of a true object's track per 1000 frames", digits=1
    ),
    _share("assa", "AssA", "association accuracy of HOTA"),
    _share("idf1", "IDF1", "share of correctly identified detections", needs_all=True),
    _share("idp", "IDP", "of what was found, the share with the right id", needs_all=True),
    _share("hota", "HOTA", "mean of detection and association accuracy", needs_all=True),
    _share("deta", "DetA", "detection accuracy of HOTA", needs_all=True),
    _share("mota", "MOTA", "1 less misses, false positives and switches", needs_all=True),
)
_CAMERA = (
    _error(
        "trajectory_rigid_m",
        "path rigid m",
        "rms error of the camera's path after rigid alignment, where lengths are metric",
        digits=4,
    ),
    _error(
        "trajectory_similarity_m",
        "path Sim(3) m",
        "rms error of the camera's path after similarity alignment",
        digits=4,
    ),
    _error("depth_abs_rel", "AbsRel", "mean of |d - d*| / d* of metric depth, as it is"),
    _error("depth_rmse_m", "RMSE m", "rms error of metric depth, as it is"),
    _share("depth_delta", "within 1.25", "share of metric depth within a factor of 1.25, as it is"),
    _error("depth_scaled_abs_rel", "AbsRel scaled", "mean of |d - d*| / d* after one scale per window"),
    _error("depth_scaled_rmse_m", "RMSE scaled m", "rms error of depth after one scale per window"),
    _share("depth_scaled_delta", "within 1.25 scaled", "share within a factor of 1.25 after one scale per window"),
    _share("depth_coverage", "depth known", "share of the pixels with true depth that have depth that counts"),
)
_PLACES = (
    _share("placed", "placed", "of annotated objects with a true place, the share that was found and placed"),
    _error("centroid_m", "centroid m", "distance of found from true centroids, median"),
    _error("centroid_p90_m", "centroid p90 m", "the same, 90th percentile"),
    _error("extent_m", "extent m", "error of the extent, mean over three axes, median"),
    _error("own_centroid_m", "own centroid m", "distance from the centroid of true depth in the same mask, median"),
    _error("own_centroid_p90_m", "own centroid p90 m", "the same, 90th percentile"),
    _error("own_extent_m", "own extent m", "error of the extent against true depth in the same mask, median"),
    _error("spread_m", "spread m", "rms distance of a resting object's centroids from their mean, median"),
    _error("spread_p90_m", "spread p90 m", "the same, 90th percentile"),
)

METRIC_GROUPS: Final = MappingProxyType(
    {"Run": _RUN, "Tracking": _TRACKING, "Camera and depth": _CAMERA, "Objects in space": _PLACES}
)
"""The metrics of one table each."""
METRICS: Final = tuple(each for group in METRIC_GROUPS.values() for each in group)
