"""Sections of the trained networks: FastSAM, SAM 2.1, Depth Anything 3, SAM3 and EdgeTAM."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fast_snow.config.section import Section, between

PromptKind = Literal["box", "point", "mask"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
Offload = bool | Literal["auto"]
FeatureStore = Literal["auto", "device", "host", "recompute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FastSamConfig(Section):
    """FastSAM segmentation, and discovery of new objects (with any segmenter)."""

    section: ClassVar[str] = "fastsam"
    model_path: str = "fast_snow/models/fastsam/FastSAM-s.pt"
    """Path of the weights."""
    conf_threshold: float = between(0.55, 0, 1)
    """Minimum score of a detection."""
    iou_threshold: float = between(0.9, 0, 1)
    """Box IoU threshold of non-maximum suppression."""
    imgsz: int = between(640, 32)
    """Longer side of the network's input in pixels."""
    max_det: int = between(200, 1)
    """Maximum detections per frame."""
    batch_size: int = between(16, 1)
    """Frames per forward pass; halved when out of memory."""
    discovery_iou_thresh: float = between(0.3, 0, 1)
    """A detection is a new object if its mask IoU with every tracked masklet is below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam2Config(Section):
    """SAM 2.1 segmentation: masks at the points of a grid."""

    section: ClassVar[str] = "sam2"
    model_path: str = "fast_snow/models/sam2"
    """Folder of the weights (`config.json`, `model.safetensors`), or a variant's name: `sam2-tiny`, `sam2-small` …"""
    precision: Precision = "auto"
    """Inference precision; `auto`: bf16 on GPUs that support it, else fp16; fp32 on CPU."""
    points_per_side: int = between(32, 1, 256)
    """Rows and columns of the grid of points."""
    points_per_batch: int = between(64, 1)
    """Points per forward pass of the mask decoder; halved when out of memory."""
    pred_iou_thresh: float = between(0.8, 0, 1)
    """Minimum predicted IoU of a mask, which is its score."""
    stability_score_thresh: float = between(0.95, 0, 1)
    """Minimum IoU of a mask with itself when the mask threshold is raised and lowered by 1 (0: any)."""
    box_nms_thresh: float = between(0.7, 0, 1)
    """Box IoU threshold of non-maximum suppression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDepthConfig(Section):
    """The metric depth network that gives an unscaled graph its scale (with `engines.metric_depth`)."""

    section: ClassVar[str] = "metric_depth"
    model_path: str = "da3metric-large"
    """Folder of the weights, or `da3metric-large`; the `.pt` file of YOLO26-depth."""
    error: float | None = between(None, 1e-3, 1)
    """Systematic error of the network's scale, as a share (default: 0.15; 0.3 for yolo26-depth)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Da3Config(Section):
    """Depth Anything 3: depth and camera poses."""

    section: ClassVar[str] = "da3"
    model_path: str = "fast_snow/models/da3-small"
    """Folder of the weights (`config.json`, `model.safetensors`), or a variant's name: `da3-base`, `da3-large` …"""
    process_res: int = between(504, 14)
    """Longer side of the network's input in pixels."""
    chunk_size: int = between(0, 0)
    """Frames per forward pass (0: the whole window)."""
    chunk_overlap: int = between(5, 0)
    """Frames shared by consecutive chunks, which are aligned over them."""
    conf_floor: float = between(1.05, 1)
    """Minimum raw confidence (1 to infinity) of a pixel's depth; the two percentiles below adapt it to each window."""
    conf_percentile: float = between(40.0, 0, 100)
    """Pixels below this percentile of the window's raw confidence are rejected, whatever the floor."""
    conf_max_percentile: float = between(90.0, 0, 100)
    """Pixels above this percentile of the window's raw confidence are accepted, whatever the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrackerConfig(Section):
    """Video tracking from prompts with a network of the SAM family."""

    model_path: str
    """Folder of the weights."""
    first_prompt: PromptKind = "box"
    """Prompt type for objects of the first frame."""
    discovery_prompt: PromptKind = "point"
    """Prompt type for objects discovered later."""
    precision: Precision = "auto"
    """Inference precision; `auto`: bf16 on GPUs that support it, else fp16; fp32 on CPU."""
    object_batch: int = between(0, 0)
    """Objects per batch (0: as many as fit in memory)."""
    features: FeatureStore = "auto"
    """Image features for the second pass: keep on the device, on the host, or recompute."""
    propagate_every: int = between(1, 1)
    """Track every n-th frame; masks in between are carried by optical flow."""
    score_threshold_detection: float = between(0.3, 0, 1)
    """Minimum score of a tracked mask."""
    offload_video_to_cpu: bool = True
    """Keep video frames in host memory (saves GPU memory)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam3Config(VideoTrackerConfig):
    """SAM3 video tracking from prompts."""

    section: ClassVar[str] = "sam3"
    model_path: str = "fast_snow/models/sam3"
    """Folder of the weights: `sam3.1_multiplex.pt`, `sam3.pt`, or `model.safetensors` and `config.json` (`sam3-hf`)."""
    fp8_attention: bool = False
    """`sam3` on Hopper GPUs: memory attention by FlashAttention 3 in fp8, as upstream offers; not measured yet."""
    compile_decoder: bool = False
    """`sam3`: compile mask decoder and memory encoder with torch.compile, as upstream offers; not measured yet."""
    offload_state_to_cpu: Offload = True
    """Keep the tracker's memory bank in host memory (saves GPU memory); `auto`: where the GPU has no room for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTamConfig(VideoTrackerConfig):
    """EdgeTAM video tracking from prompts."""

    section: ClassVar[str] = "edgetam"
    model_path: str = "fast_snow/models/edgetam"
    """Folder of the weights (`config.json`, `model.safetensors`)."""
