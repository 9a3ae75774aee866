"""Which engine serves which slot: the only place that knows all engines."""

from fast_snow.selection.candidates import Skipped
from fast_snow.selection.selecting import Engines, EngineUse, Selection, reads, select_engines

__all__ = ["EngineUse", "Engines", "Selection", "Skipped", "reads", "select_engines"]
