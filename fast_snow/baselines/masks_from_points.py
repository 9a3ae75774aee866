"""Masks from point prompts: by SAM2, or by colour regions where SAM2 cannot run.

Colour regions see the image alone, as SAM2 does: of the classical segmenter's region tree they take the region that
holds a cluster's points and looks most like an object. Returned masks own their buffers.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.config import Config
from fast_snow.engines.classical.objectness import objectness
from fast_snow.engines.classical.region_tree import region_tree
from fast_snow.engines.classical.superpixels import edges_of, even_colours, superpixels
from fast_snow.errors import ConfigError
from fast_snow.kernels.colours import to_lab
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode
from fast_snow.selection import EngineUse, Skipped
from fast_snow.selection.requirements import installed, no_gpu
from fast_snow.types import Detections, GridShape
from fast_snow.weights import damage, on_disk

Image = UInt8[np.ndarray, "height width 3"]
PointPrompts = Float32[np.ndarray, "k points 2"]

MasksOfPoints = Callable[[PointPrompts], Detections]
"""One mask, which may be empty, for each cluster's points (columns and rows of the analysis grid)."""

LookAt = Callable[[Image, GridShape], MasksOfPoints]
"""Looks at an image once, then answers for any number of points in it, with masks on the analysis grid."""

OpenMasks = Callable[[], AbstractContextManager[LookAt]]

WEIGHTS: Final = ("config.json", "model.safetensors")
_WORKING_SIDE: Final = 256
_LARGEST: Final = 0.5
"""Share of the image; larger regions are background."""


def choose_masks(config: Config, settings: SnowConfig) -> tuple[OpenMasks, EngineUse]:
    """Choose the source of masks; raises ConfigError where SAM2 is asked for and cannot run here."""
    obstacles = _obstacles(settings)
    if settings.masks == "sam2" and obstacles:
        raise ConfigError(f"snow.masks: sam2 {', and '.join(obstacles)}; or choose classical")
    against = obstacles or no_gpu(config)
    if settings.masks == "sam2" or (settings.masks == "auto" and not against):
        return _sam2(config, settings), EngineUse(slot="masks", name="sam2", meaning="masks of SAM2 from points")
    return open_colour_regions, EngineUse(
        slot="masks",
        name="classical",
        meaning="colour regions around the points, in place of SAM2",
        skipped=(Skipped(name="sam2", why=", and ".join(against)),) if settings.masks == "auto" else (),
    )


def _obstacles(settings: SnowConfig) -> tuple[str, ...]:
    folder = on_disk(settings.model_path)
    problems = [f"{name} {problem}" for name in WEIGHTS if (problem := damage(folder / name)) is not None]
    missing = installed("torch", "transformers")
    if not problems:
        return missing
    return (*missing, f"needs weights in {folder}, where {' and '.join(problems)}: run fast-snow fetch-models sam2")


def _sam2(config: Config, settings: SnowConfig) -> OpenMasks:
    from fast_snow.engines.sam2.prompted_masks import open_masks

    return partial(
        open_masks,
        on_disk(settings.model_path),
        device=config.runtime.device,
        precision=settings.precision,
        prompts_at_once=settings.prompts_at_once,
    )


@contextmanager
def open_colour_regions() -> Iterator[LookAt]:
    """Open the source of masks that needs no weights."""
    yield _regions_of


def _regions_of(image: Image, grid: GridShape) -> MasksOfPoints:
    shrink = max(1, round(max(grid) / _WORKING_SIDE))
    colours = even_colours(to_lab(image, (max(1, grid[0] // shrink), max(1, grid[1] // shrink))))
    edges = edges_of(colours)
    tree = region_tree(superpixels(edges), colours, edges)
    small = tree.area <= _LARGEST * tree.leaf.size
    score = np.where(small, objectness(tree), np.float32(0.0))
    return _Regions(leaf=tree.leaf, members=tree.members(), score=score, grid=grid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Regions:
    """The regions of an image: which leaf each pixel is in, and which leaves each region has."""

    leaf: Int32[np.ndarray, "h w"]
    members: Bool[np.ndarray, "r leaves"]
    score: Float32[np.ndarray, " r"]
    grid: GridShape

    def __call__(self, points: PointPrompts) -> Detections:
        """Return a mask for each cluster; a region counts by its objectness and the square of its share of the points.

        The square prefers a region that holds all points to a part that looks twice as much like an object and holds
        half of them.
        """
        best = [self._best(each) for each in points]
        dense = np.array([self._outline(region) for region, _ in best], np.bool_).reshape(-1, *self.grid)
        masks = encode(dense)
        score = np.array([score for _, score in best], np.float32)
        return Detections(masks=masks, box_xyxy=bounding_boxes(masks), score=score)

    def _best(self, points: Float32[np.ndarray, "points 2"]) -> tuple[int, float]:
        scale = np.array(self.leaf.shape[::-1]) / np.array(self.grid[::-1])
        u, v = np.floor((points + 0.5) * scale).astype(np.int64).T
        leaf = self.leaf[np.clip(v, 0, self.leaf.shape[0] - 1), np.clip(u, 0, self.leaf.shape[1] - 1)]
        score = self.score * self.members[:, leaf].mean(axis=1) ** 2
        best = int(score.argmax())
        return best, float(score[best])

    def _outline(self, region: int) -> Bool[np.ndarray, "h w"]:
        """Return a region on the analysis grid; empty where it is background."""
        if self.score[region] == 0:
            return np.zeros(self.grid, np.bool_)
        soft = self.members[region].astype(np.float32)[self.leaf]
        return cv2.resize(soft, self.grid[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
