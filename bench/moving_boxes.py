"""Graphs of boxes that rest, spin, move and turn before a camera that pans and drives; with noise, and known truth."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

from fast_snow.rigid_size import tied
from fast_snow.step import SIGMA_ACROSS, SIGMA_ALONG
from fast_snow.types import DepthOrigin, Ego, ImageRegion, Observations, SceneGraph, StepToken, Track

GRID: Final = (378, 504)
FOCAL: Final = 450.0
FRAMES: Final = 40
RESTING: Final = 7
MOVING: Final = 3
STEEPEST_PAN: Final = 60 / FOCAL
"""Radians a frame: 60 pixels."""
ALONG: Final = {
    DepthOrigin.SENSOR: (0.005, 0.003, 0.0),
    DepthOrigin.NETWORK: (0.02, 0.02, 0.02),
    DepthOrigin.TRIANGULATED: (0.03, 0.03, 0.02),
    DepthOrigin.GROUND_PLANE_PRIOR: (0.05, 0.1, 0.3),
}
"""Of depth, as shares of the distance: jitter, slow wander, and an error of each object that stays."""
ACROSS_PX: Final = (0.5, 0.5)
"""Of a mask's middle: jitter and slow wander."""
SIZE: Final = (0.02, 0.03)
"""Of a mask's apparent length: jitter and slow wander."""
BENT: Final = 0.07
"""The slow wander of it where the object moves: people who walk in KITTI 0016 change by 0.076."""


SHOWN: Final = (0.5, 1.0)
"""Share of a turn about the upright axis that texture shows."""
YAW: Final = (np.radians(2.0), np.radians(10.0))
"""Of a turn by texture: jitter of a step, and slow wander of the sum as outlines change."""
ROLL: Final = np.radians(1.0)
LOST: Final = np.radians(60.0)
"""Turned by so much in one frame, texture is lost."""
PARTIAL: Final = 0.3
"""Of a partial mask, at most such a share is missing on one side."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingBoxes:
    """A graph and what is true of it.

    Attributes:
        graph: with noise.
        places: true centres in the world by object and frame.
        moving: whether each object moves.
        yaw: how far each has turned about its upright axis by each frame, clockwise from above, in radians.
        roll: the same about the line of sight, clockwise as seen from the camera.
        centre: the camera's places.
        rotation: from camera to world.
    """

    graph: SceneGraph
    places: Float64[np.ndarray, "m n 3"]
    moving: Bool[np.ndarray, " m"]
    yaw: Float64[np.ndarray, "m n"]
    roll: Float64[np.ndarray, "m n"]
    centre: Float64[np.ndarray, "n 3"]
    rotation: Float64[np.ndarray, "n 3 3"]

    def angles(self, object_id: int, seen_from: int) -> Float64[np.ndarray, "n 3"]:
        """Return true angles to the right and down, and the logarithm of the distance, from the camera of one frame."""
        x, y, z = ((self.places[object_id] - self.centre[seen_from]) @ self.rotation[seen_from]).T
        level = np.hypot(x, z)
        return np.stack([np.arctan2(x, z), np.arctan2(y, level), np.log(np.hypot(level, y))], axis=1)


def moving_boxes(seed: int, *, partial: bool = False) -> MovingBoxes:
    """Make a graph of a random scene; equal seeds make equal graphs.

    Args:
        seed: of the scene.
        partial: whether one mask in three misses a part on one side for some frames.
    """
    rng, of_turns = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    origin = list(ALONG)[seed % len(ALONG)]
    pan = STEEPEST_PAN * rng.uniform(-1, 1) * (rng.random() < 0.5)
    drive = np.zeros(3) if origin is DepthOrigin.GROUND_PLANE_PRIOR else rng.normal(size=3) * (0.02, 0.005, 0.02)
    time = np.arange(FRAMES)
    angle = np.clip(pan * (time - FRAMES / 2), -1.0, 1.0)
    rotation = Rotation.from_euler("y", angle[:, None]).as_matrix()
    centre = np.outer(time, drive)
    ego = Ego(
        t=time.astype(np.int32),
        time_s=time / 10,
        source_frame=time,
        position=centre.astype(np.float32),
        quaternion_xyzw=Rotation.from_matrix(rotation).as_quat(canonical=True).astype(np.float32),
        intrinsics=np.tile(np.array([FOCAL, FOCAL, (GRID[1] - 1) / 2, (GRID[0] - 1) / 2], np.float32), (FRAMES, 1)),
    )
    tracks, places, yaws, rolls = {}, [], [], []
    for k in range(RESTING + MOVING):
        # Whatever the camera pans over, some of the objects are in sight at any time.
        bearing = rng.choice(angle) + rng.uniform(-0.4, 0.4)
        start = rng.uniform(4, 9) * np.array([np.sin(bearing), rng.uniform(-0.1, 0.1), np.cos(bearing)])
        speed = _velocity(rng, start) if k >= RESTING else np.zeros(3)
        turns = _turns(of_turns, k)
        yaws.append(turns[0])
        rolls.append(turns[1])
        places.append(start + _way(speed, turns[0] if k >= RESTING else 0 * time))
        texture = _texture(of_turns, turns, places[-1] - centre)
        missing = _missing(of_turns) if partial else np.zeros(FRAMES)
        # What moves before a camera that moves is taken to stand on the ground, as the classical geometry does.
        guess = origin is DepthOrigin.TRIANGULATED and k >= RESTING
        depth, bent = DepthOrigin.GROUND_PLANE_PRIOR if guess else origin, BENT if k >= RESTING else SIZE[1]
        tokens = _observed(
            rng, places[-1], centre, rotation, depth, bent, texture=texture, roll=turns[1], missing=missing
        )
        if len(tokens) > 1:
            seen = tied(Observations.of(()), Observations.of(tokens), ego, GRID, origin)
            tracks[k] = Track(object_id=k, observations=seen, theta=(tokens[0].t, tokens[-1].t))
    graph = SceneGraph(
        grid_size=16,
        analysis_grid=GRID,
        metric=origin is DepthOrigin.SENSOR,
        depth_origin=(origin,),
        ego=ego,
        tracks=MappingProxyType(tracks),
    )
    moving = np.arange(RESTING + MOVING) >= RESTING
    return MovingBoxes(
        graph=graph,
        places=np.stack(places),
        moving=moving,
        yaw=np.stack(yaws),
        roll=np.stack(rolls),
        centre=centre,
        rotation=rotation,
    )


def _turns(rng: np.random.Generator, k: int) -> Float64[np.ndarray, "2 n"]:
    """Return how far an object turns: the first spins about the upright axis, the second about the line of sight.

    Of those that move, half turn on their way by 60 to 180 degrees, and their bodies with them.
    """
    spin, bend = rng.uniform(1, 3) * 2 * np.pi, np.radians(rng.uniform(60, 180)) * (rng.random() < 0.5)
    total = [0.0, 0.0]
    if k < len(total):
        total[k] = spin
    if k >= RESTING:
        total[0] = bend
    return rng.choice([-1, 1]) * np.outer(total, np.linspace(0, 1, FRAMES))


def _way(speed: Float64[np.ndarray, "3"], yaw: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 3"]:
    """Return the way of something that turns as it goes, from where it is in the middle."""
    turned = Rotation.from_euler("y", (yaw - yaw[FRAMES // 2])[:, None]).apply(speed)
    way = np.cumsum(turned, axis=0)
    return np.asarray(way - way[FRAMES // 2])


def _texture(
    rng: np.random.Generator, turns: Float64[np.ndarray, "2 n"], offset: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 3"]:
    """Return what is seen of a turn in each frame, as `ImageRegion.rotation` has it."""
    sight = np.unwrap(np.arctan2(offset[:, 0], offset[:, 2]))
    seen = rng.uniform(*SHOWN) * (turns[0] - sight) + YAW[1] * _slow(rng)
    yaw = np.diff(seen, prepend=seen[0]) + YAW[0] * rng.normal(size=FRAMES)
    roll = np.diff(turns[1], prepend=0.0) + ROLL * rng.normal(size=FRAMES)
    rate = np.abs(np.diff(turns, axis=1, prepend=0.0)).max(axis=0)
    share = np.clip(1 - rate / LOST, 0.0, 1.0) * rng.uniform(0.7, 1.0, FRAMES)
    rotation = np.stack([yaw, roll, share], axis=1)
    rotation[0] = np.nan
    return rotation


def _missing(rng: np.random.Generator) -> Float64[np.ndarray, " n"]:
    """Return which share of a mask is missing in each frame, on the right where positive."""
    first, length, share = rng.integers(FRAMES), rng.integers(8, 20), rng.uniform(-PARTIAL, PARTIAL)
    frames = np.arange(FRAMES)
    return share * ((frames >= first) & (frames < first + length) & (rng.random() < 1 / 3))


def _velocity(rng: np.random.Generator, start: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    """Return a velocity across the line of sight, along it, or between, so that 0.1 to 4 m are covered."""
    away = start / np.linalg.norm(start)
    right = np.cross((0.0, 1.0, 0.0), away)
    heading = rng.choice([0, np.pi / 2, np.pi, -np.pi / 2, rng.uniform(-np.pi, np.pi)])
    return np.asarray(
        np.exp(rng.uniform(np.log(0.1), np.log(4))) / FRAMES * (np.cos(heading) * right + np.sin(heading) * away)
    )


def _slow(rng: np.random.Generator, *shape: int) -> Float64[np.ndarray, "..."]:
    """Return a slow random function of time with variance 1 along the last axis: two random waves of the clip."""
    phase, turns = rng.uniform(0, 2 * np.pi, (*shape, 2, 1)), rng.uniform(0.3, 2.5, (*shape, 2, 1))
    return np.asarray(np.sin(phase + 2 * np.pi * turns * np.arange(FRAMES) / FRAMES).sum(axis=-2))


def _observed(
    rng: np.random.Generator,
    places: Float64[np.ndarray, "n 3"],
    centre: Float64[np.ndarray, "n 3"],
    rotation: Float64[np.ndarray, "n 3 3"],
    origin: DepthOrigin,
    bent: float,
    *,
    texture: Float64[np.ndarray, "n 3"],
    roll: Float64[np.ndarray, " n"],
    missing: Float64[np.ndarray, " n"],
) -> tuple[StepToken, ...]:
    """Return what is seen of a box of random size in the frames in which it is wholly in sight."""
    along, half = ALONG[origin], rng.uniform(0.15, 0.4, 3)
    own, sigma = rng.normal() * along[2], np.array([SIGMA_ACROSS, SIGMA_ALONG[origin]])
    shift = ACROSS_PX[0] * rng.normal(size=(FRAMES, 2)) + ACROSS_PX[1] * _slow(rng, 2).T
    depth = np.exp(own + along[0] * rng.normal(size=FRAMES) + along[1] * _slow(rng))
    grow = np.exp(SIZE[0] * rng.normal(size=FRAMES) + bent * _slow(rng))
    tokens = []
    for t in range(FRAMES):
        x, y, z = (places[t] - centre[t]) @ rotation[t]
        u, v = FOCAL * np.array([x, y]) / z + np.array(GRID[::-1]) / 2 - 0.5 + shift[t] if z > 0.5 else (-1e9, -1e9)
        width, height = FOCAL * 2 * half[:2] / max(z, 0.5) * grow[t]
        u, width = u - missing[t] * width / 2, width * (1 - abs(missing[t]))
        c, s = np.cos(roll[t]), np.sin(roll[t])
        across, down = abs(c) * width + abs(s) * height, abs(s) * width + abs(c) * height
        box = np.round([u - across / 2, v - down / 2, u + across / 2, v + down / 2]).astype(np.int64)
        if box[:2].min() < 1 or box[2] >= GRID[1] or box[3] >= GRID[0]:
            continue
        area = max(1, round(width * height))
        ray = np.array([(u - (GRID[1] - 1) / 2) / FOCAL, (v - (GRID[0] - 1) / 2) / FOCAL, 1.0])
        seen = (centre[t] + depth[t] * z * rotation[t] @ ray).astype(np.float32)
        extent = half * (1 - abs(missing[t]), 1, 1)
        tokens.append(
            StepToken(
                t=t,
                row=np.zeros(0, np.uint8),
                col=np.zeros(0, np.uint8),
                coverage=np.zeros(0, np.float32),
                centroid=seen,
                sigma=(extent / np.sqrt(3)).astype(np.float32),
                low=(seen - extent).astype(np.float32),
                high=(seen + extent).astype(np.float32),
                num_points=area,
                score=1.0,
                centroid_sigma=(np.linalg.norm(seen - centre[t]) * sigma).astype(np.float32),
                region=ImageRegion(
                    area=area,
                    box=box.astype(np.int32),
                    centroid=np.array([u, v], np.float32),
                    covariance=np.array(
                        [
                            ((c * width) ** 2 + (s * height) ** 2) / 12,
                            c * s * (width**2 - height**2) / 12,
                            ((s * width) ** 2 + (c * height) ** 2) / 12,
                        ],
                        np.float32,
                    ),
                    rotation=texture[t].astype(np.float32),
                ),
            )
        )
    return tuple(tokens)
