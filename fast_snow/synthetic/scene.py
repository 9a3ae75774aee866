"""What is in the synthetic scene: its objects, how they look, and where they and the camera are in every frame."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from fast_snow.errors import ConfigError
from fast_snow.types import GridShape

Color = tuple[float, float, float]
"""Red, green, blue in [0, 1], as displayed."""
Waypoint = tuple[float, float, float, float]
"""Phase in [0, 1] of the clip, then x, y, z of a centre in metres; z points up from the floor."""

Poses = Float64[np.ndarray, "n 4 4"]

_START = np.array([-1.9, -3.3, 1.75])
_END = np.array([1.5, -3.2, 1.35])
_TARGET = np.array([-0.05, 0.35, 0.30])
_LARGEST_ID = 254  # 255 stands for "ignore" in 8-bit id maps


class Shape(StrEnum):
    """What an object is."""

    BOX = "box"
    SPHERE = "sphere"


class Pattern(StrEnum):
    """What a surface looks like."""

    CRATE = "crate"
    STRIPES = "stripes"
    DOTS = "dots"
    CHECKER = "checker"


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A box or a ball that rests, drives (boxes face their way) or rolls; it rests where there is one waypoint.

    Ids are from 1 to 254; half sizes are in metres along its own axes; yaw is the heading in radians of a box that
    rests.
    """

    object_id: int
    shape: Shape
    half_size: tuple[float, float, float]
    pattern: Pattern
    color: Color
    accent: Color
    path: tuple[Waypoint, ...]
    yaw: float = 0.0


CRATE = SceneObject(
    *(1, Shape.BOX, (0.36, 0.36, 0.30), Pattern.CRATE, (0.87, 0.56, 0.27), (0.62, 0.36, 0.15)),
    path=((0.0, -0.95, 0.75, 0.30),),
    yaw=0.45,
)
CABINET = SceneObject(
    *(2, Shape.BOX, (0.34, 0.26, 0.62), Pattern.STRIPES, (0.16, 0.52, 0.55), (0.80, 0.91, 0.86)),
    path=((0.0, 0.75, 0.80, 0.62),),
    yaw=-0.25,
)
ROLLING_BALL = SceneObject(
    *(3, Shape.SPHERE, (0.26, 0.26, 0.26), Pattern.CHECKER, (0.98, 0.80, 0.25), (0.93, 0.45, 0.20)),
    path=((0.0, -1.9, 1.95, 0.26), (1.0, 2.6, 1.75, 0.26)),
)  # passes behind the cabinet
ROBOT = SceneObject(
    *(4, Shape.BOX, (0.22, 0.15, 0.13), Pattern.CHECKER, (0.82, 0.22, 0.26), (0.96, 0.90, 0.86)),
    path=(
        *((0.0, -0.75, -0.75, 0.13), (0.2, -0.15, -1.00, 0.13), (0.4, 0.45, -0.70, 0.13)),
        *((0.6, 0.35, -0.20, 0.13), (0.8, -0.20, -0.05, 0.13), (1.0, -0.60, -0.35, 0.13)),
    ),
)  # drives a loop in the foreground
LATECOMER = SceneObject(
    *(5, Shape.BOX, (0.28, 0.20, 0.24), Pattern.DOTS, (0.24, 0.40, 0.76), (0.78, 0.87, 0.98)),
    path=((0.0, 3.6, -0.55, 0.24), (0.3, 3.5, -0.55, 0.24), (0.75, 1.45, -0.35, 0.24), (1.0, 1.35, -0.33, 0.24)),
)  # enters from the right in the second half
APPLE = SceneObject(
    *(6, Shape.SPHERE, (0.17, 0.17, 0.17), Pattern.DOTS, (0.47, 0.71, 0.32), (0.90, 0.94, 0.68)),
    path=((0.0, -0.90, 0.72, 0.77),),
)  # rests on the crate
PARCEL = SceneObject(
    *(7, Shape.BOX, (0.20, 0.24, 0.16), Pattern.STRIPES, (0.62, 0.38, 0.66), (0.95, 0.80, 0.55)),
    path=((0.0, -1.75, 0.05, 0.16),),
    yaw=0.9,
)
RETURNING_BALL = SceneObject(
    *(8, Shape.SPHERE, (0.20, 0.20, 0.20), Pattern.STRIPES, (0.93, 0.93, 0.95), (0.88, 0.33, 0.42)),
    path=(
        *((0.0, -1.3, -0.75, 0.2), (0.2, -1.9, -0.7, 0.2), (0.42, -2.7, -0.5, 0.2)),
        *((0.7, -1.2, -0.8, 0.2), (1.0, -0.8, -0.9, 0.2)),
    ),
)  # leaves on the left and comes back


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """What is rendered."""

    size: GridShape = (480, 640)
    frames: int = 60
    fps: float = 10.0
    seed: int = 0
    objects: tuple[SceneObject, ...] = (CRATE, CABINET, ROLLING_BALL, ROBOT, LATECOMER, APPLE, PARCEL, RETURNING_BALL)

    def __post_init__(self) -> None:
        if min(*self.size, self.frames) < 1 or not self.fps > 0:
            raise ConfigError(f"scene: {self.frames} frames of {self.size} at {self.fps:g} fps; expected all above 0")
        ids = [each.object_id for each in self.objects]
        if len(set(ids)) < len(ids) or not all(0 < number <= _LARGEST_ID for number in ids):
            raise ConfigError(f"scene: object ids {ids}; expected each from 1 to {_LARGEST_ID}, at most once")


def phases(config: SceneConfig) -> Float64[np.ndarray, " n"]:
    """Return the time of each frame as a share of the clip, from 0 to 1."""
    return np.linspace(0, 1, config.frames)


def arc_poses(phase: Float64[np.ndarray, " n"]) -> Poses:
    """Return `T_world_camera` along an arc around the scene, looking at its middle; the world's z axis points up."""
    position = _START + (_END - _START) * phase[:, None]
    # Bending outwards keeps the distance; the slow heave gives parallax across the path as well.
    position += np.outer(np.sin(np.pi * phase), (0, -0.45, 0)) + np.outer(np.sin(3 * np.pi * phase), (0, 0, 0.08))
    forward = _unit(_TARGET - position)
    right = _unit(np.cross(forward, (0, 0, 1)))
    return _poses(np.stack([right, np.cross(forward, right), forward], axis=2), position)


def object_poses(thing: SceneObject, phase: Float64[np.ndarray, " n"]) -> Poses:
    """Return `T_world_object` of one object."""
    waypoints = np.array(thing.path)
    if len(waypoints) == 1:
        position = np.repeat(waypoints[:, 1:], len(phase), axis=0)
        return _poses(_turned(np.full(len(phase), thing.yaw)), position)
    path = PchipInterpolator(waypoints[:, 0], waypoints[:, 1:])
    position = path(phase)
    if thing.shape is Shape.SPHERE:
        return _poses(_rolling(position, thing.half_size[0]), position)
    return _poses(_heading(path(phase, 1)), position)


def _rolling(position: Float64[np.ndarray, "n 3"], radius: float) -> Float64[np.ndarray, "n 3 3"]:
    """Return the rotations of a ball that rolls without slipping."""
    step = np.diff(position, axis=0)
    turn = Rotation.from_rotvec(np.cross((0, 0, 1), step) / radius)
    rotation = [Rotation.identity()]
    for each in turn:
        rotation.append(each * rotation[-1])
    return np.stack([each.as_matrix() for each in rotation])


def _heading(velocity: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """Return rotations about the vertical that face the way; who stands keeps facing where he went or will go."""
    moving = np.linalg.norm(velocity[:, :2], axis=1) > 1e-2
    if not moving.any():
        return np.repeat(np.eye(3)[None], len(velocity), axis=0)
    yaw = np.unwrap(np.arctan2(velocity[moving, 1], velocity[moving, 0]))
    index = np.arange(len(velocity))
    return _turned(np.interp(index, index[moving], yaw))


def _turned(yaw: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 3 3"]:
    """Return rotations about the vertical."""
    return Rotation.from_rotvec(np.outer(yaw, (0, 0, 1))).as_matrix()


def _poses(rotation: Float64[np.ndarray, "n 3 3"], position: Float64[np.ndarray, "n 3"]) -> Poses:
    poses = np.repeat(np.eye(4)[None], len(position), axis=0)
    poses[:, :3, :3] = rotation
    poses[:, :3, 3] = position
    return poses


def _unit(vectors: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
