"""Objects that were seen in a frame but not placed in the world, for lack of trusted depth: which they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int32

from fast_snow.fusion import FrameObjects, MaskletName
from fast_snow.identity import IdentityState
from fast_snow.types import NO_SOURCE, Sightings, TrackedFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnplacedFrame:
    """The masklets of one frame that could not be placed, and what is known of them in the image."""

    t: int
    tracked: TrackedFrame
    sightings: Sightings

    def objects(
        self, bound: Mapping[MaskletName, int], placed: Int32[np.ndarray, " m"], known: Mapping[int, object]
    ) -> dict[int, int]:
        """Find out which of the `known` objects these are: by id, the index of its masklet (that of the highest score).

        Masklets are `bound` to objects; those that are `placed` in the frame are not looked for.
        """
        found: dict[int, int] = {}
        for i in np.argsort(-self.tracked.score, kind="stable").tolist():
            source_id, name = int(self.tracked.source_id[i]), self.tracked.names[i]
            object_id = source_id if source_id != NO_SOURCE else bound.get(name)
            if object_id is not None and object_id in known and object_id not in placed and object_id not in found:
                found[object_id] = i
        return found


def keep_alive(state: IdentityState, frame: UnplacedFrame, placed: Int32[np.ndarray, " m"]) -> IdentityState:
    """Count what was seen in a frame without being placed as not missed, and remember where in the image it was.

    The state is what `assign` left of the same frame, `placed` are the objects that could be.
    """
    rows = state.last_seen.rows
    found = frame.objects(state.bound, placed, rows)
    if not found:
        return state
    centroid = state.last_seen.centroid[[rows[object_id] for object_id in found]]
    seen = frame.tracked[np.array([*found.values()], np.int64)]
    seen = seen.extended(FrameObjects, t=frame.t, centroid=centroid)
    return replace(state, last_seen=state.last_seen.updated(seen, [*found]))
