"""Frames and geometry for the tests of FastSAM."""

import cv2
import numpy as np

from fast_snow.types import DepthOrigin, Frames, Geometry, GridShape


def drawn(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return images of soft ellipses in dull colours, each image with others."""
    generator = np.random.default_rng(seed)
    images = np.empty((count, height, width, 3), np.uint8)
    for image in images:
        image[:] = generator.integers(90, 150, 3)
        for _ in range(12):
            centre = (int(generator.integers(width)), int(generator.integers(height)))
            axes = (int(generator.integers(10, width // 3)), int(generator.integers(10, height // 3)))
            cv2.ellipse(image, centre, axes, 30.0, 0.0, 360.0, generator.integers(60, 180, 3).tolist(), -1)
        image[:] = cv2.GaussianBlur(image, (0, 0), 2)
    return images


def frames_of(images: np.ndarray) -> Frames:
    count = len(images)
    return Frames(
        image=images,
        t=np.arange(count, dtype=np.int32),
        time_s=np.arange(count) / 10,
        source_frame=np.arange(count),
    )


def geometry_on(grid: GridShape, count: int) -> Geometry:
    return Geometry(
        depth=np.ones((count, *grid), np.float32),
        confidence=np.ones((count, *grid), np.float32),
        intrinsics=np.tile(np.eye(3), (count, 1, 1)),
        T_camera_world=np.tile(np.eye(4), (count, 1, 1)),
        metric=False,
        origin=DepthOrigin.NETWORK,
    )
