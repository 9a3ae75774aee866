"""Masks as COCO's compressed run lengths, to write the files that readers are tested with."""

import numpy as np

from fast_snow.kernels.masks import decode
from fast_snow.types import Masks

ZERO, BITS, MORE, SIGN = 48, 5, 32, 16


def to_coco(masks: Masks) -> tuple[str, ...]:
    """Return the compressed run lengths of each mask; its size is `masks.shape`."""
    return tuple(compressed(lengths(mask)) for mask in decode(masks))


def lengths(mask: np.ndarray) -> np.ndarray:
    flat = np.ascontiguousarray(mask.T).reshape(-1)
    return np.diff(np.flatnonzero(np.diff(flat, prepend=False)), prepend=0, append=len(flat))


def compressed(counts: np.ndarray) -> str:
    values = counts.copy()
    values[3:] -= counts[1:-2]
    return "".join(map(characters, values.tolist()))


def characters(value: int) -> str:
    text = ""
    while True:
        group, value = value & (MORE - 1), value >> BITS
        done = value == (-1 if group & SIGN else 0)
        text += chr(group + (0 if done else MORE) + ZERO)
        if done:
            return text
