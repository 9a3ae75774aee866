"""Which engine serves which slot: the only place that knows all engines."""

from fast_snow.composition.candidates import PassedOver
from fast_snow.composition.composing import Composition, Engines, EngineUse, compose, reads

__all__ = ["Composition", "EngineUse", "Engines", "PassedOver", "compose", "reads"]
