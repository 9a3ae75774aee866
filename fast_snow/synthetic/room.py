"""The room of the synthetic scene: a tiled floor with a rug, panelled walls with pictures, and soft shadows."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from fast_snow.synthetic.scene import Color
from fast_snow.synthetic.textures import Picture, Texture, linear, painted, value_noise

LOW = np.array([-4.0, -4.6, 0.0])
HIGH = np.array([4.0, 3.4, 3.2])
"""Opposite corners in metres; the camera and all objects stay inside."""

LIGHT = np.array([-0.68, -0.28, 0.68])
"""Unit vector towards the lamp."""

FLOOR = 4
"""The face of `view.leave_box` that is the floor."""

_SHADOW_PIXELS_PER_M = 60
_RUG = (0.05, 0.30, 1.75)
_RUG_RINGS: tuple[Color, ...] = ((0.20, 0.36, 0.44), (0.82, 0.76, 0.64), (0.74, 0.42, 0.33), (0.82, 0.76, 0.64))
_PALETTE: tuple[Color, ...] = (
    (0.20, 0.36, 0.44),
    (0.86, 0.72, 0.50),
    (0.78, 0.42, 0.32),
    (0.93, 0.88, 0.78),
    (0.35, 0.50, 0.42),
    (0.55, 0.35, 0.40),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """What the six faces look like, by the numbers of `view.leave_box`."""

    faces: tuple[Texture, ...]

    def reflectance(
        self, point: Float64[np.ndarray, "n 3"], face: Int64[np.ndarray, " n"], footprint: Float64[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "n 3"]:
        """Return the colour of points on the faces; one pixel of the image covers `footprint` metres there."""
        color = np.zeros((len(point), 3), np.float32)
        extent = HIGH - LOW
        share = (point - LOW) / extent
        for index, texture in enumerate(self.faces):
            on_face = np.flatnonzero(face == index)
            if not len(on_face):
                continue
            across, up = _axes(index)
            s, t, covered = share[on_face, across], 1 - share[on_face, up], footprint[on_face] / extent[across]
            color[on_face] = texture.sample(*(each.astype(np.float32) for each in (s, t, covered)))
        return color


def furnish(rng: np.random.Generator) -> Room:
    """Paint the faces of the room."""
    extent = HIGH - LOW
    walls = [Texture.of(_wall(rng, extent[1 - face // 2], extent[2])) for face in range(4)]
    ceiling = Texture.of(
        painted(rng, (0.95, 0.94, 0.91), (0.9, 0.9, 0.9), np.zeros((256, 256), np.float32), grain=0.05)
    )
    return Room(faces=(*walls, Texture.of(_floor(rng, extent[0], extent[1])), ceiling))


def shadows(hulls: Sequence[Float64[np.ndarray, "_ 3"]]) -> Texture:
    """Return how much light the floor gets under objects, convex hulls of points in the world."""
    width, height = np.rint((HIGH - LOW)[:2] * _SHADOW_PIXELS_PER_M).astype(int)
    lamp = np.ones((height, width), np.float32)
    ambient = np.ones((height, width), np.float32)
    for corners in hulls:
        along_light = corners[:, :2] - corners[:, 2:] / LIGHT[2] * LIGHT[:2]
        cv2.fillConvexPoly(lamp, _hull(along_light), 0.0, cv2.LINE_AA)
        if corners[:, 2].min() < 0.05:
            cv2.fillConvexPoly(ambient, _hull(corners[:, :2]), 0.25, cv2.LINE_AA)
    lamp = cv2.GaussianBlur(lamp, (0, 0), 0.03 * _SHADOW_PIXELS_PER_M)
    ambient = cv2.GaussianBlur(ambient, (0, 0), 0.10 * _SHADOW_PIXELS_PER_M)
    return Texture(levels=(np.stack([lamp, ambient, ambient], axis=2),))


def _hull(points: Float64[np.ndarray, "k 2"]) -> Int32[np.ndarray, "j 1 2"]:
    """Return the convex outline of points on the floor in pixels of the shadow picture."""
    share = (points - LOW[:2]) / (HIGH - LOW)[:2]
    share[:, 1] = 1 - share[:, 1]
    pixels = share * (HIGH - LOW)[:2] * _SHADOW_PIXELS_PER_M
    return np.asarray(cv2.convexHull(np.rint(pixels).astype(np.int32)), dtype=np.int32)


def corner_light(point: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
    """Return how much of the diffuse light reaches points on the faces; less where two of them meet."""
    x, y, z = np.minimum(point - LOW, HIGH - point).T
    to_wall = x + y + z - np.maximum(np.maximum(x, y), z)  # the third, the nearest, is the point's own face at 0
    return 1 - 0.45 * np.exp(-to_wall / 0.35)


def _axes(face: int) -> tuple[int, int]:
    """Return the world axes across and up the picture of a face."""
    return ((1, 2), (0, 2), (0, 1))[face // 2]


def _floor(rng: np.random.Generator, width_m: float, height_m: float) -> Picture:
    """Paint tiles of half a metre and a round rug."""
    pixels_per_m = 200
    shape = (round(height_m * pixels_per_m), round(width_m * pixels_per_m))
    y, x = np.mgrid[: shape[0], : shape[1]] / pixels_per_m
    tile = rng.uniform(0, 1, (int(2 * height_m) + 1, int(2 * width_m) + 1))[(2 * y).astype(int), (2 * x).astype(int)]
    floor = painted(rng, (0.80, 0.72, 0.62), (0.68, 0.58, 0.48), tile.astype(np.float32), grain=0.30)
    to_grout = np.minimum(np.abs((2 * x + 0.5) % 1 - 0.5), np.abs((2 * y + 0.5) % 1 - 0.5)) / 2
    floor *= np.clip(to_grout / 0.008, 0.45, 1)[..., None].astype(np.float32)
    radius = np.hypot(x + LOW[0] - _RUG[0], HIGH[1] - y - _RUG[1])
    ring = (radius / _RUG[2] * 7).astype(int) % len(_RUG_RINGS)
    rug = np.stack([linear(color) for color in _RUG_RINGS])[ring]
    weave = 1 + 0.45 * value_noise(rng, *shape, cell=8.0, octaves=3)[..., None]
    on_rug = radius < _RUG[2]
    floor[on_rug] = np.clip(rug * weave, 0, 1)[on_rug]
    return floor


def _wall(rng: np.random.Generator, width_m: float, height_m: float) -> Picture:
    """Paint plaster above wooden panels, with pictures on it."""
    pixels_per_m = 110
    shape = (round(height_m * pixels_per_m), round(width_m * pixels_per_m))
    y, x = np.mgrid[: shape[0], : shape[1]] / pixels_per_m
    height = height_m - y
    picture = painted(rng, (0.90, 0.86, 0.79), (0.36, 0.50, 0.52), (height < 0.95).astype(np.float32), grain=0.16)
    plank = np.abs((x * 4) % 1 - 0.5) > 0.46
    picture[(height < 0.95) & plank] *= 0.6
    picture[np.abs(height - 0.95) < 0.04] = linear((0.93, 0.90, 0.84))
    picture[height < 0.12] = linear((0.30, 0.27, 0.25))
    for left in np.arange(0.5, width_m - 1.0, 1.55):
        _hang(rng, picture, pixels_per_m, left + rng.uniform(0, 0.3), rng.uniform(0.55, 0.85))
    return picture


def _hang(rng: np.random.Generator, wall: Picture, pixels_per_m: int, left_m: float, top_m: float) -> None:
    """Hang a framed picture of coloured fields on a wall that is still being painted."""
    size = rng.uniform((0.7, 0.65), (1.0, 1.05))
    left, top, width, height = (round(each * pixels_per_m) for each in (left_m, top_m, *size))
    frame = 6
    cells = np.stack([linear(color) for color in _PALETTE])[rng.integers(0, len(_PALETTE), (5, 4))]
    cells *= rng.uniform(0.6, 1.1, (5, 4, 1)).astype(np.float32)
    fields = cv2.resize(cells, (width - 2 * frame, height - 2 * frame), interpolation=cv2.INTER_NEAREST)
    target = wall[top : top + height, left : left + width]
    target[:] = linear((0.20, 0.17, 0.15))
    inner = target[frame : height - frame, frame : width - frame]
    noise = value_noise(rng, *inner.shape[:2], cell=24.0)
    inner[:] = np.clip(fields[: inner.shape[0], : inner.shape[1]] * (1 + 0.3 * noise[..., None]), 0, 1)
