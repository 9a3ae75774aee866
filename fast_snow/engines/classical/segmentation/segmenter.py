"""Objects of every frame without class labels or weights: what moves by itself, and what stands out by colour.

Works on a coarser grid than the analysis grid; only outlines are brought back to it. Returned detections own their
buffers.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fast_snow.config import ClassicalSegmenterConfig
from fast_snow.engines.classical.appearance import FINE, colour_bins, sigmoid, to_lab
from fast_snow.engines.classical.edge_aware import affinity, smooth
from fast_snow.engines.classical.flow import gray, workers
from fast_snow.engines.classical.objectness import objectness
from fast_snow.engines.classical.region_tree import RegionTree, region_tree
from fast_snow.engines.classical.segmentation.motion_evidence import (
    Links,
    link_neighbours,
    motion_evidence,
    through_time,
)
from fast_snow.engines.classical.segmentation.moving_objects import (
    View,
    border_contrast,
    motion_step,
    moving_labels,
    moving_probability,
)
from fast_snow.engines.classical.segmentation.planes import clearance, depth_map, fit_planes, points_of, standing
from fast_snow.engines.classical.segmentation.surfaces import creases, outlined, surfaces
from fast_snow.engines.classical.segmentation.region_chains import Regions, best_outlined, lasting_scores
from fast_snow.engines.classical.segmentation.region_choice import choose, joint_labels
from fast_snow.engines.classical.superpixels import Edges, edges_of, even_colours, superpixels
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode
from fast_snow.protocols import Progress, Segmenter, silent
from fast_snow.types import DepthOrigin, Detections, Frames, Geometry, GridShape

import os
TOL, SHARE, LIMIT, STEEP, MIN = (float(x) for x in os.environ.get('OBJ','0.02,0.05,0.03,2,0.25').split(','))

_SHOWS_OUTLINES = (DepthOrigin.SENSOR, DepthOrigin.TRIANGULATED)
"""Origins of depth that show the outlines of objects; a ground-plane guess shows none."""

_CONFIDENT = 0.5
_STEP_STRENGTH = 100.0  # L*a*b* units for a step that doubles depth by e; one of 10 % is as strong as a visible edge
_SLANT = 0.03  # a step that slanted surfaces reach too
_STRONGEST_STEP = 30.0

_WORKING_SIDE = 256
_SIGMA = 14.0
_MOTION_FEATURE = 0.6  # L*a*b* units per pixel of relative motion
_LARGEST_MOTION = 20.0


@contextmanager
def open_segmenter(
    config: ClassicalSegmenterConfig, *, seed: int, threads: int, progress: Progress = silent
) -> Iterator[Segmenter]:
    """Open the classical segmenter.

    Args:
        config: its parameters.
        seed: of the random sampling in estimating the camera's motion.
        threads: how many frames are worked on at once; 0 takes one per core.
        progress: told how many frames are segmented.

    Yields:
        The segmenter.
    """
    with workers(threads) as pool:
        yield _ClassicalSegmenter(config, seed, pool, progress)


class _Candidates(NamedTuple):
    """Regions of one frame before the choice: those that move by themselves, and those that stand out."""

    probability: Float32[np.ndarray, "h w"]
    moving: Regions
    still: Regions


@dataclass(frozen=True, slots=True)
class _ClassicalSegmenter:
    config: ClassicalSegmenterConfig
    seed: int
    pool: Executor
    progress: Progress

    def __call__(self, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        shape = _working_shape(geometry.grid)
        lab = list(self.pool.map(lambda image: to_lab(image, shape), frames.image))
        links = link_neighbours(gray(frames.image, geometry.grid), lab, geometry, self.seed, self.pool)
        evidence = through_time([motion_evidence(each, shape) for each in links], links)
        views = list(self.pool.map(lambda each: View(colour_bins(each, FINE), affinity(each, _SIGMA)), lab))
        probability = moving_probability(views, evidence, self.pool)

        def candidates(frame: int) -> _Candidates:
            moving = self._moving(probability[frame], evidence[frame], links[frame])
            return _Candidates(probability[frame], moving, self._still(lab[frame], depth[frame], stands[frame], moving.label))

        each = [geometry[i] for i in range(len(frames))]
        planes = fit_planes(each, tolerance=TOL, least_share=SHARE, seed=self.seed)
        depth = [depth_map(g, shape) for g in each]
        stands = [standing(clearance(points_of(g, d), d, planes), d, TOL) for g, d in zip(each, depth, strict=True)]
        stands = through_time(stands, links)
        regions = list(self.pool.map(candidates, range(len(frames))))
        flow = [each.after.flow for each in links if each.after is not None]
        moving_score = best_outlined([each.moving for each in regions], flow)
        still_score = lasting_scores([each.still for each in regions], flow)
        detections = []
        for each in zip(regions, moving_score, still_score, strict=True):
            detections.append(self._detect(*each, geometry.grid))
            self.progress("segment", len(detections), len(frames))
        return detections

    def _moving(self, probability, evidence, links) -> Regions:
        least, most = self._sizes(probability.size)
        label = moving_labels(probability, evidence, least=least, most=most)
        members = np.eye(int(label.max()) + 1, dtype=np.bool_)[1:]
        step = motion_step(label, [each.relative for each in links.all()])
        label, members, score = label, members, np.where(step >= 1.0, border_contrast(label, probability), np.float32(0))
        label = np.concatenate([[False], score > 0])[label] * label
        return Regions(label.astype(np.int32), members, score)

    def _still(self, lab, depth, stands, moving) -> Regions:
        colours = even_colours(lab)
        edges = edges_of(colours)
        leaf = superpixels(edges)
        alike = affinity(lab, _SIGMA)
        stands = np.where(moving > 0, np.float32(-1), stands)
        soft = smooth(sigmoid(STEEP * stands).astype(np.float32), alike, 30.0) - np.float32(0.5)
        crease = creases(depth)
        label = surfaces(leaf, crease, soft, limit=LIMIT)
        label = np.where((moving > 0), 0, label)
        count = int(label.max()) + 1
        area = np.bincount(label.ravel(), minlength=count)
        score = outlined(label, crease, depth, limit=LIMIT)
        least, most = self._sizes(leaf.size)
        score = np.where((area[1:] >= least) & (area[1:] <= most), score, 0.0)
        members = np.eye(count, dtype=np.bool_)[1:]
        return Regions(label, members, score.astype(np.float32))

    def _sizes(self, pixels: int) -> tuple[int, int]:
        return max(1, int(self.config.min_area * pixels)), int(self.config.max_area * pixels)

    def _detect(
        self,
        regions: _Candidates,
        moving_score: Float32[np.ndarray, " m"],
        still_score: Float32[np.ndarray, " k"],
        grid: GridShape,
    ) -> Detections:
        label, leaf, area = joint_labels(regions.moving.label, regions.still.label)
        members = np.concatenate([regions.moving.members[:, label], regions.still.members[:, leaf]])
        still_score = np.where(still_score >= MIN, still_score, np.float32(0.0))
        score = np.concatenate([moving_score, still_score])
        moves = np.arange(len(score)) < len(moving_score)
        chosen = choose(members, area, score, moves, self.config.max_regions)
        masks = [_outline(regions, int(i), grid) for i in chosen]
        return _detections(masks, score[chosen], grid)


def _working_shape(grid: GridShape) -> GridShape:
    shrink = max(1, round(max(grid) / _WORKING_SIDE))
    return max(1, grid[0] // shrink), max(1, grid[1] // shrink)


def _tree(lab: UInt8[np.ndarray, "h w 3"], links: Links, geometry: Geometry, frame: int) -> RegionTree:
    colours = even_colours(lab)
    edges = _with_depth_edges(edges_of(colours), geometry, frame)
    motion = [np.clip(each.relative, -_LARGEST_MOTION, _LARGEST_MOTION) for each in links.all()[-1:]]
    features = np.concatenate([colours, *(_MOTION_FEATURE * each for each in motion)], axis=-1)
    return region_tree(superpixels(edges), features, edges)


def _outline(regions: _Candidates, i: int, grid: GridShape) -> Bool[np.ndarray, "h w"]:
    """Return the mask of a candidate on the analysis grid; moving ones come before still ones."""
    moving = len(regions.moving.members)
    if i < moving:
        soft = np.where(regions.moving.label == i + 1, regions.probability, np.float32(0.0))
    else:
        soft = regions.still.members[i - moving].astype(np.float32)[regions.still.label]
    return cv2.resize(soft, grid[::-1], interpolation=cv2.INTER_LINEAR) > 0.5


def _detections(masks: list[Bool[np.ndarray, "h w"]], score: Float32[np.ndarray, " m"], grid: GridShape) -> Detections:
    visible = [i for i, each in enumerate(masks) if each.any()]
    dense = np.stack([masks[i] for i in visible]) if visible else np.zeros((0, *grid), np.bool_)
    encoded = encode(dense)
    return Detections(masks=encoded, box_xyxy=bounding_boxes(encoded), score=score[visible])


def _with_depth_edges(edges: Edges, geometry: Geometry, frame: int) -> Edges:
    """Add to the edges of an image those of its depth, where depth was measured or triangulated.

    Args:
        edges: of the image on any grid.
        geometry: of the clip.
        frame: which frame of it.

    Returns:
        Edges on the same grid.
    """
    if geometry.origin not in _SHOWS_OUTLINES:
        return edges
    log_depth = _log_depth(geometry, frame, edges.right.shape)
    right, below = (each.copy() for each in edges)
    right[:, :-1] += _step(np.diff(log_depth, axis=1))
    below[:-1] += _step(np.diff(log_depth, axis=0))
    return Edges(right, below)


def _log_depth(geometry: Geometry, frame: int, shape: GridShape) -> Float32[np.ndarray, "h w"]:
    depth = cv2.resize(geometry.depth[frame], shape[::-1], interpolation=cv2.INTER_NEAREST)
    confidence = cv2.resize(geometry.confidence[frame], shape[::-1], interpolation=cv2.INTER_NEAREST)
    good = np.isfinite(depth) & (depth > 0) & (confidence >= _CONFIDENT)
    return np.log(np.where(good, depth, np.float32(np.nan)))


def _step(difference: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    steep = np.maximum(np.abs(np.nan_to_num(difference)) - _SLANT, 0)
    return np.minimum(_STEP_STRENGTH * steep, _STRONGEST_STEP).astype(np.float32)
