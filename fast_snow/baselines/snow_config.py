"""SNOW's parameters: those that its paper gives, and those that it leaves open, which are this project's choice."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fast_snow.config import Precision, Section, between
from fast_snow.weights import SAM2_FOLDER

MasksChoice = Literal["auto", "sam2", "classical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowConfig(Section):
    """SNOW; what it shares with Fast-SNOW (geometry, depth confidence, the grid of tau) is in `Config`.

    Reference:
        SNOW, arXiv 2512.16461, sections 3 and 4.1.
    """

    section: ClassVar[str] = "snow"

    masks: MasksChoice = "auto"
    """What turns points into masks; `auto` takes SAM2 where there is a GPU and its weights, else colour regions."""
    model_path: str = str(SAM2_FOLDER)
    """Folder of SAM2's weights (`config.json`, `model.safetensors`); the paper takes Hiera Large."""
    precision: Precision = "auto"
    """Arithmetic of SAM2; `auto` takes bf16 on GPUs that have it, else fp16, and fp32 without a GPU."""
    prompts_at_once: int = between(64, 1)
    """Clusters that SAM2 is asked for at once; halved where memory does not suffice."""

    points_per_cluster: int = between(4, 1)
    """Points that stand for a cluster (the paper's m)."""
    rounds: int = between(1, 0)
    """How often points that no mask took are clustered again (the paper's N_iter)."""
    hops: int = between(1, 0, 1)
    """Whether implausible geometry is looked for (the paper's H_hop); twice would find no more than once."""
    temporal_window: int = between(10, 1)
    """An object is found again among those seen in so many frames before (the paper's T)."""

    stride: int = between(4, 1)
    """Of the analysis grid every so many-th pixel, either way, is a point of the cloud. Our choice."""
    min_cluster_size: int = between(10, 2)
    """Points of the smallest cluster. Our choice, by figures (docs/reference/snow-baseline.md)."""
    min_samples: int = between(5, 1)
    """Neighbours that HDBSCAN measures density by. Our choice."""
    repeat_iou_thresh: float = between(0.7, 0, 1)
    """Of two masks above this IoU the one with the better score stays. Our choice."""

    max_extent_m: float = between(50.0, 0)
    """Longer objects are implausible; only where depth is metric. Our choice."""
    max_aspect: float = between(20.0, 1)
    """Objects so many times longer than wide are implausible. Our choice."""
    max_speed_m_s: float = between(30.0, 0)
    """An object that would move faster is another one; only where depth is metric. Our choice."""
    max_size_change: float = between(5.0, 1)
    """An object that would grow or shrink by more is another one. Our choice."""

    reach_m: float = between(2.0, 1e-6)
    """From this distance on, objects count as far apart; only where depth is metric. Our choice."""
    reach_share: float = between(0.2, 1e-6)
    """The same as a share of the frame's median depth, where depth is not metric. Our choice."""
    overlap_weight: float = between(0.5, 0, 1)
    """How much the overlap of tau weighs against distance. Our choice."""
    max_cost: float = between(0.7, 0, 1)
    """Pairs of objects that cost more are not matched: 0 is the same place and the same cells. Our choice."""
    neighbours: int = between(3, 0)
    """Edges from each object to so many nearest ones of its frame. Our choice."""


DEFAULT = SnowConfig()
