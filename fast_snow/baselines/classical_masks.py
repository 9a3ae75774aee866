"""Masks grown from points without weights: the colour region that holds them and looks most like an object.

Stands in for SAM2 with what the classical segmenter is made of. It sees the image alone, as SAM2 does. Returned masks
own their buffers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fast_snow.engines.classical.appearance import to_lab
from fast_snow.engines.classical.objectness import objectness
from fast_snow.engines.classical.region_tree import region_tree
from fast_snow.engines.classical.superpixels import edges_of, even_colours, superpixels
from fast_snow.kernels.mask_measures import bounding_boxes
from fast_snow.kernels.masks import encode
from fast_snow.types import Detections, GridShape

_WORKING_SIDE: Final = 256
_LARGEST: Final = 0.5
"""Share of the image; larger regions are background."""


@contextmanager
def open_masks() -> Iterator["_Grower"]:
    """Open what grows masks; nothing is loaded."""
    yield _Grower()


class _Grower:
    """Looks at an image."""

    def __call__(self, image: UInt8[np.ndarray, "height width 3"], grid: GridShape) -> "_Regions":
        shrink = max(1, round(max(grid) / _WORKING_SIDE))
        colours = even_colours(to_lab(image, (max(1, grid[0] // shrink), max(1, grid[1] // shrink))))
        edges = edges_of(colours)
        tree = region_tree(superpixels(edges), colours, edges)
        small = tree.area <= _LARGEST * tree.leaf.size
        return _Regions(tree.leaf, tree.members(), np.where(small, objectness(tree), np.float32(0.0)), grid)


class _Regions:
    """The regions of an image, asked by points."""

    def __init__(
        self,
        leaf: np.ndarray,
        members: Bool[np.ndarray, "r leaves"],
        score: Float32[np.ndarray, " r"],
        grid: GridShape,
    ) -> None:
        self._leaf, self._members, self._score, self._grid = leaf, members, score, grid

    def __call__(self, points: Float32[np.ndarray, "k points 2"]) -> Detections:
        """Return a mask for each cluster; a region counts by its objectness and the square of its share of the points.

        The square prefers a region that holds all points to a part that looks twice as much like an object and holds
        half of them.
        """
        chosen = [self._best(each) for each in points]
        dense = np.array([self._outline(region) for region, _ in chosen], np.bool_).reshape(-1, *self._grid)
        masks = encode(dense)
        return Detections(
            masks=masks,
            box_xyxy=bounding_boxes(masks),
            score=np.array([score for _, score in chosen], np.float32),
        )

    def _best(self, points: Float32[np.ndarray, "points 2"]) -> tuple[int, float]:
        scale = np.array(self._leaf.shape[::-1]) / np.array(self._grid[::-1])
        u, v = np.floor((points + 0.5) * scale).astype(np.int64).T
        leaf = self._leaf[np.clip(v, 0, self._leaf.shape[0] - 1), np.clip(u, 0, self._leaf.shape[1] - 1)]
        score = self._score * self._members[:, leaf].mean(axis=1) ** 2
        best = int(score.argmax())
        return best, float(score[best])

    def _outline(self, region: int) -> Bool[np.ndarray, "h w"]:
        """Return a region on the analysis grid; empty where it is background."""
        if self._score[region] == 0:
            return np.zeros(self._grid, np.bool_)
        soft = self._members[region].astype(np.float32)[self._leaf]
        return cv2.resize(soft, self._grid[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
