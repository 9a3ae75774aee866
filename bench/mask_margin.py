"""What measuring objects inside a margin of their masks brings: centroids and extents at margins of 0 to 4 pixels.

Run from the root of the repository: `python -m bench.mask_margin --clips CLIPS --json bench/results/mask_margin.json`.
Four measurements, the last three where `--clips` names the folder of development clips:

* `scene`: the synthetic scene, whose surfaces are known, with masks that err as a segmenter does and depth that is
  smeared across outlines as a network does; each object against the statistics of its true mask and depth;
* `figures`: silhouettes of real people and animals (MOTS20-05, DAVIS), thin limbs included, flat, 5 m away, with a wall
  2.5 m behind them; damaged and measured in the same way;
* `kitchen`: a real recording (7-Scenes RedKitchen) with sensor depth and poses, masks and tracks from colour alone.
  Nobody marked its objects, but they all rest: how far they wander is error. Part of it is that masks drift along what
  they follow, which no margin mends;
* `kitchen_places`: where its objects are, by the sensor's depth and poses and by those that the classical engines
  estimate, beside where the sensor's put the whole of the same masks.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro

from bench.damaged_masks import DAMAGES, SMEARS, View, damaged, figures, smeared, synthetic
from bench.timing import hardware
from fast_snow.config import Config, DepthFilterConfig, EnginesConfig, StepConfig
from fast_snow.engines import recorded
from fast_snow.engines.classical.segmentation.segmenter import open_segmenter
from fast_snow.engines.classical.tracking.tracker import open_tracker
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.metrics.geometry import own_placement
from fast_snow.evaluation.systems import run_fast_snow
from fast_snow.inputs import open_input
from fast_snow.inputs.windows import windows
from fast_snow.kernels.back_projection import object_statistics
from fast_snow.kernels.mask_erosion import erode
from fast_snow.kernels.masks import decode, encode
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.step import FrameTokens, observe
from fast_snow.types import DepthOrigin, FrameGeometry, Geometry, Masks, TrackedFrame

MARGINS = range(5)
SIZES = {"small": (50, 1000), "large": (1000, 2**31)}
"""Pixels that an object truly has."""
OFF = 0.1
"""A pixel whose depth is off its mask's median by more than this share shows something else."""
CONFIDENT = DepthFilterConfig().conf_thresh
EVERY_POINT = DepthFilterConfig(remove_outliers=False)
"""What leaving out outliers brings besides is measured by `bench.depth_outliers`."""
MANIFEST = Path("configs/eval/fast_snow_eval_manifest.json")
GEOMETRIES = {
    "sensor": EnginesConfig(geometry="recorded", segmenter="classical", tracker="classical"),
    "estimated": EnginesConfig(geometry="classical", segmenter="classical", tracker="classical"),
}

Figures = Mapping[str, float]
Table = dict[str, dict[str, Figures]]
"""Figures by case and margin."""


class Case(NamedTuple):
    """What a row of errors belongs to."""

    name: str
    margin: int


Rows = dict[Case, list[tuple[float, ...]]]


def against_truth(views: Iterable[View], seed: int) -> Table:
    """Measure every object of every view with every damage and margin.

    Returns:
        Medians over objects: of centroid errors (with the 90th percentile), of the size of extent errors and of extent
        errors with their sign (means over three axes).
    """
    random = np.random.default_rng(seed)
    rows: Rows = defaultdict(list)
    for view in views:
        for how in DAMAGES:
            masks = encode(damaged(view.masks, how, random))
            for width, side in SMEARS.items():
                seen_as = replace(view, depth=smeared(view.depth, side))
                for margin in MARGINS:
                    for size, errors in _errors(view, _tokens(seen_as, masks, margin)):
                        rows[Case(f"{size}, masks {how}, depth {width}", margin)].append(errors)
    return _table(rows, _error_figures)


def _tokens(view: View, masks: Masks, margin: int, depth_filter: DepthFilterConfig = EVERY_POINT) -> FrameTokens:
    return observe(
        masks,
        np.ones(len(masks), np.float32),
        FrameGeometry(
            depth=view.depth,
            confidence=np.ones_like(view.depth),
            intrinsics=view.intrinsics,
            T_camera_world=view.T_camera_world,
            metric=True,
            origin=DepthOrigin.SENSOR,
        ),
        t=0,
        depth_filter=depth_filter,
        step=StepConfig(mask_margin=margin),
    )


def _errors(view: View, seen: FrameTokens) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield the size of each object, and its errors: of the centroid, and of the extent along three axes."""
    truth = object_statistics(
        encode(view.masks),
        view.depth,
        np.ones_like(view.depth),
        view.intrinsics,
        view.T_camera_world,
        conf_thresh=CONFIDENT,
    )
    for i, token in zip(seen.index.tolist(), seen.tokens, strict=True):
        extent = (token.high - token.low) - (truth.high[i] - truth.low[i])
        for size, (low, high) in SIZES.items():
            if low <= truth.count[i] < high:
                yield size, (float(np.linalg.norm(token.centroid - truth.mean[i])), *extent.tolist())


def _error_figures(rows: np.ndarray) -> Figures:
    centroid, extent = 1e3 * rows[:, 0], 1e2 * rows[:, 1:]
    return {
        "centroid_mm": float(np.median(centroid)),
        "centroid_p90_mm": float(np.percentile(centroid, 90)),
        "extent_cm": float(np.median(np.abs(extent).mean(axis=1))),
        "extent_bias_cm": float(np.median(extent.mean(axis=1))),
    }


def kitchen(folder: Path) -> Table:
    """Measure how much resting objects wander, and what share of their masks shows something else.

    Returns:
        By margin: median and 90th percentile of how far a centroid moves and how much an extent changes (mean over
        three axes) from one frame to the next, median of the longest axis, and the mean share of pixels that are off.
    """
    geometry, tracked = kitchen_tracked(folder)
    rows = {Case("all", margin): wandering(geometry, tracked, margin) for margin in MARGINS}
    return _table(rows, wandering_figures)


def wandering(
    geometry: Geometry, tracked: Sequence[TrackedFrame], margin: int, depth_filter: DepthFilterConfig = EVERY_POINT
) -> list[tuple[float, ...]]:
    """Return what changes of every object from one frame to the next: place, extent; its longest axis, share off."""
    rows: list[tuple[float, ...]] = []
    before: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
    for i, frame in enumerate(tracked):
        view = View(
            masks=np.empty(0),
            depth=geometry.depth[i],
            intrinsics=geometry.intrinsics[i],
            T_camera_world=geometry.T_camera_world[i],
        )
        seen = _tokens(view, frame.masks, margin, depth_filter)
        off = _share_off(view.depth, erode(frame.masks, margin))
        now = {}
        for k, token in zip(seen.index.tolist(), seen.tokens, strict=True):
            name = int(frame.run_id[k]), int(frame.local_id[k])
            now[name] = token.centroid, token.high - token.low
            if name in before:
                moved, grew = (current - last for current, last in zip(now[name], before[name], strict=True))
                figures = np.linalg.norm(moved), np.abs(grew).mean(), now[name][1].max(), off[k]
                rows.append(tuple(map(float, figures)))
        before = now
    return rows


def kitchen_places(folder: Path) -> Table:
    """Measure places against those of the sensor's depth and poses in whole masks.

    Returns:
        By geometry and margin: median and 90th percentile of centroid errors, median of extent errors (mean over three
        axes).
    """
    (clip,) = (each for each in manifests.load_manifest(MANIFEST, folder.parent).clips if each.name == folder.name)
    truth = manifests.read_clip_truth(clip, folder.parent)
    table: Table = defaultdict(dict)
    for name, engines in GEOMETRIES.items():
        for margin in MARGINS:
            config = Config(engines=engines, step=StepConfig(mask_margin=margin), depth_filter=EVERY_POINT)
            run = run_fast_snow(open_input(folder, config.sampling), config)
            found = own_placement(truth, replace(run, config=replace(config, step=StepConfig(mask_margin=0))))
            table[name][str(margin)] = {
                "count": sum(len(track.observations) for track in run.graph.tracks.values()),
                "centroid_mm": round(1e3 * found["own_centroid_m"], 4),
                "centroid_p90_mm": round(1e3 * found["own_centroid_p90_m"], 4),
                "extent_cm": round(1e2 * found["own_extent_m"], 4),
            }
    return dict(table)


def kitchen_tracked(folder: Path, *, by_depth: bool = False) -> tuple[Geometry, Sequence[TrackedFrame]]:
    """Segment and track a recording; unless `by_depth` its depth is hidden from the engines, which look for edges."""
    config = Config()
    opened = open_input(folder, config.sampling)
    assert opened.recording is not None
    (window,) = windows(opened, config.window)
    with recorded.open_geometry(opened.recording) as estimate:
        geometry = estimate(window.frames)
    blank = replace(geometry, depth=np.ones_like(geometry.depth), origin=DepthOrigin.GROUND_PLANE_PRIOR)
    engines = EngineOpeners(
        geometry=lambda: nullcontext(lambda frames: geometry if by_depth else blank),  # noqa: ARG005 (engines are called with the frames)
        segmenter=partial(open_segmenter, config.classical.segmenter, seed=0, threads=0),
        tracker=partial(open_tracker, config.classical.tracker, seed=0, threads=0),
    )
    perception = perceive(window, engines=engines, config=config)
    return geometry, perception.tracked


def _share_off(depth: np.ndarray, masks: Masks) -> np.ndarray:
    """Return the share of each mask's pixels with depth that are off their median."""
    share = np.full(len(masks), np.nan)
    for i, mask in enumerate(decode(masks)):
        inside = depth[mask & (depth > 0)]
        if len(inside):
            middle = np.median(inside)
            share[i] = np.mean(np.abs(inside - middle) > OFF * middle)
    return share


def wandering_figures(rows: np.ndarray) -> Figures:
    """Return the figures of `kitchen`."""
    moved, grew = 1e3 * rows[:, 0], 1e2 * rows[:, 1]
    return {
        "moved_mm": float(np.median(moved)),
        "moved_p90_mm": float(np.percentile(moved, 90)),
        "extent_change_cm": float(np.median(grew)),
        "extent_change_p90_cm": float(np.percentile(grew, 90)),
        "longest_axis_cm": 1e2 * float(np.median(rows[:, 2])),
        "share_off": float(np.nanmean(rows[:, 3])),
    }


def _table(rows: Rows, figures_of: Callable[[np.ndarray], Figures]) -> Table:
    table: Table = defaultdict(dict)
    for case, errors in rows.items():
        found = {name: round(value, 4) for name, value in figures_of(np.array(errors)).items()}
        table[case.name][str(case.margin)] = {"count": len(errors), **found}
    return dict(table)


def _show(title: str, table: Table) -> None:
    for name, by_margin in sorted(table.items()):
        print(f"{title}: {name} ({by_margin['0']['count']})")
        for figure in next(iter(by_margin.values())):
            if figure != "count":
                print(f"    {figure:22s}" + "".join(f"{each[figure]:10.2f}" for each in by_margin.values()))


def main(
    clips: Path | None = None,
    json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    frames: int = 20,
    every: int = 3,
    seed: int = 0,
) -> None:
    """Measure and print, margins of 0 to 4 from left to right; write everything to `json_path`, if given."""
    results = {"scene": against_truth(synthetic(frames, seed), seed)}
    if clips is not None:
        results["figures"] = against_truth(figures(clips, every), seed)
        results["kitchen"] = kitchen(clips / "redkitchen_dev")
        results["kitchen_places"] = kitchen_places(clips / "redkitchen_dev")
    for title, table in results.items():
        _show(title, table)
    if json_path is not None:
        report = {"hardware": hardware("numpy", "numba", "opencv-python-headless"), "results": results}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
