"""Configuration of SNOW: the parameters of the paper, and those it leaves open, which are this project's choice."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fast_snow.config import Precision, Sam2Config, Section, between

MasksChoice = Literal["auto", "sam2", "classical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowConfig(Section):
    """SNOW; what it shares with Fast-SNOW (geometry, depth confidence, the grid of tau) is in `Config`.

    Reference:
        SNOW, arXiv 2512.16461, sections 3 and 4.1.
    """

    section: ClassVar[str] = "snow"

    masks: MasksChoice = "auto"
    """Source of masks; `auto` uses SAM2 where a GPU and its weights are available, else colour regions."""
    model_path: str = Sam2Config().model_path
    """Folder of SAM2's weights (`config.json`, `model.safetensors`); the paper uses Hiera Large."""
    precision: Precision = "auto"
    """Inference precision of SAM2; `auto` uses bf16 on GPUs that support it, else fp16, and fp32 without a GPU."""
    prompts_at_once: int = between(64, 1)
    """Clusters prompted in one batch of SAM2; halved when out of memory."""

    points_per_cluster: int = between(4, 1)
    """Point prompts per cluster (m in the paper)."""
    rounds: int = between(1, 0)
    """Further rounds of clustering over points that no mask took (N_iter in the paper)."""
    hops: int = between(1, 0, 1)
    """Whether implausible geometry is rejected (H_hop in the paper); a second pass would find nothing new."""
    temporal_window: int = between(10, 1)
    """Number of past frames in which an object can be found again (T in the paper)."""

    stride: int = between(4, 1)
    """Pixel stride of the point cloud on the analysis grid. Our choice."""
    min_cluster_size: int = between(10, 2)
    """HDBSCAN: minimum cluster size in points. Our choice, by figures (docs/reference/snow-baseline.md)."""
    min_samples: int = between(5, 1)
    """HDBSCAN: number of neighbours that density is estimated from. Our choice."""
    repeat_iou_thresh: float = between(0.7, 0, 1)
    """IoU above which the lower-scored of two masks is dropped. Our choice."""

    max_extent_m: float = between(50.0, 0)
    """Maximum length of an object in metres; metric depth only. Our choice."""
    max_aspect: float = between(20.0, 1)
    """Maximum ratio of an object's length to its width. Our choice."""
    max_speed_m_s: float = between(30.0, 0)
    """Maximum speed of an object between two observations, in m/s; metric depth only. Our choice."""
    max_size_change: float = between(5.0, 1)
    """Maximum factor by which an object grows or shrinks between two observations. Our choice."""

    reach_m: float = between(2.0, 1e-6)
    """Distance in metres from which the cost of distance is at its maximum; metric depth only. Our choice."""
    reach_share: float = between(0.2, 1e-6)
    """The same as a fraction of the frame's median depth, where depth is not metric. Our choice."""
    overlap_weight: float = between(0.5, 0, 1)
    """Weight of the overlap of tau against distance in the association cost. Our choice."""
    max_cost: float = between(0.7, 0, 1)
    """Maximum association cost of a match; 0 is the same place and the same cells. Our choice."""
    neighbours: int = between(3, 0)
    """Number of edges from each object to its nearest neighbours in the frame. Our choice."""


DEFAULT = SnowConfig()
