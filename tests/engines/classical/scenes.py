"""Frames and geometry that the tests of the classical engines are made of."""

from pathlib import Path

import cv2
import numpy as np

from fast_snow.types import DepthOrigin, Frames, Geometry, GridShape

LONG_SIDE = 504


def frames_of(images: np.ndarray) -> Frames:
    n = len(images)
    return Frames(
        image=images,
        t=np.arange(n, dtype=np.int32),
        time_s=np.arange(n) / 10.0,
        source_frame=np.arange(n, dtype=np.int64),
    )


def grid_of(images: np.ndarray) -> GridShape:
    height, width = images.shape[1:3]
    scale = LONG_SIDE / max(height, width)
    return round(height * scale), round(width * scale)


def flat_geometry(n: int, grid: GridShape, origin: DepthOrigin = DepthOrigin.GROUND_PLANE_PRIOR) -> Geometry:
    """A camera that stands still before a wall: what is known where nothing is."""
    f = 0.8 * max(grid)
    intrinsics = np.array([[f, 0, grid[1] / 2], [0, f, grid[0] / 2], [0, 0, 1.0]])
    return Geometry(
        depth=np.ones((n, *grid), np.float32),
        confidence=np.ones((n, *grid), np.float32),
        intrinsics=np.repeat(intrinsics[None], n, axis=0),
        T_camera_world=np.repeat(np.eye(4)[None], n, axis=0),
        metric=False,
        origin=origin,
    )


def texture(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


def moving_disc(n: int = 8, height: int = 120, width: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A reddish disc that crosses a textured, panning background; images and true masks."""
    background = texture(height, width + 4 * n, 0) // 2
    background[..., 0] //= 3
    v, u = np.indices((height, width))
    images, masks = [], []
    for k in range(n):
        mask = (u - 50 - 8 * k) ** 2 + (v - 60 - k) ** 2 < 18**2
        skin = np.roll(texture(height, width, 1) // 3 + np.array([150, 20, 20], np.uint8), (k, 8 * k), axis=(0, 1))
        images.append(np.where(mask[..., None], skin, background[:, 4 * k : 4 * k + width]))
        masks.append(mask)
    return np.stack(images).astype(np.uint8), np.stack(masks)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 1.0


def hard_scenes() -> dict[str, np.ndarray]:
    """Inputs that have nothing to find, or hardly any pixels to find it in."""
    random = np.random.default_rng(0)
    return {
        "one pixel": np.zeros((3, 1, 1, 3), np.uint8),
        "one frame": texture(40, 60, 0)[None],
        "one row": random.integers(0, 256, (2, 1, 50, 3)).astype(np.uint8),
        "tiny": random.integers(0, 256, (3, 5, 7, 3)).astype(np.uint8),
        "black": np.zeros((3, 60, 80, 3), np.uint8),
        "identical": np.repeat(texture(60, 80, 0)[None], 3, axis=0),
        "noise": random.integers(0, 256, (3, 120, 160, 3)).astype(np.uint8),
    }


def davis(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images sampled at 10 Hz from a 24 fps clip, and true masks on the analysis grid."""
    capture = cv2.VideoCapture(str(folder / "video.mp4"))
    every = []
    while True:
        more, image = capture.read()
        if not more:
            break
        every.append(image[..., ::-1])
    source = sorted({int(np.ceil(k * 2.4 - 1e-9)) for k in range(len(every)) if k * 2.4 <= len(every) - 1})
    images = np.stack([every[i] for i in source])
    truth = [cv2.imread(str(folder / "gt" / f"{i:05d}.png"), cv2.IMREAD_GRAYSCALE) for i in source]
    size = grid_of(images)[::-1]
    return images, np.stack([cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) == 255 for each in truth])
