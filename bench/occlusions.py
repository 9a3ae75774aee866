"""Clips of which identities are known, for `bench.reidentification`: generated occlusions, MOTS, DAVIS and the room."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int32, UInt8

from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import DepthOrigin, Geometry

GRID: Final = (96, 128)
AROUND: Final = 50
"""Frames before and after a gap."""
STAY, RETURN, LEAVE, COME = 3, 5, 2, 2
"""Objects that are always seen, that come back after the gap, that leave for good, and that appear instead of them."""
WHEEL: Final = np.array([[0.85, 0.2, 0.2], [0.2, 0.65, 0.25], [0.2, 0.3, 0.85], [0.85, 0.75, 0.2], [0.6, 0.3, 0.7]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A clip with its identities.

    Attributes:
        name: of the clip.
        image: RGB.
        ids: of the object at each pixel, 0 where there is none.
        geometry: of all frames; the masks have its grid.
    """

    name: str
    image: UInt8[np.ndarray, "n height width 3"]
    ids: Int32[np.ndarray, "n h w"]
    geometry: Geometry


def generated(gap: int, seed: int) -> Known:
    """Return coloured boxes on even courses, of which some are hidden for a gap, some leave and others come.

    Light and depth change a little from frame to frame. Two objects that come back look alike.
    """
    rng = np.random.default_rng(seed)
    count, frames = STAY + RETURN + LEAVE + COME, 2 * AROUND + gap
    seen = _seen(rng, frames, gap)
    height, width = GRID
    half = rng.uniform(5, 11, (count, 2))
    depth = rng.uniform(2, 6, count)
    place = rng.uniform((12, 12), (width - 12, height - 12), (count, 2))
    course = np.cumsum(rng.normal(0, 0.3, (1, count, 2)) + rng.normal(0, 0.08, (frames, count, 2)), axis=0)
    centre = _reflected(place + course, np.array([width, height], np.float64))
    paint = WHEEL[rng.integers(0, len(WHEEL), (count, 2))] * rng.uniform(0.5, 1.0, (count, 2, 1))
    paint[STAY + 1] = paint[STAY]
    share, light = rng.uniform(0.2, 0.5, count), 1 + 0.15 * np.sin(np.arange(frames) / 9 + rng.uniform(0, 6))
    image, ids = np.empty((frames, *GRID, 3), np.float32), np.zeros((frames, *GRID), np.int32)
    z = np.full((frames, *GRID), 8.0, np.float32)
    y, x = np.mgrid[:height, :width]
    image[:] = 0.45 + 0.1 * cv2.GaussianBlur(rng.normal(size=(*GRID, 3)), (0, 0), 2)
    for t in range(frames):
        for k in np.argsort(-depth).tolist():
            u, v = x - centre[t, k, 0], y - centre[t, k, 1]
            inside = (np.abs(u) < half[k, 0]) & (np.abs(v) < half[k, 1]) & seen[t, k]
            ids[t][inside], z[t][inside] = k + 1, depth[k]
            image[t][inside] = paint[k][((u + half[k, 0]) < 2 * half[k, 0] * share[k]).astype(int)][inside]
    lit = image * light[:, None, None, None] + rng.normal(0, 0.03, image.shape)
    z *= 1 + 0.01 * rng.normal(size=(frames, 1, 1)).astype(np.float32)
    pixels = (255 * np.clip(lit, 0, 1)).astype(np.uint8)
    return Known(name=f"generated, gap {gap}", image=pixels, ids=ids, geometry=_static(z))


def _seen(rng: np.random.Generator, frames: int, gap: int) -> Bool[np.ndarray, "n k"]:
    seen = np.ones((frames, STAY + RETURN + LEAVE + COME), np.bool_)
    for k in range(STAY, seen.shape[1]):
        first = AROUND + int(rng.integers(-15, 16))
        leaves, comes = k >= STAY + RETURN, k >= STAY + RETURN + LEAVE
        if comes:
            seen[: first + gap, k] = False
        else:
            seen[first : None if leaves else first + gap, k] = False
    return seen


def _reflected(place: Float64[np.ndarray, "n k 2"], size: Float64[np.ndarray, "2"]) -> Float64[np.ndarray, "n k 2"]:
    """Return courses that turn at the image's edges."""
    span = size - 12
    return 6 + span - np.abs((place - 6) % (2 * span) - span)


def _static(depth: np.ndarray, metric: bool = True) -> Geometry:
    """Return what a camera at rest sees."""
    n, height, width = depth.shape
    K = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    return Geometry(
        depth=depth,
        confidence=np.ones(depth.shape, np.float32),
        intrinsics=np.tile(K, (n, 1, 1)),
        T_camera_world=np.tile(np.eye(4), (n, 1, 1)),
        metric=metric,
        origin=DepthOrigin.SENSOR,
    )


def mots(clips: Path, *, coloured: bool) -> Known:
    """Return the people of MOTS20-05: without images, so each is painted a colour of its own, or all are black."""
    paths = sorted((clips / "mots20_05_dev" / "gt").glob("*.png"))
    ids = np.stack([np.asarray(cv2.imread(str(each), cv2.IMREAD_UNCHANGED)) for each in paths])[:, ::4, ::4]
    ids = np.where(ids == 255, 0, ids).astype(np.int32)
    rng = np.random.default_rng(0)
    paint = rng.uniform(0, 200, (256, 3)) * coloured
    image = paint[ids] + rng.normal(0, 8, (*ids.shape, 3)) + 20
    name = "MOTS20-05, painted" if coloured else "MOTS20-05, all alike"
    image = np.clip(image, 0, 255).astype(np.uint8)
    return Known(name=name, image=image, ids=ids, geometry=_static(np.full(ids.shape, 8.0, np.float32)))


def davis(clips: Path, name: str, gap: int, then: str | None = None) -> Known:
    """Return a clip of DAVIS whose object is not tracked for a gap, or is another clip's after it."""
    before = _davis(clips, name)
    n = len(before.ids)
    if then is None:
        ids = before.ids.copy()
        ids[n // 2 - gap // 2 : n // 2 - gap // 2 + gap] = 0
        return replace(before, name=f"DAVIS {name}, gap {gap}", ids=ids)
    after, part = _davis(clips, then), n // 2
    return Known(
        name=f"DAVIS {name}, then {then}",
        image=np.concatenate([before.image[:part], after.image[:part]]),
        ids=np.concatenate([before.ids[:part], after.ids[:part] * 2]),
        geometry=_static(np.full((2 * part, *before.ids.shape[1:]), 4.0, np.float32), metric=False),
    )


def _davis(clips: Path, name: str) -> Known:
    paths = sorted((clips / "davis" / name / "gt").glob("*.png"))
    ids = np.stack([np.asarray(cv2.imread(str(each), cv2.IMREAD_GRAYSCALE)) for each in paths])[:, ::4, ::4] > 127
    video, image = cv2.VideoCapture(str(clips / "davis" / name / "video.mp4")), []
    while (frame := video.read())[0]:
        image.append(
            cv2.cvtColor(cv2.resize(frame[1], ids.shape[:0:-1], interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        )
    depth = np.full(ids.shape, 4.0, np.float32)
    return Known(
        name=name,
        image=np.stack(image[: len(ids)]).astype(np.uint8),
        ids=ids.astype(np.int32),
        geometry=_static(depth, metric=False),
    )


def room() -> Known:
    """Return the example scene, whose ball leaves and comes back."""
    scene = render(SceneConfig(size=(120, 160)))
    n = len(scene)
    geometry = Geometry(
        depth=scene.depth,
        confidence=np.ones(scene.depth.shape, np.float32),
        intrinsics=np.tile(scene.intrinsics, (n, 1, 1)),
        T_camera_world=np.linalg.inv(scene.T_world_camera),
        metric=True,
        origin=DepthOrigin.SENSOR,
    )
    return Known(name="example scene", image=scene.image, ids=scene.ids, geometry=geometry)


DAVIS: Final = ("blackswan", "car-shadow", "dance-twirl", "horsejump-high", "libby", "scooter-black", "soapbox")


def known_clips(clips: Path | None, seeds: int) -> Iterator[tuple[str, Known]]:
    """Yield every clip with the name of the set that it is reported with."""
    for gap in (10, 40, 100):
        for seed in range(seeds):
            yield f"generated, gap {gap}", generated(gap, seed)
    yield "example scene", room()
    if clips is None:
        return
    for coloured in (True, False):
        clip = mots(clips, coloured=coloured)
        yield clip.name, clip
    for name, other in zip(DAVIS, (*DAVIS[1:], DAVIS[0]), strict=True):
        for gap in (10, 20):
            yield f"DAVIS, gap {gap}", davis(clips, name, gap)
        yield "DAVIS, another clip's object after it", davis(clips, name, 0, other)
