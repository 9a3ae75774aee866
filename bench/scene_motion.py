"""Does `is_moving` tell what moves? Measured on the example scene, seen without weights and from colour alone.

Run from the root of the repository: `python -m bench.scene_motion`. A track is the object, or the room, that most of
its pixels show. It moves where that object's centre travels `MOVES` or more while the track is seen. Counts what is
resting and called moving, and what moves and is called static; with and without `depth_filter.remove_outliers`, beside
how far the centroids of what rests wander (median distance from their own median, as a share of that from the camera).
"""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import tyro

from bench.object_clips import SCENE, Clip, load
from fast_snow.config import Config
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.graph import FoldState, fold, start
from fast_snow.kernels.masks import decode
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.synthetic.scene import SceneConfig, object_poses, phases
from fast_snow.types import Perception, Track

MOVES = 0.1
"""Metres."""


class Called(NamedTuple):
    """What a track is and what it is called."""

    track: int
    object_id: int
    purity: float
    moves: bool
    answer: str
    wander: float


def perceived(clip: Clip, config: Config) -> Perception:
    """Segment and track a clip by the classical engines."""
    seed, threads = config.runtime.seed, config.runtime.threads
    engines = EngineOpeners(
        geometry=lambda: nullcontext(lambda frames: clip.geometry),  # noqa: ARG005 (engines are called with the frames)
        segmenter=partial(open_segmenter, config.classical.segmenter, seed=seed, threads=threads),
        tracker=partial(open_tracker, config.classical.tracker, seed=seed, threads=threads),
    )
    return perceive(clip.window, engines=engines, config=config)


def called(clip: Clip, state: FoldState) -> list[Called]:
    """Ask of every track whether it moves."""
    shown: dict[int, np.ndarray] = {track: np.zeros(int(clip.truth.max()) + 1) for track in state.graph.tracks}
    for labelled in state.labelled:
        truth = clip.truth[labelled.t]
        for track, mask in zip(labelled.object_id.tolist(), decode(labelled.masks), strict=True):
            shown[track] += np.bincount(truth[mask], minlength=len(shown[track]))
    found = []
    for number, track in state.graph.tracks.items():
        object_id, total = int(shown[number].argmax()), shown[number].sum()
        answer = str(call_tool(state.graph, "is_moving", {"object_id": number}).value)
        purity, moves = float(shown[number][object_id] / total), _travel(object_id, track) >= MOVES
        found.append(Called(number, object_id, purity, moves, answer, _wander(track)))
    return found


def _travel(object_id: int, track: Track) -> float:
    """Return how far the centre of an object travels while a track is seen, in metres."""
    config = SceneConfig()
    for thing in config.objects:
        if thing.object_id == object_id:
            centre = object_poses(thing, phases(config))[:, :3, 3]
            seen = centre[track.observations.t]
            return float(np.linalg.norm(seen - seen[0], axis=1).max())
    return 0.0


def _wander(track: Track) -> float:
    places = track.observations.centroid
    middle = np.median(places, axis=0)
    return float(np.median(np.linalg.norm(places - middle, axis=1)) / np.linalg.norm(middle))


def main(cache: Path | None = None) -> None:
    """Run the scene and print every track, and the counts."""
    with nullcontext(cache) if cache else TemporaryDirectory() as folder:
        clip = load(SCENE, Path(), Path(folder))
    config = Config()
    perception = perceived(clip, config)
    for remove in (True, False):
        used = replace(config, depth_filter=replace(config.depth_filter, remove_outliers=remove))
        tracks = called(clip, fold(start(used), perception, config=used))
        still, moving = ([each for each in tracks if each.moves == moves] for moves in (False, True))
        print(f"depth_filter.remove_outliers {remove}")
        for each in tracks:
            print("    " + "  ".join(f"{name} {value!s:.7}" for name, value in each._asdict().items()))
        print(f"  resting, called moving   {sum(each.answer == 'moving' for each in still)} of {len(still)}")
        print(f"  moving, called static    {sum(each.answer == 'static' for each in moving)} of {len(moving)}")
        print(f"  wander of what rests     {100 * np.median([each.wander for each in still]):.2f} %")


if __name__ == "__main__":
    tyro.cli(main)
