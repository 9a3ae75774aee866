"""Metrics of a run against ground truth; the packages they need come with the extra `eval`."""

from importlib import import_module
from types import ModuleType

from fast_snow.errors import EngineError


def load_metric_package(name: str) -> ModuleType:
    """Import a module of the extra `eval`; raises EngineError where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise EngineError(f'{name}: metrics need it ({error}): uv pip install -e ".[eval]"') from error
