"""Dense optical flow between two grey images (OpenCV DIS), and how far it can be trusted.

Flow is `(du, dv)` in pixels: what is at `(u, v)` in the first image is at `(u + du, v + dv)` in the second.

Reference: T. Kroeger, R. Timofte, D. Dai, L. Van Gool. Fast Optical Flow using Dense Inverse Search. ECCV 2016.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.types import GridShape, ImageStack

# DIS reads outside the image where a side shrinks below its 8 pixel patch at the finest level it works on (the second).
_MIN_SIDE = 32


@contextmanager
def workers(threads: int) -> Iterator[Executor]:
    """Run OpenCV calls side by side, each on one thread of its own.

    Many small calls scale better side by side than each one inside, and results do not depend on the number of threads.

    Args:
        threads: how many calls run at once; 0 takes one per core.

    Yields:
        A pool; leaving drops what has not begun and restores OpenCV's own number of threads.
    """
    before = cv2.getNumThreads()
    pool = ThreadPoolExecutor(threads or cv2.getNumberOfCPUs())
    cv2.setNumThreads(1)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(before)


def gray(images: ImageStack, shape: GridShape) -> UInt8[np.ndarray, "n h w"]:
    """Return the images as grey values on a grid of `shape` (height, width)."""
    out = np.empty((len(images), *shape), np.uint8)
    for image, target in zip(images, out, strict=True):
        shrinks = shape[0] <= image.shape[0] and shape[1] <= image.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        target[:] = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), shape[::-1], interpolation=how)
    return out


def flow_between(gray_a: UInt8[np.ndarray, "h w"], gray_b: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 2"]:
    """Return the flow from `gray_a` to `gray_b` in pixels; images of any size, down to a single pixel."""
    h, w = gray_a.shape
    pad = (0, max(0, _MIN_SIDE - h), 0, max(0, _MIN_SIDE - w))
    a, b = (cv2.copyMakeBorder(each, *pad, cv2.BORDER_REPLICATE) for each in (gray_a, gray_b))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(a, b, None)  # type: ignore[call-overload]  # its stub wants a flow to start from
    return np.ascontiguousarray(flow[:h, :w], np.float32)


def consistency(
    forward: Float32[np.ndarray, "h w 2"], backward: Float32[np.ndarray, "h w 2"]
) -> Float32[np.ndarray, "h w"]:
    """Measure how far each pixel ends from its start after going forward and back.

    Args:
        forward: flow from the first image to the second.
        backward: flow from the second image to the first.

    Returns:
        Distance in pixels on the first image's grid; infinite where the pixel leaves the second image.
    """
    h, w = forward.shape[:2]
    v, u = np.indices((h, w), np.float32)
    u += forward[..., 0]
    v += forward[..., 1]
    back = cv2.remap(backward, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    distance = np.hypot(forward[..., 0] + back[..., 0], forward[..., 1] + back[..., 1])
    inside = (u >= 0) & (u <= w - 1) & (v >= 0) & (v <= h - 1)
    return np.where(inside, distance, np.float32(np.inf))
