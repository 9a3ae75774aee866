"""Are the classical engines' detections and tracks objects? Measured on clips of which the masks are known.

`python -m bench.objects --clips CLIPS` prints one line per clip. Geometry does not depend on the segmenter, so it is kept
in `--cache`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fast_snow.config import Config
from fast_snow.engines.classical.geometry.estimator import open_geometry
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.engines.recorded import open_geometry as recorded_geometry
from fast_snow.graph import fold, start
from fast_snow.inputs import open_input
from fast_snow.inputs.windows import windows
from fast_snow.kernels.masks import decode
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.synthetic.files import write_video
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import DepthOrigin, Detections, Frames, Geometry, Window

DAVIS = ("blackswan", "car-shadow", "dance-twirl", "horsejump-high", "libby", "scooter-black", "soapbox")
SCENE = "scene"
KITCHEN = "redkitchen_dev"
VISIBLE = 50
"""Pixels of the analysis grid; an object that shows fewer is not looked for."""
INSIDE = 0.8
"""Share of a track's pixels inside an object that makes it a part of the object."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """One clip with what is known of it.

    Attributes:
        name: of the clip.
        window: all its frames.
        geometry: of these, by the classical engine.
        truth: object ids on the analysis grid, 0 where there is none.
    """

    name: str
    window: Window
    geometry: Geometry
    truth: np.ndarray


def load(name: str, clips: Path, cache: Path, config: Config) -> Clip:
    """Read a clip and estimate its geometry, or take that from the cache."""
    if name == KITCHEN:
        opened = open_input(clips / name, config.sampling)
        assert opened.recording is not None
        window = next(windows(opened, config.window))
        with recorded_geometry(opened.recording) as estimate:
            geometry = estimate(window.frames)
        return Clip(name=name, window=window, geometry=geometry, truth=np.zeros(geometry.depth.shape, np.uint8))
    video = cache / "scene.mp4" if name == SCENE else clips / "davis" / name / "video.mp4"
    scene = _scene(cache) if name == SCENE else None
    window = next(windows(open_input(video, config.sampling), config.window))
    geometry = _geometry(cache / f"{name}.geometry.npz", window.frames, config)
    size = geometry.grid[::-1]
    if scene is not None:
        ids = scene
    else:
        paths = [clips / "davis" / name / "gt" / f"{i:05d}.png" for i in window.frames.source_frame]
        ids = np.stack([cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127 for path in paths])
    truth = np.stack([cv2.resize(each.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for each in ids])
    return Clip(name=name, window=window, geometry=geometry, truth=truth)


def _scene(cache: Path) -> np.ndarray:
    path = cache / "scene.ids.npy"
    if not path.exists():
        scene = render(SceneConfig())
        write_video(scene, cache / "scene.mp4")
        np.save(path, scene.ids.astype(np.uint8))
    return np.load(path)


def _geometry(path: Path, frames: Frames, config: Config) -> Geometry:
    if not path.exists():
        with open_geometry(config.classical.geometry, seed=config.runtime.seed, threads=1) as estimate:
            answer = estimate(frames)
        np.savez(
            path,
            depth=answer.depth,
            confidence=answer.confidence,
            intrinsics=answer.intrinsics,
            T_camera_world=answer.T_camera_world,
            metric=answer.metric,
            origin=answer.origin.name,
        )
    with np.load(path) as stored:
        arrays = dict(stored)
    return Geometry(
        **arrays | {"metric": bool(arrays["metric"]), "origin": DepthOrigin[str(arrays["origin"])]},
    )


@contextmanager
def _given(answer: object) -> Iterator[object]:
    yield lambda *_: answer


def segmented(clip: Clip, config: Config) -> Sequence[Detections]:
    """Return the detections of each frame."""
    with open_segmenter(config.classical.segmenter, seed=config.runtime.seed, threads=1) as segment:
        return segment(clip.window.frames, clip.geometry)


def tracked(clip: Clip, detections: Sequence[Detections], config: Config) -> list[Mapping[int, np.ndarray]]:
    """Return, per frame, the mask of each track of the graph."""
    engines = EngineOpeners(
        geometry=partial(_given, clip.geometry),
        segmenter=partial(_given, detections),
        tracker=partial(open_tracker, config.classical.tracker, seed=config.runtime.seed, threads=1),
    )
    perception = perceive(
        clip.window,
        engines=engines,
        config=config,
    )
    labelled = fold(start(config), perception, config=config).labelled
    return [dict(zip(each.object_id.tolist(), decode(each.masks), strict=True)) for each in labelled]


def of_detections(clip: Clip, detections: Sequence[Detections]) -> dict[str, float]:
    """Measure detections alone: no tracker is needed, so that a variant is measured in seconds."""
    best: dict[int, list[float]] = {}
    background = total = 0
    for found, truth in zip(detections, clip.truth, strict=True):
        masks = decode(found.masks)
        total += len(masks)
        background += sum(np.count_nonzero(truth[mask]) < 0.5 * np.count_nonzero(mask) for mask in masks)
        for number in _visible(truth):
            best.setdefault(number, []).append(max((_iou(mask, truth == number) for mask in masks), default=0.0))
    mean = {number: float(np.mean(each)) for number, each in best.items()}
    return {
        "detection_iou": float(np.mean(list(mean.values()))),
        "best_frame_iou": float(np.mean([max(each) for each in best.values()])),
        "per_frame": total / len(clip.truth),
        "background": background / max(total, 1),
    }


def of_tracks(clip: Clip, tracks: Sequence[Mapping[int, np.ndarray]]) -> dict[str, object]:
    """Measure tracks: how many there are, how well one follows each object, how much of the objects they cover."""
    overlap: dict[tuple[int, int], float] = {}
    frames: dict[int, int] = {}
    inside: dict[int, dict[int, int]] = {}
    size: dict[int, int] = {}
    for found, truth in zip(tracks, clip.truth, strict=True):
        for number in _visible(truth):
            frames[number] = frames.get(number, 0) + 1
            for track, mask in found.items():
                key = number, track
                overlap[key] = overlap.get(key, 0.0) + _iou(mask, truth == number)
        for track, mask in found.items():
            size[track] = size.get(track, 0) + np.count_nonzero(mask)
            for number, count in enumerate(np.bincount(truth[mask], minlength=1).tolist()):
                of_track = inside.setdefault(track, {})
                of_track[number] = of_track.get(number, 0) + count
    best = {n: max((overlap.get((n, t), 0.0) for t in size), default=0.0) / frames[n] for n in frames}
    contained = [t for t in size if size[t] - inside[t].get(0, 0) >= INSIDE * size[t]]
    covered = foreground = 0
    for found, truth in zip(tracks, clip.truth, strict=True):
        union = np.zeros(truth.shape, np.bool_)
        for track in contained:
            if track in found:
                union |= found[track]
        covered += np.count_nonzero(union & (truth > 0))
        foreground += np.count_nonzero(truth)
    of_object = {n: sum(inside[t].get(n, 0) > 0.5 * size[t] for t in size) for n in frames}
    return {
        "tracks": len(size),
        "iou": {n: round(best[n], 3) for n in sorted(best)},
        "tracks_of_object": {n: of_object[n] for n in sorted(of_object)},
        "recall": covered / max(foreground, 1),
    }


def _visible(truth: np.ndarray) -> list[int]:
    count = np.bincount(truth.ravel())
    return [n for n in range(1, len(count)) if count[n] >= VISIBLE]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    both = np.count_nonzero(a & b)
    return both / max(np.count_nonzero(a) + np.count_nonzero(b) - both, 1)
