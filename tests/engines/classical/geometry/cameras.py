"""Cameras of which everything is known: the points they see of a cloud, and their pictures of a textured plane."""

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from fast_snow.cameras import pinhole
from fast_snow.types import TrackedPoints

SHAPE = (180, 240)
K = pinhole(220.0, 220.0, 119.5, 89.5)
PLANE = np.array([0.15, -0.25, 1.0]) / 4.0
"""The plane of points X with `PLANE · X = 1`: slanted, four units in front of the world's origin."""
_TEXELS_PER_UNIT = 55.0


def turned(*degrees: float, axis: int = 1) -> np.ndarray:
    """Rotations about one axis of the camera."""
    vectors = np.zeros((len(degrees), 3))
    vectors[:, axis] = np.radians(degrees)
    return np.stack([cv2.Rodrigues(each)[0] for each in vectors])


def poses(R_camera_world: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """World-to-camera poses of cameras at `centre`."""
    T_camera_world = np.tile(np.eye(4), (len(centre), 1, 1))
    T_camera_world[:, :3, :3] = R_camera_world
    T_camera_world[:, :3, 3] = -np.einsum("nij,nj->ni", R_camera_world, centre)
    return T_camera_world


def arc(n: int, length: float = 1.5) -> np.ndarray:
    """Poses of a camera that moves to the right on a bent path and turns back to the left."""
    share = np.linspace(0, 1, n)
    centre = np.stack([length * share, 0.1 * np.sin(3 * share), 0.2 * share**2], axis=1)
    return poses(turned(*(-6 * share)), centre)


def cloud(count: int = 600, seed: int = 0) -> np.ndarray:
    """Points from three to eight units in front of the world's origin."""
    random = np.random.default_rng(seed)
    depth = random.uniform(3, 8, count)
    return np.stack([random.uniform(-0.7, 0.9, count) * depth, random.uniform(-0.5, 0.5, count) * depth, depth], axis=1)


def seen(points: np.ndarray, T_camera_world: np.ndarray) -> list[TrackedPoints]:
    """What an ideal tracker would see of `points`."""
    tracked = []
    for T in T_camera_world:
        projected = (points @ T[:3, :3].T + T[:3, 3]) @ K.T
        uv = projected[:, :2] / projected[:, 2:]
        inside = (projected[:, 2] > 0) & (uv >= 0).all(axis=1) & (uv <= np.array(SHAPE[::-1]) - 1).all(axis=1)
        tracked.append(TrackedPoints(point_id=np.flatnonzero(inside), uv=uv[inside].astype(np.float32)))
    return tracked


def nothing() -> TrackedPoints:
    return TrackedPoints(point_id=np.zeros(0, np.int64), uv=np.zeros((0, 2), np.float32))


def texture(height: int, width: int) -> np.ndarray:
    """Grey blotches of a few pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 10, 245, cv2.NORM_MINMAX)


def sampled(paint: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The picture that shows `paint` at given places; OpenCV's interpolation is not exact enough to test with."""
    return np.clip(np.rint(map_coordinates(paint, [row, column], mode="mirror")), 0, 255).astype(np.uint8)


def pictures(T_camera_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures of the textured plane, and its depth."""
    paint = texture(700, 900)
    v, u = np.indices(SHAPE)
    rays = np.stack([u, v, np.ones(SHAPE)], axis=-1) @ np.linalg.inv(K).T
    images, depths = [], []
    for T in T_camera_world:
        centre = -T[:3, :3].T @ T[:3, 3]
        directions = rays @ T[:3, :3]
        depth = (1 - PLANE @ centre) / (directions @ PLANE)
        point = centre + depth[..., None] * directions
        x, y = np.moveaxis(point[..., :2] * _TEXELS_PER_UNIT, -1, 0)
        images.append(sampled(paint, y + 350, x + 450))
        depths.append(depth)
    return np.stack(images), np.stack(depths)
