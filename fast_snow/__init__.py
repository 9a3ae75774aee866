"""Fast-SNOW: a video becomes a 4D scene graph that a vision-language model can reason over.

    import fast_snow
    result = fast_snow.build_graph("video.mp4")
    result.save("out")

Attributes are imported when they are first used, so that one stage can be had without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_snow.api import Result, build_graph, load, stream
    from fast_snow.config import Config
    from fast_snow.errors import FastSnowError, UserError
    from fast_snow.reasoning.answering import Answer, ask
    from fast_snow.types import SceneGraph

__all__ = [
    "Answer",
    "Config",
    "FastSnowError",
    "Result",
    "SceneGraph",
    "UserError",
    "ask",
    "build_graph",
    "load",
    "stream",
]

_HOME = {
    "Answer": "reasoning.answering",
    "Config": "config",
    "FastSnowError": "errors",
    "Result": "api",
    "SceneGraph": "types",
    "UserError": "errors",
    "ask": "reasoning.answering",
    "build_graph": "api",
    "load": "api",
    "stream": "api",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"fast_snow.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fast_snow' has no attribute {name!r}")
