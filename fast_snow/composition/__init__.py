"""Which engine serves which slot: the only place that knows all engines."""

from fast_snow.composition.candidates import PassedOver
from fast_snow.composition.composing import Composition, EngineUse, compose, own_engines, reads

__all__ = ["Composition", "EngineUse", "PassedOver", "compose", "own_engines", "reads"]
