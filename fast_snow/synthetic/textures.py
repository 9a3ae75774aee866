"""Painted surfaces of the synthetic scene: value noise and simple patterns, from a seed."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from fast_snow.synthetic.scene import Color, Pattern

Picture = Float32[np.ndarray, "h w 3"]
"""Linear reflectance in [0, 1]."""

_LEVELS = 5
_GAMMA = 2.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texture:
    """A picture and its copies at half, quarter … size, against flicker where it is seen from afar."""

    levels: tuple[Float32[np.ndarray, "_ _ 3"], ...]

    @classmethod
    def of(cls, picture: Picture) -> "Texture":
        """Return the texture of one picture."""
        levels = [picture]
        while len(levels) < _LEVELS and min(levels[-1].shape[:2]) >= 4:
            levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        return cls(levels=tuple(levels))

    def sample(
        self, s: Float32[np.ndarray, " n"], t: Float32[np.ndarray, " n"], footprint: Float32[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "n 3"]:
        """Look up colours at `s` from left (0) to right (1) and `t` from top to bottom.

        They are interpolated within and between the two pictures whose pixels are nearest to the footprint: how much of
        the picture's width one pixel of the image covers.
        """
        width = self.levels[0].shape[1]
        level = np.clip(np.log2(np.maximum(footprint * width, 1e-6)), 0, len(self.levels) - 1)
        color = np.zeros((len(s), 3), np.float32)
        for index, picture in enumerate(self.levels):
            weight = np.maximum(0, 1 - np.abs(level - index))
            used = np.flatnonzero(weight)
            if len(used):
                color[used] += weight[used, None] * _bilinear(picture, s[used], t[used])
        return color


def _bilinear(
    picture: Picture, s: Float32[np.ndarray, " n"], t: Float32[np.ndarray, " n"]
) -> Float32[np.ndarray, "n 3"]:
    # OpenCV takes maps of at most 32767 columns, so the list of points is folded.
    columns = 256
    padding = -len(s) % columns
    height, width = picture.shape[:2]
    u, v = (np.pad(each, (0, padding)).reshape(-1, columns) for each in (s * width - 0.5, t * height - 0.5))
    looked_up = cv2.remap(
        picture, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return looked_up.reshape(-1, 3)[: len(s)]


def linear(color: Color) -> Float32[np.ndarray, "3"]:
    """Return the reflectance of a colour as displayed."""
    return (np.array(color, np.float32) ** _GAMMA).astype(np.float32)


def displayed(reflected: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return the value in [0, 1] to display for an amount of light."""
    return np.clip(reflected, 0, 1) ** np.float32(1 / _GAMMA)


def value_noise(
    rng: np.random.Generator, height: int, width: int, *, cell: float, octaves: int = 4
) -> Float32[np.ndarray, "h w"]:
    """Return smooth noise in [-1, 1]: random values on grids, each half as coarse and half as strong as the last.

    The cells of the coarsest have `cell` pixels.
    """
    total = np.zeros((height, width), np.float32)
    strength = 1.0
    for _ in range(octaves):
        shape = (int(height / cell) + 2, int(width / cell) + 2)
        grid = rng.uniform(-1, 1, shape).astype(np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        strength, cell = strength / 2, max(1.0, cell / 2)
    return np.clip(total / (2 - 2.0 ** (1 - octaves)) * 1.4, -1, 1)


def painted(
    rng: np.random.Generator, base: Color, accent: Color, amount: Float32[np.ndarray, "h w"], *, grain: float
) -> Picture:
    """Mix two colours by `amount` in [0, 1] and roughen the result with noise of strength `grain`."""
    height, width = amount.shape
    mixed = linear(base) + amount[..., None] * (linear(accent) - linear(base))
    noise = value_noise(rng, height, width, cell=width / 12, octaves=5)
    return np.clip(mixed * (1 + grain * noise[..., None]), 0, 1).astype(np.float32)


def surface(rng: np.random.Generator, pattern: Pattern, color: Color, accent: Color) -> Texture:
    """Return the texture of an object's face, or of a ball (longitude by latitude)."""
    side = 256
    t, s = (np.mgrid[:side, :side] + 0.5) / side
    match pattern:
        case Pattern.CRATE:
            frame = np.minimum.reduce([s, 1 - s, t, 1 - t]) < 0.12
            amount = np.where(frame, 0.15, 0.55 + 0.45 * (np.abs(t * 5 % 1 - 0.5) > 0.44))
            amount = np.where(np.abs(np.minimum.reduce([s, 1 - s, t, 1 - t]) - 0.12) < 0.008, 1.0, amount)
        case Pattern.STRIPES:
            amount = (s * 5 % 1 < 0.35).astype(float)
        case Pattern.DOTS:
            amount = (np.hypot(s * 5 % 1 - 0.5, t * 5 % 1 - 0.5) < 0.27).astype(float)
        case Pattern.CHECKER:
            amount = ((np.floor(s * 6) + np.floor(t * 4)) % 2).astype(float)
    return Texture.of(painted(rng, color, accent, amount.astype(np.float32), grain=0.35))
