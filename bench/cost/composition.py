"""Which components a tracker calls for a window: over frames, objects and the frames in which they are prompted."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from bench.cost.costs import NOTHING, Cost, Network

Sweeps = Literal["apart", "together", "one by one"]
"""How objects of different prompt frames are carried.

`apart`: those of one prompt frame sweep the window by themselves. `together`: one sweep forward and one backward carry
everyone that takes part in a frame. `one by one`: every object sweeps by itself.
"""
ENGINE_SWEEPS: Sweeps = "together"
"""How the engine `sam3` carries them."""
BATCH = 64
"""Objects that the engine `sam3` carries at once where memory allows."""
Calls = Counter[tuple[str, int]]
"""How often a component is called, for how many objects at once."""


def spread(objects: int, starts: int, frames: int) -> list[int]:
    """Return the prompt frame of each object, spread evenly: the first is the first frame of the window."""
    return [k % starts * frames // starts for k in range(objects)]


def calls(prompted: Sequence[int], frames: int, sweeps: Sweeps, batch: int = BATCH) -> Calls:
    """Return the calls for a window.

    Args:
        prompted: the prompt frame of each object.
        frames: of the window.
        sweeps: how objects are carried.
        batch: objects that are carried at once.

    Returns:
        One image per frame, every object once in its prompt frame and once in every other frame.
    """
    made: Calls = Counter({("encode", 1): frames})
    groups = [1] * len(prompted) if sweeps == "one by one" else list(Counter(prompted).values())
    for group in groups:
        for together in _batches(group, batch):
            made["start", together] += 1
            if sweeps != "together":
                made["step", together] += frames - 1
    if sweeps == "together":
        for t in range(frames):
            for taking_part in (sum(start < t for start in prompted), sum(start > t for start in prompted)):
                made.update(("step", together) for together in _batches(taking_part, batch))
    return made


def _batches(count: int, batch: int) -> list[int]:
    return [min(batch, count - k) for k in range(0, count, batch)]


def cost(network: Network, made: Calls) -> Cost:
    """Return what calls cost together."""
    total = NOTHING
    for (component, objects), times in made.items():
        total += network.of(component, objects) * times
    return total
