"""Fast-SNOW: a video becomes a 4D scene graph that a vision-language model can reason over.

    import fast_snow
    result = fast_snow.build_graph("video.mp4")
    result.save("out")

What `__all__` names is public and kept stable; the rest may change. Names are imported when they are first used, so
that one stage can be had without the rest.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_snow.api import Result as Result
    from fast_snow.api import build_graph as build_graph
    from fast_snow.api import load as load
    from fast_snow.api import stream as stream
    from fast_snow.batching.report import BatchResult as BatchResult
    from fast_snow.batching.report import BatchRow as BatchRow
    from fast_snow.batching.resources import Resources as Resources
    from fast_snow.batching.running import batch as batch
    from fast_snow.config import Config as Config
    from fast_snow.engines.from_functions import GeometryFunction as GeometryFunction
    from fast_snow.engines.from_functions import SegmenterFunction as SegmenterFunction
    from fast_snow.errors import ConfigError as ConfigError
    from fast_snow.errors import EngineError as EngineError
    from fast_snow.errors import FastSnowError as FastSnowError
    from fast_snow.errors import FastSnowWarning as FastSnowWarning
    from fast_snow.errors import InputError as InputError
    from fast_snow.errors import OutputError as OutputError
    from fast_snow.errors import UserError as UserError
    from fast_snow.inputs import open_input as open_input
    from fast_snow.inputs.recording import Recording as Recording
    from fast_snow.inputs.recording import recording_from_arrays as recording_from_arrays
    from fast_snow.inputs.recording_folder import read_recording_folder as read_recording_folder
    from fast_snow.merges import undo_merge as undo_merge
    from fast_snow.output.graph_json import validate as validate
    from fast_snow.output.graph_json import write as write
    from fast_snow.protocols import GeometryEngine as GeometryEngine
    from fast_snow.protocols import Segmenter as Segmenter
    from fast_snow.protocols import Tracker as Tracker
    from fast_snow.protocols import TrackingSession as TrackingSession
    from fast_snow.reasoning.answering import Answer as Answer
    from fast_snow.reasoning.answering import ask as ask
    from fast_snow.reasoning.tools.catalogue import call_tool as call_tool
    from fast_snow.selection import Engines as Engines
    from fast_snow.types import BoxPrompt as BoxPrompt
    from fast_snow.types import DepthOrigin as DepthOrigin
    from fast_snow.types import Detections as Detections
    from fast_snow.types import Ego as Ego
    from fast_snow.types import Frames as Frames
    from fast_snow.types import Geometry as Geometry
    from fast_snow.types import GeometryPrior as GeometryPrior
    from fast_snow.types import ImageRegion as ImageRegion
    from fast_snow.types import Keyframe as Keyframe
    from fast_snow.types import LabelledMasks as LabelledMasks
    from fast_snow.types import MaskPrompt as MaskPrompt
    from fast_snow.types import Masks as Masks
    from fast_snow.types import Merge as Merge
    from fast_snow.types import PointPrompt as PointPrompt
    from fast_snow.types import SceneGraph as SceneGraph
    from fast_snow.types import Segmentation as Segmentation
    from fast_snow.types import Sighting as Sighting
    from fast_snow.types import StepToken as StepToken
    from fast_snow.types import Track as Track
    from fast_snow.types import TrackedFrame as TrackedFrame

__version__: str

_MODULES = {
    "api": ("Result", "build_graph", "load", "stream"),
    "batching.report": ("BatchResult", "BatchRow"),
    "batching.resources": ("Resources",),
    "batching.running": ("batch",),
    "config": ("Config",),
    "engines.from_functions": ("GeometryFunction", "SegmenterFunction"),
    "errors": (
        "ConfigError",
        "EngineError",
        "FastSnowError",
        "FastSnowWarning",
        "InputError",
        "OutputError",
        "UserError",
    ),
    "inputs": ("open_input",),
    "inputs.recording": ("Recording", "recording_from_arrays"),
    "inputs.recording_folder": ("read_recording_folder",),
    "merges": ("undo_merge",),
    "output.graph_json": ("validate", "write"),
    "protocols": ("GeometryEngine", "Segmenter", "Tracker", "TrackingSession"),
    "reasoning.answering": ("Answer", "ask"),
    "reasoning.tools.catalogue": ("call_tool",),
    "selection": ("Engines",),
    "types": (
        "BoxPrompt",
        "DepthOrigin",
        "Detections",
        "Ego",
        "Frames",
        "Geometry",
        "GeometryPrior",
        "ImageRegion",
        "Keyframe",
        "LabelledMasks",
        "MaskPrompt",
        "Masks",
        "Merge",
        "PointPrompt",
        "SceneGraph",
        "Segmentation",
        "Sighting",
        "StepToken",
        "Track",
        "TrackedFrame",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("fast-snow")
    if name in _HOME:
        return getattr(import_module(f"fast_snow.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fast_snow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
