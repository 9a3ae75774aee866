"""Are the detections and tracks of the classical engines objects? Measured on clips of which the masks are known.

Run from the root of the repository: `python -m bench.objects --clips CLIPS`. Prints one line per clip:

* `best frame`: IoU of the best detection of an object in its best frame, mean over objects;
* `on objects`: share of the detections of which at least half lies on an object (DAVIS marks one object per clip);
* `tracks`, `tracks per object`: all, and those that lie mostly inside one object;
* `iou`: mean IoU of an object's best track over the frames in which it shows, mean over objects;
* `recall`: share of the objects' pixels that tracks cover which lie inside them by 80 %;
* seconds of the segmenter and of the tracker with fusion, one thread.

With `--choose surfaces` the constants of the segmenter are chosen instead, over a finite grid, on the clips whose depth
shows outlines: they serve no others. The measure needs no tracker: the harmonic mean of `best frame` and `on objects`,
mean over clips. With `--choose moves` it is what the segmenter's evidence of motion counts in the tracker, by `iou`.
The constants are also chosen with each clip left out in turn; the mean of the measure on the clips left out is what can
be expected of clips that nobody saw.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Literal

import numpy as np
import tyro
from jaxtyping import Bool, Float64, UInt8

from bench.object_clips import DAVIS, KITCHEN, SCENE, Clip, load
from bench.timing import hardware
from fast_snow.config import Config
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.classical.segmentation.segmenter import RULES, SurfaceRules, open_segmenter
from fast_snow.engines.classical.tracking.evidence import RULES as CARRY_RULES
from fast_snow.engines.classical.tracking.evidence import CarryRules
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.graph import fold, start
from fast_snow.kernels.masks import decode
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.protocols import GeometryEngine, Segmenter, Tracker
from fast_snow.types import DepthOrigin, Detections

Mask = Bool[np.ndarray, "h w"]
Tracks = Sequence[Mapping[int, Mask]]
"""Per frame, the mask of each track."""

VISIBLE = 50
"""Pixels of the analysis grid; an object that shows fewer is not looked for."""
INSIDE = 0.8
"""Share of a track's pixels inside an object that makes it a part of the object."""
MOVES = (0.0, 1.0, 2.0, 3.0)
GRID = {"tolerance": (0.015, 0.02), "largest_crease": (0.02, 0.03), "least_plane": (0.03, 0.05)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFigures:
    """What detections are like; see the head of this file."""

    best_frame: float
    on_objects: float
    per_frame: float

    @property
    def measure(self) -> float:
        """Return what constants are chosen by, in [0, 1]."""
        total = self.best_frame + self.on_objects
        return 2 * self.best_frame * self.on_objects / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFigures:
    """What tracks are like; see the head of this file."""

    tracks: int
    most_of_object: int
    iou: Mapping[int, float]
    recall: float


def segmented(clip: Clip, config: Config, rules: SurfaceRules, flows: FlowStore | None = None) -> Sequence[Detections]:
    """Return the detections of each frame."""
    parameters, seed = config.classical.segmenter, config.runtime.seed
    with open_segmenter(parameters, seed=seed, threads=1, flows=flows, rules=rules) as segment:
        return segment(clip.window.frames, clip.geometry)


def tracked(
    clip: Clip,
    detections: Sequence[Detections],
    config: Config,
    flows: FlowStore | None = None,
    rules: CarryRules = CARRY_RULES,
) -> Tracks:
    """Return the tracks of the graph."""

    @contextmanager
    def geometry() -> Iterator[GeometryEngine]:
        yield lambda _: clip.geometry

    @contextmanager
    def segmenter() -> Iterator[Segmenter]:
        yield lambda *_: detections

    @contextmanager
    def tracker() -> Iterator[Tracker]:
        seed = config.runtime.seed
        with open_tracker(config.classical.tracker, seed=seed, threads=1, flows=flows, rules=rules) as opened:
            yield opened

    engines = EngineOpeners(geometry=geometry, segmenter=segmenter, tracker=tracker)
    labelled = fold(start(config), perceive(clip.window, engines=engines, config=config), config=config).labelled
    return [dict(zip(each.object_id.tolist(), decode(each.masks), strict=True)) for each in labelled]


def of_detections(clip: Clip, detections: Sequence[Detections]) -> DetectionFigures:
    """Measure detections alone."""
    best: dict[int, float] = {}
    on_objects, total = 0, 0
    for found, truth in zip(detections, clip.truth, strict=True):
        masks = decode(found.masks)
        total += len(masks)
        on_objects += sum(2 * int(np.count_nonzero(truth[mask])) >= mask.sum() for mask in masks)
        for number in _visible(truth):
            overlap = max((iou_of(mask, truth == number) for mask in masks), default=0.0)
            best[number] = max(best.get(number, 0.0), overlap)
    return DetectionFigures(
        best_frame=_mean(best.values()), on_objects=on_objects / max(total, 1), per_frame=total / len(clip.truth)
    )


def of_tracks(clip: Clip, tracks: Tracks) -> TrackFigures:
    """Measure tracks: how many there are, how well one follows each object, how much of the objects they cover."""
    numbers = range(1, int(clip.truth.max()) + 1)
    inside = _counts(clip, tracks)
    size = {track: sum(counts) for track, counts in inside.items()}
    shown = {n: [i for i, truth in enumerate(clip.truth) if n in _visible(truth)] for n in numbers}
    iou = {
        n: max((_mean([_iou_in(clip, tracks, i, track, n) for i in shown[n]]) for track in size), default=0.0)
        for n in numbers
        if shown[n]
    }
    parts = {track for track, counts in inside.items() if size[track] - counts[0] >= INSIDE * size[track]}
    of_object = [sum(2 * inside[track][n] > size[track] for track in size) for n in iou]
    return TrackFigures(
        tracks=len(size), most_of_object=max(of_object, default=0), iou=iou, recall=_covered(clip, tracks, parts)
    )


def _counts(clip: Clip, tracks: Tracks) -> dict[int, list[int]]:
    """Return, per track, how many of its pixels lie on the background and on each object."""
    most = int(clip.truth.max()) + 1
    counts: dict[int, np.ndarray] = {}
    for found, truth in zip(tracks, clip.truth, strict=True):
        for track, mask in found.items():
            counts[track] = counts.get(track, np.zeros(most, np.int64)) + np.bincount(truth[mask], minlength=most)
    return {track: count.tolist() for track, count in counts.items()}


def _iou_in(clip: Clip, tracks: Tracks, frame: int, track: int, number: int) -> float:
    return iou_of(tracks[frame][track], clip.truth[frame] == number) if track in tracks[frame] else 0.0


def _covered(clip: Clip, tracks: Tracks, parts: set[int]) -> float:
    covered = foreground = 0
    for found, truth in zip(tracks, clip.truth, strict=True):
        union = np.zeros(truth.shape, np.bool_)
        for mask in (mask for track, mask in found.items() if track in parts):
            union |= mask
        covered += int(np.count_nonzero(union & (truth > 0)))
        foreground += int(np.count_nonzero(truth))
    return covered / max(foreground, 1)


def _visible(truth: UInt8[np.ndarray, "h w"]) -> list[int]:
    count = np.bincount(truth.ravel())
    return [n for n in range(1, len(count)) if count[n] >= VISIBLE]


def iou_of(a: Mask, b: Mask) -> float:
    """Return the intersection of two masks over their union; 0 for two empty ones."""
    both = int(np.count_nonzero(a & b))
    return both / max(int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - both, 1)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / max(len(listed), 1)


def measure(clip: Clip) -> None:
    """Print the figures of one clip."""
    config, began = Config(), perf_counter()
    flows = FlowStore(config.runtime.seed)
    detections = segmented(clip, config, RULES, flows)
    segmented_at = perf_counter()
    tracks = tracked(clip, detections, config, flows)
    seconds = segmented_at - began, perf_counter() - segmented_at
    a, b = of_detections(clip, detections), of_tracks(clip, tracks)
    per_object = " ".join(f"{value:.2f}" for value in b.iou.values())
    print(
        f"{clip.name:15} {a.per_frame:5.1f} a frame  best frame {a.best_frame:.3f}  on objects {a.on_objects:.2f}"
        f"  tracks {b.tracks:3}  per object {b.most_of_object:2}  iou {_mean(b.iou.values()):.3f} ({per_object})"
        f"  recall {b.recall:.3f}  segment {seconds[0]:.1f} s  track {seconds[1]:.1f} s",
        flush=True,
    )


def choose(clips: Sequence[Clip]) -> None:
    """Print the measure of every variant, the best one, and what it is worth on clips that are left out."""
    variants = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    table = np.zeros((len(variants), len(clips)))
    for variant, row in zip(variants, table, strict=True):
        found = (segmented(clip, Config(), SurfaceRules(**variant)) for clip in clips)
        row[:] = [of_detections(*each).measure for each in zip(clips, found, strict=True)]
        shown = "  ".join(f"{name} {value:g}" for name, value in variant.items())
        print(shown, row.round(3), f"mean {row.mean():.4f}", flush=True)
    report_choice(variants, table)


def choose_moves(clips: Sequence[Clip]) -> None:
    """Print how well objects are followed for each weight of the evidence of motion, and the best weight."""
    config, table = Config(), np.zeros((len(MOVES), len(clips)))
    for column, clip in zip(table.T, clips, strict=True):
        flows = FlowStore(config.runtime.seed)
        detections = segmented(clip, config, RULES, flows)
        answers = (tracked(clip, detections, config, flows, CarryRules(moves=moves)) for moves in MOVES)
        column[:] = [_mean(of_tracks(clip, tracks).iou.values()) for tracks in answers]
        print(f"{clip.name:15}", column.round(3), flush=True)
    print("mean", table.mean(axis=1).round(4))
    report_choice(MOVES, table)


def report_choice(variants: Sequence[object], table: Float64[np.ndarray, "variants clips"]) -> None:
    """Print the variant whose mean over clips is best, and what it is worth on clips that are left out in turn."""
    print("chosen:", variants[int(table.mean(axis=1).argmax())])
    left_out = [table[np.delete(table, i, axis=1).mean(axis=1).argmax(), i] for i in range(table.shape[1])]
    print("left out in turn:", np.round(left_out, 3), f"mean {np.mean(left_out):.4f}")


def main(
    clips: Path,
    names: tuple[str, ...] = (SCENE, *DAVIS, KITCHEN),
    constants: Annotated[Literal["surfaces", "moves"] | None, tyro.conf.arg(name="choose")] = None,
    cache: Path | None = None,
) -> None:
    """Measure the classical engines, or choose their constants.

    Args:
        clips: folder of the development clips.
        names: which of them; `scene-1`, `scene-2` … are rendered with other textures.
        constants: choose these instead of measuring.
        cache: folder in which rendered scenes and estimated geometry are kept.
    """
    print(hardware("numpy", "opencv-python-headless", "numba"))
    with TemporaryDirectory() as temporary:
        loaded = (load(name, clips, cache or Path(temporary)) for name in names)
        if constants == "moves":
            choose_moves([clip for clip in loaded if clip.truth.any()])
        elif constants == "surfaces":
            choose([clip for clip in loaded if clip.truth.any() and clip.geometry.origin is DepthOrigin.TRIANGULATED])
        else:
            for clip in loaded:
                measure(clip)


if __name__ == "__main__":
    tyro.cli(main)
