"""Fetching pixels from where they come from."""

from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from jaxtyping import Float32

from fast_snow.types import readonly

Flow = Float32[np.ndarray, "h w 2"]
"""Displacements `(du, dv)` in pixels."""

Image = TypeVar("Image", bound=np.ndarray)


@lru_cache(maxsize=4)
def pixel_grid(height: int, width: int) -> Float32[np.ndarray, "h w 2"]:
    """Return the coordinates `(u, v)` of every pixel; read-only."""
    v, u = np.indices((height, width), np.float32)
    return readonly(np.stack([u, v], axis=-1))


def fetch(image: Image, where: Float32[np.ndarray, "h w 2"], *, outside: float | None = None) -> Image:
    """Return, for every pixel, what an image shows at another place, interpolated.

    Args:
        image: any size.
        where: coordinates `(u, v)` in the image.
        outside: value of places outside the image; None takes the nearest pixel's.

    Returns:
        An image of the size of `where`.
    """
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    u, v = cv2.split(where)
    return cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=border, borderValue=outside or 0.0)  # type: ignore[return-value]


def fetch_labels(labels: np.ndarray, where: Float32[np.ndarray, "h w 2"]) -> np.ndarray:
    """Return, for every pixel, the label at the nearest pixel of another place; -1 outside the image."""
    u, v = cv2.split(where)
    return cv2.remap(labels.astype(np.float32), u, v, cv2.INTER_NEAREST, borderValue=-1.0).astype(np.int64)
