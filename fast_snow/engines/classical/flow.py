"""Dense optical flow between two grey images (OpenCV DIS), and how far it can be trusted.

Flow is `(du, dv)` in pixels: what is at `(u, v)` in the first image is at `(u + du, v + dv)` in the second.

Reference: T. Kroeger, R. Timofte, D. Dai, L. Van Gool. Fast Optical Flow using Dense Inverse Search. ECCV 2016.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from threading import local
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.types import GridShape, ImageStack, readonly

# DIS reads outside the image where a side shrinks below its 8 pixel patch at the finest level it works on (the second).
_MIN_SIDE = 32
_of_thread = local()


@contextmanager
def workers(threads: int) -> Iterator[Executor]:
    """Run OpenCV calls side by side, each on one thread of its own.

    Many small calls scale better side by side than each one inside, and results do not depend on the number of threads.

    Args:
        threads: how many calls run at once; 0 takes one per core.

    Yields:
        A pool; leaving drops what has not begun and restores OpenCV's own number of threads.
    """
    pool = ThreadPoolExecutor(threads or cv2.getNumberOfCPUs())
    with opencv_threads(1):
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """Let each OpenCV call use so many threads, for calls that follow one another; 0 takes one per core."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count or cv2.getNumberOfCPUs())
    try:
        yield
    finally:
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
    flow = _dense_search().calc(a, b, None)  # type: ignore[call-overload]  # its stub wants a flow to start from
    return np.ascontiguousarray(flow[:h, :w], np.float32)


def _dense_search() -> cv2.DISOpticalFlow:
    """Return the thread's own search: what it allocates for one pair of images serves the next."""
    if not hasattr(_of_thread, "dis"):
        _of_thread.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return _of_thread.dis


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
    return _consistency(readonly(forward), readonly(backward))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _consistency(forward, backward):
    height, width, _ = forward.shape
    distance = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            du, dv = forward[y, x, 0], forward[y, x, 1]
            u, v = x + du, y + dv
            if not (0 <= u <= width - 1 and 0 <= v <= height - 1):
                distance[y, x] = np.inf
                continue
            left, top = int(u), int(v)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            p, q = np.float32(u - left), np.float32(v - top)
            for c in range(2):
                upper = backward[top, left, c] + p * (backward[top, right, c] - backward[top, left, c])
                lower = backward[bottom, left, c] + p * (backward[bottom, right, c] - backward[bottom, left, c])
                back = upper + q * (lower - upper)
                if c == 0:
                    du += back
                else:
                    dv += back
            distance[y, x] = np.sqrt(du * du + dv * dv)
    return distance
