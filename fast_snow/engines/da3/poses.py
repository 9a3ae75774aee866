"""Cameras from the pose encoding of the network: decoding stays outside the compiled graph, in float64."""

import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.types import GridShape

_SMALLEST_TANGENT = 1e-6
"""Upstream's floor under the tangent of half the field of view."""

PoseEncoding = Float32[np.ndarray, "n 9"]
"""Camera centre (3), rotation camera to world as a quaternion x, y, z, w (4), vertical and horizontal field of view."""


def intrinsics(encoding: PoseEncoding, grid: GridShape) -> Float64[np.ndarray, "n 3 3"]:
    """Return the pinhole matrices of encoded cameras.

    Args:
        encoding: one row per camera; fields of view in radians.
        grid: height and width of the images that the network saw, to which the matrices refer.

    Returns:
        Matrices whose principal point is the image's middle, `(width / 2, height / 2)`, as upstream has it.
    """
    height, width = grid
    half = np.array([width, height], np.float64) / 2
    tangent = np.maximum(np.tan(encoding[:, [8, 7]].astype(np.float64) / 2), _SMALLEST_TANGENT)
    K = np.zeros((len(encoding), 3, 3))
    K[:, [0, 1], [0, 1]] = half / tangent
    K[:, :2, 2] = half
    K[:, 2, 2] = 1
    return K


def world_to_camera(encoding: PoseEncoding) -> Float64[np.ndarray, "n 4 4"]:
    """Return the poses `T_camera_world` of encoded cameras.

    Args:
        encoding: one row per camera; the quaternion need not have length 1.

    Returns:
        World-to-camera poses; not finite where a quaternion is zero or the encoding is not finite.
    """
    centre, quaternion = encoding[:, :3].astype(np.float64), encoding[:, 3:7].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y, z, w = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    R_world_camera = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=1),
            np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=1),
            np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=1),
        ],
        axis=1,
    )
    T_camera_world = np.tile(np.eye(4), (len(encoding), 1, 1))
    T_camera_world[:, :3, :3] = R_world_camera.transpose(0, 2, 1)
    T_camera_world[:, :3, 3] = -np.einsum("nij,nj->ni", T_camera_world[:, :3, :3], centre)
    return T_camera_world
