"""Graphs of boxes that rest or move before a camera that pans and drives, with noise; the truth is known."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingBoxes:
    """A graph and what is true of it.

    Attributes:
        graph: with noise.
        places: true centres in the world by object and frame.
        moving: whether each object moves.
        centre: the camera's places.
        rotation: from camera to world.
    """

    graph: SceneGraph
    places: Float64[np.ndarray, "m n 3"]
    moving: Bool[np.ndarray, " m"]
    centre: Float64[np.ndarray, "n 3"]
    rotation: Float64[np.ndarray, "n 3 3"]

    def angles(self, object_id: int, seen_from: int) -> Float64[np.ndarray, "n 3"]:
        """Return true angles to the right and down, and the logarithm of the distance, from the camera of one frame."""
        x, y, z = ((self.places[object_id] - self.centre[seen_from]) @ self.rotation[seen_from]).T
        level = np.hypot(x, z)
        return np.stack([np.arctan2(x, z), np.arctan2(y, level), np.log(np.hypot(level, y))], axis=1)


def moving_boxes(seed: int) -> MovingBoxes:
    """Make a graph of a random scene; equal seeds make equal graphs."""
    rng = np.random.default_rng(seed)
    origin = list(ALONG)[seed % len(ALONG)]
    pan = STEEPEST_PAN * rng.uniform(-1, 1) * (rng.random() < 0.5)
    drive = np.zeros(3) if origin is DepthOrigin.GROUND_PLANE_PRIOR else rng.normal(size=3) * (0.02, 0.005, 0.02)
    time = np.arange(FRAMES)
    angle = np.clip(pan * (time - FRAMES / 2), -1.0, 1.0)
    rotation = Rotation.from_euler("y", angle[:, None]).as_matrix()
    centre = np.outer(time, drive)
    tracks, places = {}, []
    for k in range(RESTING + MOVING):
        # Whatever the camera pans over, some of the objects are in sight at any time.
        bearing = rng.choice(angle) + rng.uniform(-0.4, 0.4)
        start = rng.uniform(4, 9) * np.array([np.sin(bearing), rng.uniform(-0.1, 0.1), np.cos(bearing)])
        speed = _velocity(rng, start) if k >= RESTING else np.zeros(3)
        places.append(start + np.outer(time - FRAMES / 2, speed))
        tokens = _observed(rng, places[-1], centre, rotation, ALONG[origin])
        if len(tokens) > 1:
            tracks[k] = Track(object_id=k, observations=Observations.of(tokens), theta=(tokens[0].t, tokens[-1].t))
    ego = Ego(
        t=time.astype(np.int32),
        time_s=time / 10,
        source_frame=time,
        position=centre.astype(np.float32),
        quaternion_xyzw=Rotation.from_matrix(rotation).as_quat(canonical=True).astype(np.float32),
        intrinsics=np.tile(np.array([FOCAL, FOCAL, (GRID[1] - 1) / 2, (GRID[0] - 1) / 2], np.float32), (FRAMES, 1)),
    )
    graph = SceneGraph(
        grid_size=16,
        analysis_grid=GRID,
        metric=origin is DepthOrigin.SENSOR,
        depth_origin=(origin,),
        ego=ego,
        tracks=MappingProxyType(tracks),
    )
    moving = np.arange(RESTING + MOVING) >= RESTING
    return MovingBoxes(graph=graph, places=np.stack(places), moving=moving, centre=centre, rotation=rotation)


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
    along: tuple[float, float, float],
) -> tuple[StepToken, ...]:
    """Return what is seen of a box of random size in the frames in which it is wholly in sight."""
    half, own = rng.uniform(0.15, 0.4, 3), rng.normal() * along[2]
    shift = ACROSS_PX[0] * rng.normal(size=(FRAMES, 2)) + ACROSS_PX[1] * _slow(rng, 2).T
    depth = np.exp(own + along[0] * rng.normal(size=FRAMES) + along[1] * _slow(rng))
    grow = np.exp(SIZE[0] * rng.normal(size=FRAMES) + SIZE[1] * _slow(rng))
    tokens = []
    for t in range(FRAMES):
        x, y, z = (places[t] - centre[t]) @ rotation[t]
        u, v = FOCAL * np.array([x, y]) / z + np.array(GRID[::-1]) / 2 - 0.5 + shift[t] if z > 0.5 else (-1e9, -1e9)
        width, height = FOCAL * 2 * half[:2] / max(z, 0.5) * grow[t]
        box = np.round([u - width / 2, v - height / 2, u + width / 2, v + height / 2]).astype(np.int64)
        if box[:2].min() < 1 or box[2] >= GRID[1] or box[3] >= GRID[0]:
            continue
        area = max(1, round(width * height))
        ray = np.array([(u - (GRID[1] - 1) / 2) / FOCAL, (v - (GRID[0] - 1) / 2) / FOCAL, 1.0])
        seen = (centre[t] + depth[t] * z * rotation[t] @ ray).astype(np.float32)
        tokens.append(
            StepToken(
                t=t,
                row=np.zeros(0, np.uint8),
                col=np.zeros(0, np.uint8),
                coverage=np.zeros(0, np.float32),
                centroid=seen,
                sigma=(half / np.sqrt(3)).astype(np.float32),
                low=(seen - half).astype(np.float32),
                high=(seen + half).astype(np.float32),
                num_points=area,
                score=1.0,
                region=ImageRegion(
                    area=area,
                    box=box.astype(np.int32),
                    centroid=np.array([u, v], np.float32),
                    covariance=np.array([width**2 / 12, 0, height**2 / 12], np.float32),
                ),
            )
        )
    return tuple(tokens)
