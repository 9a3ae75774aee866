"""What leaving out the points beyond a gap in depth brings, and which gap that should be.

Run from the root of the repository: `python -m bench.depth_outliers --clips CLIPS --choose`. Objects are those of
`bench.mask_margin` and two that a rule may harm: planks at a slant and boxes seen at an edge, before a wall. Each is
damaged in all those ways and one more (`WRONG`) and measured inside the margin of 2, against the statistics of its true
mask and depth. `kitchen` is that of `bench.mask_margin`: real masks, sensor depth, objects at rest.

A rule may take at most `HARMLESS` of any object whose mask and depth are exact. Of those that pass, the one is chosen
that leaves the least of the errors of plain statistics: the mean over the four sets of objects of the 90th percentile
of centroid errors and the median of extent errors, both as fractions of what they are without a rule.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from bench.damaged_masks import DAMAGES, SMEARS, View, boxes, damaged, figures, planks, smeared, synthetic
from bench.mask_margin import EVERY_POINT, kitchen_tracked, wandering, wandering_figures
from bench.timing import hardware
from fast_snow.config import DepthFilterConfig
from fast_snow.kernels.back_projection import object_statistics
from fast_snow.kernels.depth_range import RULE, GapRule, depth_ranges
from fast_snow.kernels.mask_erosion import erode
from fast_snow.kernels.masks import encode
from fast_snow.step import ESTIMATED_MARGIN
from fast_snow.types import Masks, ObjectStatistics

GRID = tuple(
    GapRule(*values)
    for values in itertools.product((0.03, 0.04, 0.06, 0.08, 0.1), (1.0, 2.0), (0.005, 0.01, 0.02), (0.35,))
)
HARMLESS = 0.005
WRONG = (*DAMAGES, "8 px aside")
"""The last is what a tracker does that has drifted: a tenth or more of a mask shows something else."""
LARGE = 1000
FEWEST = 50

Errors = dict[tuple[str, GapRule | None], list[tuple[float, float, float]]]
"""Of the centroid in mm and of the extent in cm, and the share of pixels left out, by damage and rule."""


def errors_of(views: Iterable[View], rules: Sequence[GapRule | None], seed: int) -> Errors:
    """Measure every large object of every view with every damage and rule."""
    random = np.random.default_rng(seed)
    rows: Errors = defaultdict(list)
    for view in views:
        truth = _measure(encode(view.masks), view, view.depth, None)[0]
        for how, (width, side) in itertools.product(WRONG, SMEARS.items()):
            inner = erode(encode(damaged(view.masks, how, random)), ESTIMATED_MARGIN)
            depth = smeared(view.depth, side)
            for rule in rules:
                found, share = _measure(inner, view, depth, rule)
                for i in np.flatnonzero((truth.count >= LARGE) & (found.count >= FEWEST)):
                    off = float(np.linalg.norm(found.mean[i] - truth.mean[i]))
                    grown = np.abs((found.high - found.low) - (truth.high - truth.low))[i].mean()
                    rows[f"masks {how}, depth {width}", rule].append((1e3 * off, 1e2 * float(grown), float(share[i])))
    return rows


def _measure(masks: Masks, view: View, depth: np.ndarray, rule: GapRule | None) -> tuple[ObjectStatistics, np.ndarray]:
    """Return the statistics of masks and the share of their pixels that a rule leaves out."""
    confidence, bounds, outliers = np.ones_like(depth), None, np.zeros(len(masks))
    if rule is not None:
        bounds, outliers = depth_ranges(masks, depth, confidence, conf_thresh=0.5, rule=rule)
    found = object_statistics(
        masks, depth, confidence, view.intrinsics, view.T_camera_world, conf_thresh=0.5, bounds=bounds
    )
    return found, outliers / np.maximum(found.count + outliers, 1)


def summarised(rows: Errors, rule: GapRule | None) -> Mapping[str, float]:
    """Return the errors under one rule: means over the damages of medians and 90th percentiles, and what it takes."""
    cases = [np.array(values) for (_, of), values in rows.items() if of == rule]
    exact = np.array(rows["masks exact, depth exact", rule])
    drifted = np.concatenate([rows[f"masks {WRONG[-1]}, depth {width}", rule] for width in SMEARS])
    return {
        "drifted_centroid_mm": float(np.median(drifted[:, 0])),
        "drifted_extent_cm": float(np.median(drifted[:, 1])),
        "centroid_mm": float(np.mean([np.median(each[:, 0]) for each in cases])),
        "centroid_p90_mm": float(np.mean([np.percentile(each[:, 0], 90) for each in cases])),
        "extent_cm": float(np.mean([np.median(each[:, 1]) for each in cases])),
        "left_out": float(np.mean([each[:, 2].mean() for each in cases])),
        "most_left_out_exact": float(exact[:, 2].max()),
    }


def remaining(by_set: Mapping[str, Errors], rule: GapRule) -> float:
    """Return how much of the errors of plain statistics a rule leaves; infinity where it harms exact objects."""
    shares = []
    for rows in by_set.values():
        plain, found = summarised(rows, None), summarised(rows, rule)
        if found["most_left_out_exact"] > HARMLESS:
            return float("inf")
        shares += [found[name] / plain[name] for name in ("centroid_p90_mm", "extent_cm")]
    return float(np.mean(shares))


def kitchen(folder: Path) -> dict[str, Mapping[str, float]]:
    """Measure how much resting objects of a recording wander, of masks by colour alone and by colour and depth."""
    filters = {"plain": EVERY_POINT, "outliers left out": DepthFilterConfig()}
    found = {}
    for seen, by_depth in (("colour", False), ("colour and depth", True)):
        geometry, tracked = kitchen_tracked(folder, by_depth=by_depth)
        for name, depth_filter in filters.items():
            rows = wandering(geometry, tracked, ESTIMATED_MARGIN, depth_filter)
            found[f"masks by {seen}, {name}"] = wandering_figures(np.array(rows))
    return found


def _sets(clips: Path | None, frames: int, every: int, seed: int) -> Iterator[tuple[str, Iterator[View]]]:
    yield "scene", synthetic(frames, seed)
    yield "planks", planks(24, seed)
    yield "boxes", boxes(24, seed)
    if clips is not None:
        yield "figures", figures(clips, every)


def main(
    clips: Path | None = None,
    choose: bool = False,
    json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    frames: int = 5,
    every: int = 40,
    seed: int = 0,
) -> None:
    """Measure with the rule in use, or with `choose` all of the grid, and print the best first."""
    rules = GRID if choose else (RULE,)
    by_set = {name: errors_of(views, (None, *rules), seed) for name, views in _sets(clips, frames, every, seed)}
    left = {rule: remaining(by_set, rule) for rule in rules}
    table = []
    for rule in (None, *sorted(rules, key=left.__getitem__)):
        figures_of = {name: summarised(rows, rule) for name, rows in by_set.items()}
        table.append(
            {
                "rule": None if rule is None else rule._asdict(),
                "left": None if rule is None else left[rule],
                "sets": figures_of,
            }
        )
        print("plain" if rule is None else f"{rule} {left[rule]:.3f}")
        for name, values in figures_of.items():
            print(f"    {name:8s}" + "".join(f"  {key} {value:8.4g}" for key, value in values.items()))
    wanders = {} if clips is None else kitchen(clips / "redkitchen_dev")
    for name, values in wanders.items():
        print(f"kitchen, {name}" + "".join(f"  {key} {value:.4g}" for key, value in values.items()))
    if json_path is not None:
        results = {"objects": table, "kitchen": wanders}
        report = {"hardware": hardware("numpy", "numba", "opencv-python-headless"), "results": results}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
