"""The configuration tree, which command line and presets follow: every parameter, its default and its range."""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from fast_snow.config.networks import Da3Config as Da3Config
from fast_snow.config.networks import EdgeTamConfig as EdgeTamConfig
from fast_snow.config.networks import FastSamConfig as FastSamConfig
from fast_snow.config.networks import FeatureStore as FeatureStore
from fast_snow.config.networks import MetricDepthConfig as MetricDepthConfig
from fast_snow.config.networks import Offload as Offload
from fast_snow.config.networks import Precision as Precision
from fast_snow.config.networks import PromptKind as PromptKind
from fast_snow.config.networks import Sam2Config as Sam2Config
from fast_snow.config.networks import Sam3Config as Sam3Config
from fast_snow.config.networks import VideoTrackerConfig as VideoTrackerConfig
from fast_snow.config.section import Section as Section
from fast_snow.config.section import between as between
from fast_snow.config.sources import LiveConfig as LiveConfig
from fast_snow.config.sources import SourceConfig as SourceConfig
from fast_snow.errors import ConfigError

Residency = Literal["auto", "resident", "phased"]
VlmProvider = Literal["openai", "google"]
OpenAiApi = Literal["auto", "responses", "chat"]
MaskMargin = int | Literal["auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginesConfig(Section):
    """Engine for each stage; `auto` picks the best available.

    A model's name (`da3`) picks its best available backend. Packages can add engines by name (docs/own-engines.md).
    """

    section: ClassVar[str] = "engines"
    geometry: str = "auto"
    """Depth and camera poses: auto, recorded, da3, da3-torch, da3-onnx, da3-tensorrt or classical."""
    segmenter: str = "auto"
    """Object masks per frame: auto, recorded, fastsam, fastsam-torch, fastsam-onnx, fastsam-tensorrt, sam2 or
    classical."""
    tracker: str = "auto"
    """Object tracking: auto, recorded, sam3.1, sam3, sam3-hf, edgetam or classical."""
    metric_depth: str = "none"
    """Depth in metres of a few frames, which gives an unscaled graph its scale: none, da3metric or yolo26-depth."""
    compiled_path: str = "fast_snow/models/compiled"
    """Folder of the networks compiled by `fast-snow export-engines`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig(Section):
    """Temporal and spatial sampling of the input."""

    section: ClassVar[str] = "sampling"
    target_fps: float = between(10.0, 1e-3, 1e3)
    """Frames per second of the clip; never more than the source has."""
    max_frames: int | None = between(None, 1)
    """Maximum frames of the clip."""
    max_side: int = between(1280, 0)
    """Maximum length of the longer image side, in pixels; larger frames are downscaled (0: no limit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig(Section):
    """Sliding window; bounds memory on long clips."""

    section: ClassVar[str] = "window"
    length: int = between(120, 2)
    """Frames per window."""
    overlap: int = between(12, 1)
    """Frames shared by consecutive windows; geometry and identities are matched over them."""
    split_at_cuts: bool = True
    """Begin a new segment, with a world of its own, at hard cuts (never where poses are recorded)."""

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.overlap >= self.length:
            raise ConfigError(f"window.overlap: got {self.overlap}, expected less than window.length, {self.length}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig(Section):
    """Which objects are tracked (with any segmenter and tracker)."""

    section: ClassVar[str] = "tracker"
    nested_thresh: float = between(0.8, 0, 1)
    """A detection or track that lies inside another by more than this share may be a part of it and is dropped (1: none
    is)."""
    max_objects: int = between(0, 0)
    """Maximum objects tracked per window, best detections first (0: no limit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFilterConfig(Section):
    """Depth and object filtering."""

    section: ClassVar[str] = "depth_filter"
    conf_thresh: float = between(0.5, 0, 1)
    """Minimum depth confidence of a pixel."""
    min_points: int = between(50, 1)
    """Minimum 3D points of an object in a frame."""
    max_extent: float = between(30.0, 0)
    """Maximum extent of an object along any axis, in metres (metric depth only)."""
    remove_outliers: bool = True
    """Exclude points that a gap in depth separates from the rest of their object; never where depth and masks are both
    recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig(Section):
    """Association of masklets to objects, and their life cycle."""

    section: ClassVar[str] = "fusion"
    cross_run_iou_thresh: float = between(0.5, 0, 1)
    """IoU above which masklets from different propagations are merged."""
    merge_centroid_dist_m: float = between(2.0, 0)
    """Maximum distance between the centroids of merged masklets, in metres (metric depth only)."""
    merge_temporal_gap: int = between(2, 0)
    """Maximum frames since an object was last seen for a new masklet to continue it."""
    lost_patience: int = between(5, 1)
    """Consecutive missed frames after which an object is lost."""
    archive_patience: int = between(30, 0)
    """Further missed frames after which a lost object is archived; only re-identification matches it again."""
    reidentify: bool = False
    """Recognise objects that come back after they were lost, by place, size and colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig(Section):
    """STEP tokens and the temporal window M_t."""

    section: ClassVar[str] = "step"
    grid_size: int = between(16, 1, 256)
    """Rows and columns of the image grid for tau."""
    iou_threshold: float = between(0.5, 0, 1)
    """Minimum fraction of a grid cell inside the mask."""
    max_tau_per_step: int = between(0, 0)
    """Maximum cells per token, highest coverage first (0: no limit)."""
    mask_margin: MaskMargin = between("auto", 0, 16)
    """Erosion of the mask before c and s are measured, in pixels of the analysis grid (0: none); `auto`: 0 where depth
    and masks are both recorded, else 2."""
    temporal_window: int = between(10, 0)
    """Frames in the window M_t (0: the whole clip)."""
    window_stride: int = between(1, 1)
    """Frame stride of the window M_t, counted back from t."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VlmConfig(Section):
    """Vision-language model for questions."""

    section: ClassVar[str] = "vlm"
    provider: VlmProvider = "openai"
    """API provider (use `openai` for any OpenAI-compatible server: vLLM, Ollama, llama.cpp and others)."""
    model: str = "gpt-5.2"
    """Model name."""
    base_url: str | None = None
    """Base URL of the server, like http://localhost:8000/v1 (default: the provider's own)."""
    api: OpenAiApi = "auto"
    """OpenAI API to use: `responses` or `chat`; `auto` picks `responses`, or `chat` if `base_url` is set."""
    max_output_tokens: int = between(1024, 1)
    """Maximum output tokens, reasoning included."""
    temperature: float = between(1.0, 0, 2)
    """Sampling temperature; the default, 1, is not sent to the provider's own servers."""
    timeout_s: float = between(120.0, 0.1)
    """Timeout of one request in seconds."""
    max_retries: int = between(4, 0)
    """Maximum retries per request (exponential backoff)."""
    tools: bool = True
    """Let the model call the spatial tools."""
    max_rounds: int = between(8, 1)
    """Maximum rounds of tool calls."""
    prompt_budget: int = between(200_000, 1000)
    """Maximum prompt length in tokens; graphs that exceed it are reduced, and the answer reports what was left out."""
    max_keyframes: int = between(16, 0)
    """Maximum number of keyframes sent to the model, evenly spaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalGeometryConfig(Section):
    """Structure from motion and optical-flow triangulation (no weights)."""

    section: ClassVar[str] = "classical.geometry"
    process_res: int = between(504, 14)
    """Longer side of the depth maps, in pixels; at most that of the image."""
    sfm_res: int = between(640, 64)
    """Longer side of the images for point tracking, in pixels."""
    max_points: int = between(500, 50, 10_000)
    """Maximum tracked points per frame."""
    max_gap: int = between(12, 1)
    """Maximum frame gap for triangulation."""
    min_registered: float = between(0.8, 0, 1)
    """Minimum fraction of registered frames for SfM to be accepted."""
    min_baseline: float = between(0.15, 0)
    """Minimum baseline, as a fraction of median depth, for SfM to be accepted."""
    min_measured: float = between(0.2, 0, 1)
    """Minimum fraction of pixels with reliable depth for SfM to be accepted; else a ground plane is assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalSegmenterConfig(Section):
    """Objects from motion, and from planes and steps of depth (no weights)."""

    section: ClassVar[str] = "classical.segmenter"
    max_regions: int = between(30, 1)
    """Maximum detections per frame."""
    min_score: float = between(0.22, 0, 1)
    """Minimum objectness of a region."""
    min_area: float = between(0.0025, 0, 1)
    """Minimum area of a region, as a fraction of the frame."""
    max_area: float = between(0.4, 0, 1)
    """Maximum area of a region, as a fraction of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalTrackerConfig(Section):
    """Mask propagation by optical flow (no weights)."""

    section: ClassVar[str] = "classical.tracker"
    min_resemblance: float = between(0.3, 0, 1)
    """Minimum colour similarity to the prompted object (Bhattacharyya coefficient); a masklet ends below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalConfig:
    """Engines that need no weights."""

    geometry: ClassicalGeometryConfig = ClassicalGeometryConfig()
    segmenter: ClassicalSegmenterConfig = ClassicalSegmenterConfig()
    tracker: ClassicalTrackerConfig = ClassicalTrackerConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig(Section):
    """Files written beside the graph."""

    section: ClassVar[str] = "output"
    keyframe_every: int = between(10, 1)
    """Save every N-th frame of the clip as a keyframe."""
    jpeg_quality: int = between(90, 1, 100)
    """JPEG quality of keyframes."""
    keep_perception: bool = False
    """Keep what the engines answered, one file per window in OUT/perception: `fast-snow rebuild OUT` folds it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig(Section):
    """Devices, threads and memory."""

    section: ClassVar[str] = "runtime"
    device: str = "auto"
    """Device of torch and ONNX Runtime: auto, cpu, cuda or cuda:N; `auto`: the first GPU, if any."""
    residency: Residency = "auto"
    """Keep engines loaded between windows; `auto`: on CPU and on GPUs with at least 24 GB."""
    threads: int = between(0, 0)
    """Threads for kernels and classical engines (0: one per core)."""
    seed: int = between(0, 0, 2**31 - 1)
    """Random seed."""
    queue_length: int = between(1, 1)
    """Maximum perceived windows waiting to be merged into the graph."""

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is None:
            raise ConfigError(f"runtime.device: got {self.device!r}, expected auto, cpu, cuda or cuda:N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a run."""

    engines: EnginesConfig = EnginesConfig()
    source: SourceConfig = SourceConfig()
    sampling: SamplingConfig = SamplingConfig()
    live: LiveConfig = LiveConfig()
    window: WindowConfig = WindowConfig()
    fastsam: FastSamConfig = FastSamConfig()
    sam2: Sam2Config = Sam2Config()
    tracker: TrackerConfig = TrackerConfig()
    sam3: Sam3Config = Sam3Config()
    edgetam: EdgeTamConfig = EdgeTamConfig()
    da3: Da3Config = Da3Config()
    metric_depth: MetricDepthConfig = MetricDepthConfig()
    depth_filter: DepthFilterConfig = DepthFilterConfig()
    fusion: FusionConfig = FusionConfig()
    step: StepConfig = StepConfig()
    vlm: VlmConfig = VlmConfig()
    classical: ClassicalConfig = ClassicalConfig()
    output: OutputConfig = OutputConfig()
    runtime: RuntimeConfig = RuntimeConfig()
