"""Which objects share a state of SAM 3.1's tracker: as upstream fills its buckets.

A sweep goes through the window in one direction. Objects join the sweep in the frame in which they are prompted: all of
a frame together, in the state whose free slots are fewest among those that suffice; where none does, in a new state
with as many buckets as they need. A state never gets more buckets: its memory of earlier frames has none for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Joining = Mapping[int, Sequence[int]]
"""The objects of one state, by the frame in which they join, in the order of the sweep."""


@dataclass(slots=True)
class _State:
    joining: dict[int, list[int]]
    free: int


def states_of_sweep(prompted_at: Sequence[int], *, frames: int, bucket: int, most: int, reverse: bool) -> list[Joining]:
    """Return the objects of every state, by index; each is prompted in a frame of the window.

    A state carries at most `most`, at least 1. Who is prompted in the last frame of the sweep has nothing to be
    followed through.
    """
    last = 0 if reverse else frames - 1
    states: list[_State] = []
    for frame in sorted({at for at in prompted_at if at != last}, reverse=reverse):
        together = [i for i, at in enumerate(prompted_at) if at == frame]
        for k in range(0, len(together), most):
            _join(states, frame, together[k : k + most], bucket=bucket, most=most)
    return [each.joining for each in states]


def _join(states: list[_State], frame: int, objects: list[int], *, bucket: int, most: int) -> None:
    # One batch joins a state per frame: the second piece of a frame that was cut needs another.
    suitable = [each for each in states if each.free >= len(objects) and frame not in each.joining]
    if suitable:
        state = min(suitable, key=lambda each: each.free)
    else:
        slots = -(-len(objects) // bucket) * bucket
        state = _State({}, min(slots, most))
        states.append(state)
    state.joining[frame] = objects
    state.free -= len(objects)
