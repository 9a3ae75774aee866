"""Objects of every frame without class labels or weights: what moves by itself, and what stands out from planes.

Works on a coarser grid than the analysis grid; only outlines are brought back to it. Returned detections own their
buffers.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32

from fast_snow.config import ClassicalSegmenterConfig
from fast_snow.engines.classical.appearance import FINE, sigmoid
from fast_snow.engines.classical.edge_aware import affinity, smooth
from fast_snow.engines.classical.flow import workers
from fast_snow.engines.classical.neighbour_flow import FlowStore
from fast_snow.engines.classical.objectness import objectness
from fast_snow.engines.classical.region_tree import region_tree
from fast_snow.engines.classical.segmentation.background import background, depth_map, off_background, standing_out
from fast_snow.engines.classical.segmentation.motion_evidence import (
    LEAST_MOTION,
    Lab,
    Links,
    link_neighbours,
    motion_evidence,
    through_time,
)
from fast_snow.engines.classical.segmentation.moving_objects import (
    EDGE_SIGMA,
    View,
    border_contrast,
    clearly_moving,
    motion_step,
    moving_labels,
    moving_probability,
)
from fast_snow.engines.classical.segmentation.region_chains import (
    Regions,
    best_outlined,
    choose,
    joint_labels,
    lasting_scores,
)
from fast_snow.engines.classical.segmentation.surfaces import creases, outlined, surfaces, with_steps
from fast_snow.engines.classical.superpixels import edges_of, even_colours, superpixels
from fast_snow.freed_memory import return_freed_memory
from fast_snow.kernels.colours import colour_bins, to_lab
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode
from fast_snow.protocols import Progress, Segmenter, silent
from fast_snow.types import DepthOrigin, Detections, FrameGeometry, Frames, Geometry, GridShape, Segmentation

_SURE = 2.0
_STRENGTH = 30.0

_SHOWS_OUTLINES = (DepthOrigin.SENSOR, DepthOrigin.TRIANGULATED)
"""Origins of depth that show the outlines of objects; a ground-plane guess shows none."""

_WORKING_SIDE = 256


class SurfaceRules(NamedTuple):
    """What makes a surface; chosen by `python -m bench.objects --choose surfaces`.

    Attributes:
        tolerance: distance from a plane, relative to its depth, up to which a point of median depth lies on it.
        largest_crease: mean inward bend of inverse depth, relative to itself, up to which a border parts no surfaces.
        least_plane: share of all points that lie on the smallest plane.
    """

    tolerance: float = 0.02
    largest_crease: float = 0.02
    least_plane: float = 0.05


RULES = SurfaceRules()


@contextmanager
def open_segmenter(
    config: ClassicalSegmenterConfig,
    *,
    seed: int,
    threads: int,
    flows: FlowStore | None = None,
    progress: Progress = silent,
    rules: SurfaceRules = RULES,
) -> Iterator[Segmenter]:
    """Open the classical segmenter.

    Args:
        config: its parameters.
        seed: of the random sampling in estimating the camera's motion.
        threads: how many frames are worked on at once; 0 takes one per core.
        flows: what the engines of a run share; None for one of its own.
        progress: told how many frames are segmented.
        rules: what makes a surface.

    Yields:
        The segmenter.
    """
    with workers(threads) as pool:
        yield _ClassicalSegmenter(config, seed, pool, flows or FlowStore(seed), progress, rules)


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
    flows: FlowStore
    progress: Progress
    rules: SurfaceRules

    def __call__(self, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        shape = _working_shape(geometry.grid)
        lab = list(self.pool.map(lambda image: to_lab(image, shape), frames.image))
        links = link_neighbours(self.flows(frames, geometry.grid, self.pool), lab, geometry, self.pool)
        return_freed_memory()
        evidence = through_time([motion_evidence(each, shape) for each in links], links)
        self.flows.keep_moves(frames, evidence)
        views = list(self.pool.map(lambda each: View(each, colour_bins(each, FINE)), lab))
        probability = moving_probability(views, evidence, self.pool)
        moving = list(self.pool.map(self._moving, probability, evidence, links))
        # What has been read for the last time is let go: the largest of this phase comes next.
        del views
        links = [each.without_relative() for each in links]
        return_freed_memory()
        if geometry.origin in _SHOWS_OUTLINES:
            still, planes = self._standing(lab, moving, links, geometry)
        else:
            nothing = _numbered(np.zeros(shape, np.int32), np.zeros(0, np.float32))
            moves = any(each.score.any() for each in moving)
            still, planes = [nothing] * len(lab) if moves else list(self.pool.map(self._coloured, lab)), 0
        regions = [_Candidates(*each) for each in zip(probability, moving, still, strict=True)]
        flow = [each.after.flow for each in links if each.after is not None]
        moving_score = best_outlined([each.moving for each in regions], flow)
        still_score = lasting_scores([each.still for each in regions], flow)
        detections = []
        for each in zip(regions, moving_score, still_score, strict=True):
            detections.append(self._detect(*each, geometry.grid))
            self.progress("segment", len(detections), len(frames))
        return Segmentation(frames=tuple(detections), background_regions=planes)

    def _moving(
        self, probability: Float32[np.ndarray, "h w"], evidence: Float32[np.ndarray, "h w"], links: Links
    ) -> Regions:
        least, most = self._sizes(probability.size)
        label = moving_labels(probability, evidence, least=least, most=most)
        step = motion_step(label, links.relative())
        clear = clearly_moving(label, evidence)
        score = np.where(step >= LEAST_MOTION, clear * border_contrast(label, probability), np.float32(0.0))
        label = np.where(np.append(False, score > 0)[label], label, 0).astype(np.int32)
        return _numbered(label, score)

    def _standing(
        self, lab: list[Lab], moving: list[Regions], links: list[Links], geometry: Geometry
    ) -> tuple[list[Regions], int]:
        """Find what stands out from the planes of the scene, in every frame; also returns how many planes there are."""
        frames, tolerance = [geometry[i] for i in range(len(lab))], self.rules.tolerance
        planes = background(frames, tolerance=tolerance, least_share=self.rules.least_plane, seed=self.seed)
        return_freed_memory()
        shape = _working_shape(geometry.grid)

        def evident(frame: FrameGeometry) -> Float32[np.ndarray, "h w"]:
            return standing_out(frame, depth_map(frame, shape), planes, tolerance=tolerance)

        now = list(self.pool.map(evident, frames))
        stands = through_time(now, links)
        return_freed_memory()
        sharp = geometry.origin is DepthOrigin.SENSOR  # triangulated depth is blurred by its flow
        return list(self.pool.map(partial(self._surfaces, sharp=sharp), lab, moving, frames, now, stands)), len(planes)

    def _surfaces(
        self,
        lab: Lab,
        moving: Regions,
        frame: FrameGeometry,
        now: Float32[np.ndarray, "h w"],
        stands: Float32[np.ndarray, "h w"],
        *,
        sharp: bool,
    ) -> Regions:
        moves = moving.label > 0
        likely = sigmoid(_SURE * np.where(moves, np.float32(-1.0), stands)).astype(np.float32)
        depth = depth_map(frame, stands.shape)
        crease, limit = creases(depth), self.rules.largest_crease
        edges = edges_of(even_colours(lab))
        leaf = superpixels(with_steps(edges, depth) if sharp else edges)
        label = surfaces(
            leaf, crease, smooth(likely, affinity(lab, EDGE_SIGMA), _STRENGTH) - np.float32(0.5), limit=limit
        )
        label = np.where(moves, 0, label).astype(np.int32)
        area = np.bincount(label.ravel(), minlength=int(label.max()) + 1)[1:]
        least, most = self._sizes(label.size)
        score = outlined(label, crease, depth, limit=limit) * off_background(label, now)
        score = np.where((area >= least) & (area <= most), score, np.float32(0.0))
        return _numbered(label, score)

    def _coloured(self, lab: Lab) -> Regions:
        """Find what stands out by colour: all there is to go by where nothing moves and depth is a guess."""
        colours = even_colours(lab)
        edges = edges_of(colours)
        tree = region_tree(superpixels(edges), colours, edges)
        least, most = self._sizes(tree.leaf.size)
        score = np.where((tree.area >= least) & (tree.area <= most), objectness(tree), np.float32(0.0))
        return Regions(tree.leaf, tree.members(), score)

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
        still_score = np.where(still_score >= self.config.min_score, still_score, np.float32(0.0))
        score = np.concatenate([moving_score, still_score])
        moves = np.arange(len(score)) < len(moving_score)
        chosen = choose(members, area, score, moves, self.config.max_regions)
        masks = [_outline(regions, int(i), grid) for i in chosen]
        return _detections(masks, score[chosen], grid)


def _working_shape(grid: GridShape) -> GridShape:
    shrink = max(1, round(max(grid) / _WORKING_SIDE))
    return max(1, grid[0] // shrink), max(1, grid[1] // shrink)


def _numbered(label: Int32[np.ndarray, "h w"], score: Float32[np.ndarray, " m"]) -> Regions:
    """Return regions of one label each, from 1; 0 is none."""
    return Regions(label, np.eye(len(score) + 1, dtype=np.bool_)[1:], score)


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
