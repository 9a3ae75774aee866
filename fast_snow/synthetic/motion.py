"""Where the camera and the objects of the synthetic scene are in every frame."""

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from fast_snow.synthetic.scene import SceneConfig, SceneObject, Shape

Poses = Float64[np.ndarray, "n 4 4"]

_START = np.array([-1.9, -3.3, 1.75])
_END = np.array([1.5, -3.2, 1.35])
_TARGET = np.array([-0.05, 0.35, 0.30])


def phases(config: SceneConfig) -> Float64[np.ndarray, " n"]:
    """Return the time of each frame as a share of the clip, from 0 to 1."""
    return np.linspace(0, 1, config.frames)


def camera_poses(phase: Float64[np.ndarray, " n"]) -> Poses:
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
