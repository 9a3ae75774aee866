"""Hard cuts between frames: another scene begins, of which nothing before tells anything."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from fast_snow.inputs.sampled import Image
from fast_snow.types import Frames

COLOURS: Final = 0.4
"""At a cut the Hellinger distance of two frames' colours is larger. Real clips at 10 Hz stay below 0.15, but where
exposure jumps; of cuts between them 99 in 100 are above."""
LAYOUT: Final = 0.4
"""At a cut the correlation of two frames' grey images is smaller; where exposure alone jumps it stays near 1."""
LONGEST_GAP_S: Final = 0.3
"""Frames farther apart in time may differ so much within one scene: nothing is said of them."""
_SIZE: Final = (64, 36)
_BINS: Final = (8, 4, 4)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What a frame looks like at a glance.

    Attributes:
        time_s: of the frame.
        colours: square roots of the shares of pixels per bin of hue, saturation and value.
        grey: a small grey image, centred.
    """

    time_s: float
    colours: Float32[np.ndarray, " bins"]
    grey: Float32[np.ndarray, "h w"]


def look_of(image: Image, time_s: float) -> Look:
    """Return what a frame looks like."""
    small = cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(_BINS), [0, 180, 0, 256, 0, 256]).ravel()
    grey: UInt8[np.ndarray, "h w"] = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    return Look(
        time_s=time_s,
        colours=np.sqrt(counts / counts.sum(), dtype=np.float32),
        grey=grey.astype(np.float32) - np.float32(grey.mean()),
    )


def is_cut(before: Look, after: Look) -> bool:
    """Tell whether another scene begins between two frames that follow each other."""
    if after.time_s - before.time_s > LONGEST_GAP_S:
        return False
    distance = np.sqrt(max(0.0, 1 - float(before.colours @ after.colours)))
    both = float(np.linalg.norm(before.grey) * np.linalg.norm(after.grey))
    same_layout = float((before.grey * after.grey).sum()) >= LAYOUT * both
    return bool(distance > COLOURS and not same_layout)


def cuts_within(frames: Frames, first: int) -> tuple[int, ...]:
    """Return the `t` of frames, from a first one on, at which another scene begins."""
    looks = [look_of(image, float(time_s)) for image, time_s in zip(frames.image, frames.time_s, strict=True)]
    index = range(max(first, 1), len(looks))
    return tuple(int(frames.t[i]) for i in index if is_cut(looks[i - 1], looks[i]))
