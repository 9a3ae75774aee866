"""What an export reads: a run's graph, and its masks and images when a format asks for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from fast_snow.errors import InputError
from fast_snow.types import LabelledMasks, SceneGraph, Sighting, StepToken
from fast_snow.viewing.rerun_recording import ShownRun

Images = Iterator[tuple[int, UInt8[np.ndarray, "height width 3"]]]
Depths = Iterator[tuple[int, Shaped[np.ndarray, "_ _"]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSource:
    """A finished run: graph and record, what opens masks, images and depth images in order, a frame for relations."""

    graph: SceneGraph
    masks: Callable[[], Iterator[LabelledMasks]]
    images: Callable[[], Images] = lambda: iter(())
    depths: Callable[[], Depths] = lambda: iter(())
    record: Mapping[str, Any] = field(default_factory=dict)
    relations_at: int | None = None

    def frames(self) -> Iterator[LabelledMasks]:
        """Yield the masks of each frame of the graph that has any.

        Raises:
            InputError: the run has tracks, but no masks.
        """
        known, some = set(self.graph.ego.t.tolist()), False
        for frame in self.masks():
            some = True
            if frame.t in known and len(frame.object_id):
                yield frame
        if self.graph.tracks and not some:
            raise InputError("masks/: none in the run, expected those that infer wrote; run infer again")

    def shown(self) -> ShownRun:
        """Return what a viewer shows."""
        return ShownRun(
            graph=self.graph, masks=self.frames(), images=self.images(), depths=self.depths(), record=self.record
        )


def sightings(graph: SceneGraph) -> Iterator[tuple[int, StepToken | Sighting]]:
    """Yield every object at every frame in which it is seen, placed in the world or not, by track."""
    for object_id, track in graph.tracks.items():
        for token in track.observations:
            yield object_id, token
        for sighting in track.unplaced:
            yield object_id, sighting
