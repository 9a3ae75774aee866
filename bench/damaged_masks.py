"""Frames of which the truth is known, and masks and depth that err as those of networks do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fast_snow.kernels.masks import decode, encode, shift
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig

GRID = 378, 504
"""Depth Anything 3's usual grid for pictures of 4:3."""
FIGURE_M, WALL_M = 5.0, 7.5
DAMAGES = ("exact", "1 px larger", "2 px larger", "1 px smaller", "2 px aside", "wavy")
SMEARS = {"exact": 1, "over 3 px": 3, "over 5 px": 5}
"""Side of the box that depth is averaged over."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One frame of which all is known.

    Attributes:
        masks: dense, of each object.
        depth: metres along the optical axis.
        intrinsics: K.
        T_camera_world: world-to-camera pose.
    """

    masks: np.ndarray
    depth: np.ndarray
    intrinsics: np.ndarray
    T_camera_world: np.ndarray


def synthetic(frames: int, seed: int) -> Iterator[View]:
    """Render the synthetic scene on the grid that a depth network works on."""
    scene = render(SceneConfig(size=GRID, frames=frames, seed=seed))
    for ids, depth, pose in zip(scene.ids, scene.depth, scene.T_world_camera, strict=True):
        masks = ids == scene.object_id[:, None, None]
        yield View(masks=masks, depth=depth, intrinsics=scene.intrinsics, T_camera_world=np.linalg.inv(pose))


def figures(clips: Path, every: int) -> Iterator[View]:
    """Stand silhouettes of real people and animals, each alone and flat, before a wall.

    Args:
        clips: folder of the development clips.
        every: take every so many-th image.
    """
    people = sorted((clips / "mots20_05_dev" / "gt").glob("*.png"))[::every]
    animals = [path for gt in sorted((clips / "davis").glob("*/gt")) for path in sorted(gt.glob("*.png"))[::every]]
    for path in people + animals:
        ids = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert ids is not None, path
        height, width = ids.shape[0] * GRID[1] // ids.shape[1], GRID[1]
        ids = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        intrinsics = np.array([[0.9 * width, 0.0, width / 2], [0.0, 0.9 * width, height / 2], [0.0, 0.0, 1.0]])
        for number in np.setdiff1d(np.unique(ids), (0, 255) if path in people else (0,)):
            mask = ids == number
            depth = np.where(mask, FIGURE_M, WALL_M).astype(np.float32)
            yield View(masks=mask[None], depth=depth, intrinsics=intrinsics, T_camera_world=np.eye(4))


def planks(count: int, seed: int) -> Iterator[View]:
    """Stand rectangles at a slant before a wall, of which the far end is up to six times as far as the near one."""
    random = np.random.default_rng(seed)
    v, u = np.indices(GRID)
    for _ in range(count):
        turn, fall = random.uniform(0, 2 * np.pi, 2)
        du, dv = u - random.uniform(0.3, 0.7) * GRID[1], v - random.uniform(0.3, 0.7) * GRID[0]
        along, across = np.cos(turn) * du + np.sin(turn) * dv, np.cos(turn) * dv - np.sin(turn) * du
        mask = (np.abs(along) < random.uniform(20, 120)) & (np.abs(across) < random.uniform(15, 60))
        down = np.cos(fall) * du + np.sin(fall) * dv
        near, ratio = random.uniform(1, 3), random.uniform(1.2, 6)
        share = (down - down[mask].min()) / np.ptp(down[mask])
        yield _before_wall(mask, (1 + share * (1 / ratio - 1)) / near, near * ratio + random.uniform(0.3, 4))


def boxes(count: int, seed: int) -> Iterator[View]:
    """Stand boxes before a wall: one face to the front, 5 to 50 % of the pixels on another that runs back."""
    random = np.random.default_rng(seed)
    v, u = np.indices(GRID)
    for _ in range(count):
        left, top = random.uniform(0.1, 0.4) * GRID[1], random.uniform(0.1, 0.5) * GRID[0]
        front, share = random.uniform(40, 140), random.uniform(0.05, 0.5)
        side = front * share / (1 - share)
        mask = (u >= left) & (u < left + front + side) & (v >= top) & (v < top + random.uniform(40, 150))
        near, ratio = random.uniform(1.5, 4), random.uniform(1.05, 1.6)
        back = np.maximum(u - left - front, 0) / side
        yield _before_wall(mask, (1 + back * (1 / ratio - 1)) / near, near * ratio + random.uniform(0.3, 4))


def _before_wall(mask: np.ndarray, inverse_depth: np.ndarray, wall_m: float) -> View:
    height, width = GRID
    intrinsics = np.array([[0.9 * width, 0.0, width / 2], [0.0, 0.9 * width, height / 2], [0.0, 0.0, 1.0]])
    depth = np.where(mask, 1 / np.maximum(inverse_depth, 1e-3), wall_m).astype(np.float32)
    return View(masks=mask[None], depth=depth, intrinsics=intrinsics, T_camera_world=np.eye(4))


def damaged(dense: np.ndarray, how: str, random: np.random.Generator) -> np.ndarray:
    """Return masks as a segmenter that errs in one of the ways `DAMAGES` would give them, or `8 px aside`."""
    if how == "exact":
        return dense
    if "aside" in how:
        angle, by = random.uniform(0, 2 * np.pi), int(how[0])
        return decode(shift(encode(dense), round(by * np.cos(angle)), round(by * np.sin(angle))))
    if how == "wavy":
        return np.stack([_signed_distance(mask) + _waves(mask.shape, random) > 0 for mask in dense])
    change, by = (cv2.erode if "smaller" in how else cv2.dilate), int(how[0])
    square = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return np.stack([change(mask.astype(np.uint8), square) for mask in dense]).astype(bool)


def smeared(depth: np.ndarray, side: int) -> np.ndarray:
    """Return depth that runs from one surface to the next over some `side` pixels, as that of networks does."""
    return cv2.blur(depth, (side, side))


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    inside, outside = (
        cv2.distanceTransform(np.pad(each, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for each in (mask, ~mask)
    )
    return (inside - outside)[1:-1, 1:-1]


def _waves(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Draw how far an outline moves: 1 px (standard deviation), alike along some 10 px of it."""
    noise = cv2.GaussianBlur(random.standard_normal(shape), (0, 0), 5)
    return noise / noise.std()
