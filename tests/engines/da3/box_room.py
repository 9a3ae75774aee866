"""A network whose right answer is known: cameras in an empty room, every chunk in a world and scale of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.engines.da3.estimator import intrinsics
from fast_snow.synthetic.view import leave_box
from fast_snow.types import Frames

COUNT, GRID = 23, (42, 56)
FIELD_OF_VIEW = (0.8, 1.0)
LOW, HIGH = np.array([-4.0, -1.5, -2.0]), np.array([4.0, 1.5, 6.0])
MEAN, DEVIATION = 0.485, 0.229


def frames(count: int = COUNT) -> Frames:
    """Return frames whose brightness is their number, by which the network knows them."""
    t = np.arange(count)
    image = np.broadcast_to(t[:, None, None, None], (count, *GRID, 3))
    return Frames(image=image.astype(np.uint8), t=t.astype(np.int32), time_s=t / 10, source_frame=t.astype(np.int64))


def encodings() -> np.ndarray:
    """Return the cameras of every frame: centre, quaternion x, y, z, w, vertical and horizontal field of view."""
    phase = np.linspace(0, 1, COUNT)
    rows = np.empty((COUNT, 9))
    rows[:, :3] = np.stack([np.sin(4 * phase), 0.3 * np.cos(5 * phase), phase], axis=1)
    turns = np.stack([0.1 * np.sin(7 * phase), 0.8 * phase - 0.4, 0.05 * np.cos(3 * phase)], axis=1)
    rows[:, 3:7] = Rotation.from_rotvec(turns).as_quat()
    rows[:, 7:] = FIELD_OF_VIEW
    return rows


def depths() -> np.ndarray:
    """Return the depth of every frame along the optical axis."""
    rows = encodings()
    K = intrinsics(rows.astype(np.float32), GRID)[0]
    v, u = np.mgrid[: GRID[0], : GRID[1]]
    in_camera = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(GRID)], axis=-1).reshape(-1, 3)
    found = []
    for row in rows:
        in_world = Rotation.from_quat(row[3:7]).apply(in_camera)
        found.append(leave_box(row[:3], in_world, LOW, HIGH)[0].reshape(GRID))
    return np.array(found)


@dataclass
class RoomNetwork:
    """Answers the truth under a similarity that is drawn anew for every chunk.

    Attributes:
        scales: from which the scale of a chunk is drawn, low and high.
        fits: how many frames fit into memory.
        failure: what is raised where more are asked for.
        asked: which frames each call asked for.
    """

    scales: tuple[float, float] = (0.5, 2.0)
    fits: int = COUNT
    failure: Exception | None = None
    asked: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw, self.rows, self.depth = np.random.default_rng(0), encodings(), depths()

    def __call__(self, inputs):
        brightness = (inputs["images"][:, 0, 0, 0] * DEVIATION + MEAN) * 255
        number = np.rint(brightness).astype(int)
        self.asked.append(number.tolist())
        if len(number) > self.fits:
            raise self.failure
        scale = self.draw.uniform(*self.scales)
        turn = Rotation.from_rotvec(self.draw.normal(size=3))
        rows = self.rows[number].copy()
        rows[:, :3] = scale * turn.apply(rows[:, :3]) + self.draw.normal(size=3)
        rows[:, 3:7] = (turn * Rotation.from_quat(rows[:, 3:7])).as_quat()
        depth = scale * self.depth[number]
        return {
            "depth": depth.astype(np.float32),
            "confidence": np.full(depth.shape, 3.0, np.float32),
            "pose": rows.astype(np.float32),
        }


@contextmanager
def opened(network: RoomNetwork) -> Iterator[RoomNetwork]:
    yield network
