"""The configuration tree: every parameter, its default and its range.

The command line is this tree (`--sampling.target-fps 5`), presets are TOML files of the same shape, and a value out of
range is refused where it is built.
"""

import math
import re
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from fast_snow.errors import ConfigError

PromptKind = Literal["box", "point", "mask"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
FeatureStore = Literal["auto", "device", "host", "recompute"]
Residency = Literal["auto", "resident", "phased"]
VlmProvider = Literal["openai", "google"]
OpenAiApi = Literal["auto", "responses", "chat"]


def between(default: Any, low: int | float, high: int | float = math.inf) -> Any:  # noqa: ANN401 (stands for dataclasses.field)
    """Declare a number and the closed range it may take."""
    return field(default=default, metadata={"low": low, "high": high})


class Section:
    """Refuses numbers outside the range their field declares.

    Attributes:
        section: where the section stands in the tree, for messages.
    """

    __slots__ = ()
    section: ClassVar[str]

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if "low" not in each.metadata or value is None:
                continue
            low, high = each.metadata["low"], each.metadata["high"]
            if not low <= value <= high:  # also refuses NaN
                wanted = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
                raise ConfigError(f"{self.section}.{each.name}: got {value}, expected {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginesConfig(Section):
    """Engine for each stage; `auto` picks the best available.

    A model's name alone (`da3`) picks its fastest available backend: TensorRT, ONNX Runtime, torch. Packages can add
    engines by name (docs/own-engines.md).
    """

    section: ClassVar[str] = "engines"
    geometry: str = "auto"
    """Depth and camera poses: auto, recorded, da3, da3-torch, da3-onnx, da3-tensorrt or classical."""
    segmenter: str = "auto"
    """Objects of each frame: auto, recorded, fastsam, fastsam-torch, fastsam-onnx, fastsam-tensorrt or classical."""
    tracker: str = "auto"
    """Objects through time: auto, recorded, sam3, sam3-hf or classical."""
    compiled_path: str = "fast_snow/models/compiled"
    """Folder of the networks that `fast-snow export-engines` compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig(Section):
    """Which frames of the input become the clip."""

    section: ClassVar[str] = "sampling"

    target_fps: float = between(10.0, 1e-3, 1e3)
    """Clip frames per second; a lower source rate is kept as it is."""
    max_frames: int | None = between(None, 1)
    """Cut the clip after so many frames."""
    max_side: int = between(1280, 0)
    """Shrink decoded frames so that their longer side has at most so many pixels; 0 keeps the source's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig(Section):
    """How a long clip is cut, so that memory stays flat with its length."""

    section: ClassVar[str] = "window"

    length: int = between(120, 2)
    """Frames that are perceived in one go."""
    overlap: int = between(12, 1)
    """Frames that neighbouring windows share; geometry and identities are joined over them."""

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.overlap >= self.length:
            raise ConfigError(f"window.overlap: got {self.overlap}, expected less than window.length, {self.length}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FastSamConfig(Section):
    """FastSAM, and the discovery of new objects among detections of any engine."""

    section: ClassVar[str] = "fastsam"

    model_path: str = "fast_snow/models/fastsam/FastSAM-s.pt"
    """Weights."""
    conf_threshold: float = between(0.55, 0, 1)
    """Detections below this score are dropped."""
    iou_threshold: float = between(0.9, 0, 1)
    """Non-maximum suppression above this box IoU."""
    imgsz: int = between(640, 32)
    """Longer side of the network's input in pixels."""
    max_det: int = between(200, 1)
    """Detections per frame, best first."""
    batch_size: int = between(16, 1)
    """Frames per forward pass; halved where memory does not suffice."""
    discovery_iou_thresh: float = between(0.3, 0, 1)
    """A detection is a new object where its IoU with every tracked mask is below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam3Config(Section):
    """SAM3, as the tracker of prompted objects."""

    section: ClassVar[str] = "sam3"

    model_path: str = "fast_snow/models/sam3"
    """Folder of the weights: `sam3.pt` for `sam3`, `model.safetensors` and `config.json` for `sam3-hf`."""
    first_prompt: PromptKind = "box"
    """How the objects of the first pass are started."""
    discovery_prompt: PromptKind = "point"
    """How the objects that are discovered later are started."""
    precision: Precision = "auto"
    """Arithmetic of the network; `auto` takes bf16 on GPUs that have it, else fp16, and fp32 without a GPU."""
    object_batch: int = between(0, 0)
    """Objects that are tracked at once; 0 takes what fits."""
    features: FeatureStore = "auto"
    """Where image features wait for the second pass: GPU memory, pinned host memory, or computed again."""
    score_threshold_detection: float = between(0.3, 0, 1)
    """Masks that the tracker scores below this are dropped."""
    offload_state_to_cpu: bool = True
    """Keep the tracker's memory in host memory."""
    offload_video_to_cpu: bool = True
    """Keep the frames in host memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Da3Config(Section):
    """Depth Anything 3."""

    section: ClassVar[str] = "da3"

    model_path: str = "fast_snow/models/da3-small"
    """Folder of the weights (`config.json`, `model.safetensors`), or a variant's name: `da3-base`, `da3-large` …"""
    process_res: int = between(504, 14)
    """Longer side of the network's input in pixels."""
    chunk_size: int = between(0, 0)
    """Frames per forward pass; 0 takes the whole window."""
    chunk_overlap: int = between(5, 0)
    """Frames that neighbouring chunks share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFilterConfig(Section):
    """Which depth is believed, and which objects are kept."""

    section: ClassVar[str] = "depth_filter"

    conf_thresh: float = between(0.5, 0, 1)
    """Pixels whose depth confidence is below this are dropped."""
    min_points: int = between(50, 1)
    """Objects with fewer usable pixels are dropped from that frame."""
    max_extent: float = between(30.0, 0)
    """Objects longer than this along any axis are dropped from that frame, in metres; only where depth is metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig(Section):
    """When two masklets are one object, and when an object is gone."""

    section: ClassVar[str] = "fusion"

    cross_run_iou_thresh: float = between(0.5, 0, 1)
    """Masks of different runs are one object above this IoU."""
    merge_centroid_dist_m: float = between(2.0, 0)
    """... and where their centroids are closer than this, in metres; only where depth is metric."""
    merge_temporal_gap: int = between(2, 0)
    """... and where the object was last seen at most so many frames ago."""
    lost_patience: int = between(5, 1)
    """An object is lost after so many missed frames in a row."""
    archive_patience: int = between(30, 0)
    """A lost object is archived after so many further ones: it takes no more part in fusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig(Section):
    """STEP tokens and the window M_t over them."""

    section: ClassVar[str] = "step"

    grid_size: int = between(16, 1, 256)
    """Tau counts cells of a grid of this many rows and columns."""
    iou_threshold: float = between(0.5, 0, 1)
    """A cell is kept where more than this share of its pixels is inside the mask."""
    max_tau_per_step: int = between(0, 0)
    """Keep only so many cells per token, those with the highest share; 0 keeps all."""
    mask_margin: int = between(2, 0, 16)
    """Take c and s from pixels more than so many inside the mask, of the analysis grid; 0 takes all."""
    temporal_window: int = between(10, 0)
    """Frames that the view M_t spans; 0 spans the whole clip."""
    window_stride: int = between(1, 1)
    """The view takes every so many-th frame, counted back from t."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VlmConfig(Section):
    """The vision-language model that answers questions."""

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
    """Offer the spatial tools to the model."""
    max_rounds: int = between(8, 1)
    """Maximum rounds of tool calls."""
    prompt_budget: int = between(200_000, 1000)
    """Maximum prompt length in tokens; graphs that exceed it are reduced, and the answer reports what was left out."""
    max_keyframes: int = between(16, 0)
    """Maximum number of keyframes sent to the model, evenly spaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalGeometryConfig(Section):
    """Structure from motion and optical-flow triangulation, without weights."""

    section: ClassVar[str] = "classical.geometry"

    process_res: int = between(504, 14)
    """Longer side of the analysis grid in pixels; never more than the image's."""
    sfm_res: int = between(640, 64)
    """Longer side of the images in which points are followed for the camera's path."""
    max_points: int = between(500, 50, 10_000)
    """Points that are followed at once."""
    max_gap: int = between(12, 1)
    """Depth is triangulated between frames at most so many apart."""
    min_registered: float = between(0.8, 0, 1)
    """Structure from motion counts only where it places at least this share of the frames."""
    min_baseline: float = between(0.15, 0)
    """... where the camera moves by this share of the typical depth ..."""
    min_measured: float = between(0.2, 0, 1)
    """... and where this share of the pixels gets a depth that can be trusted; else depth is a ground-plane guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalSegmenterConfig(Section):
    """Regions from colour, motion and depth edges, without weights."""

    section: ClassVar[str] = "classical.segmenter"

    max_regions: int = between(30, 1)
    """Detections per frame, best first."""
    min_score: float = between(0.25, 0, 1)
    """Regions that look less like an object are dropped."""
    min_area: float = between(0.0025, 0, 1)
    """Regions smaller than this share of the frame are dropped."""
    max_area: float = between(0.4, 0, 1)
    """Regions larger than this share of the frame are background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalTrackerConfig(Section):
    """Masks carried by optical flow, without weights."""

    section: ClassVar[str] = "classical.tracker"

    min_resemblance: float = between(0.3, 0, 1)
    """A masklet ends where its colours resemble those prompted less than this (Bhattacharyya coefficient)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalConfig:
    """The engines that need no weights."""

    geometry: ClassicalGeometryConfig = ClassicalGeometryConfig()
    segmenter: ClassicalSegmenterConfig = ClassicalSegmenterConfig()
    tracker: ClassicalTrackerConfig = ClassicalTrackerConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig(Section):
    """What a run writes beside the graph."""

    section: ClassVar[str] = "output"

    keyframe_every: int = between(10, 1)
    """Every so many-th clip frame becomes a keyframe."""
    jpeg_quality: int = between(90, 1, 100)
    """JPEG quality of keyframes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig(Section):
    """How the work is done."""

    section: ClassVar[str] = "runtime"

    device: str = "auto"
    """Where torch and ONNX Runtime compute: `auto`, `cpu`, `cuda` or `cuda:N`; `auto` takes the first GPU if any."""
    residency: Residency = "auto"
    """Whether engines stay loaded between windows; `auto` keeps them on GPUs of 24 GB and more, and on CPUs."""

    threads: int = between(0, 0)
    """Threads that kernels and classical engines may use; 0 takes one per core."""
    seed: int = between(0, 0, 2**31 - 1)
    """Seed of everything that draws random numbers."""
    queue_length: int = between(1, 1)
    """Perceived windows that may wait for folding."""

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is None:
            raise ConfigError(f"runtime.device: got {self.device!r}, expected auto, cpu, cuda or cuda:N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a run can be told."""

    engines: EnginesConfig = EnginesConfig()
    sampling: SamplingConfig = SamplingConfig()
    window: WindowConfig = WindowConfig()
    fastsam: FastSamConfig = FastSamConfig()
    sam3: Sam3Config = Sam3Config()
    da3: Da3Config = Da3Config()
    depth_filter: DepthFilterConfig = DepthFilterConfig()
    fusion: FusionConfig = FusionConfig()
    step: StepConfig = StepConfig()
    vlm: VlmConfig = VlmConfig()
    classical: ClassicalConfig = ClassicalConfig()
    output: OutputConfig = OutputConfig()
    runtime: RuntimeConfig = RuntimeConfig()
