"""Pinhole cameras: rays, projection, poses, rescaling, and checks of what an input brings along.

Pixel centres are integers; camera axes are X right, Y down, Z forward; `T_a_b` maps coordinates of `b` to `a`.
"""

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from fast_snow.errors import InputError
from fast_snow.types import GridShape, Transform

Intrinsics = Float64[np.ndarray, "3 3"]

RIGID_TOLERANCE = 1e-3
"""Poses are often written with six or seven digits; a scale or a shear is larger than that."""
EXACT = 1e-12
"""Rotations this close to orthonormal stay as they are, bit for bit."""
_SKEW = 1e-3
"""In focal lengths; calibrations that fit skew find less, and it is left out."""
_FURTHEST_M = 1e9


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Intrinsics:
    """Return the matrix of a pinhole camera from focal lengths and principal point in pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)


def rays(uv: Float64[np.ndarray, "*n 2"], intrinsics: Intrinsics) -> Float64[np.ndarray, "*n 3"]:
    """Return the points at depth 1 behind pixels `(u, v)`, in the camera's frame: `K⁻¹ [u, v, 1]ᵀ`."""
    return np.concatenate([uv, np.ones_like(uv[..., :1])], axis=-1) @ np.linalg.inv(intrinsics).T


def transform(T_a_b: Transform, points: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
    """Return points of frame `b` in frame `a`."""
    return points @ T_a_b[:3, :3].T + T_a_b[:3, 3]


def unproject(
    uv: Float64[np.ndarray, "*n 2"], depth: Float64[np.ndarray, "*n"], intrinsics: Intrinsics, T_world_camera: Transform
) -> Float64[np.ndarray, "*n 3"]:
    """Return the world points at `depth` along the optical axis: `T_world_camera · d · K⁻¹ [u, v, 1]ᵀ`."""
    return transform(T_world_camera, rays(uv, intrinsics) * depth[..., None])


def project(
    points: Float64[np.ndarray, "*n 3"], intrinsics: Intrinsics, T_camera_world: Transform
) -> tuple[Float64[np.ndarray, "*n 2"], Float64[np.ndarray, "*n"]]:
    """Return the pixels `(u, v)` of world points, and their depth; NaN where it is not positive: behind the camera."""
    image = transform(T_camera_world, points) @ intrinsics.T
    depth = image[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = image[..., :2] / depth[..., None]
    return np.where(depth[..., None] > 0, uv, np.nan), depth


def poses(
    position: Float64[np.ndarray, "n 3"], quaternion_xyzw: Float64[np.ndarray, "n 4"]
) -> Float64[np.ndarray, "n 4 4"]:
    """Return matrices `T_a_b` from the places and turns of `b` in `a`."""
    matrices = np.tile(np.eye(4), (len(position), 1, 1))
    matrices[:, :3, :3] = Rotation.from_quat(quaternion_xyzw).as_matrix()
    matrices[:, :3, 3] = position
    return matrices


def check_intrinsics(intrinsics: Intrinsics, size: GridShape, *, where: str) -> None:
    """Refuse a matrix that is no pinhole camera, or not one for images of a size; `where` is for the message.

    Raises:
        InputError: a number is not finite, a focal length is not positive, the matrix has skew or is transposed, or the
            principal point is outside the image.
    """
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    numbers = f"{where}: intrinsics fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}"
    if not np.isfinite(intrinsics).all() or fx <= 0 or fy <= 0:
        raise InputError(f"{numbers}; expected finite numbers and positive focal lengths in pixels: correct them")
    others = (intrinsics - pinhole(fx, fy, cx, cy)) / ((fx,), (fy,), (1.0,))
    if np.abs(others).max() > _SKEW:
        raise InputError(
            f"{numbers}; expected no more than these in a matrix fx 0 cx, 0 fy cy, 0 0 1: remove skew, or transpose it"
        )
    if not (0 <= cx < size[1] and 0 <= cy < size[0]):
        raise InputError(
            f"{numbers} with the principal point outside the {size[1]}x{size[0]} images; expected intrinsics for the"
            " size of the depth images, or of the colour images where there is no depth: rescale them"
        )


def check_rigid(T_world_camera: Transform, *, where: str) -> None:
    """Refuse a pose that is not a rotation and a translation.

    Raises:
        InputError: a number is not finite, the last row is not 0 0 0 1, or the rotation scales, shears or mirrors.
    """
    if not np.isfinite(T_world_camera).all():
        raise InputError(
            f"{where}: the pose holds NaN or infinity; expected finite numbers: drop that frame or mend it"
        )
    if (largest := np.abs(T_world_camera).max()) > _FURTHEST_M:
        raise InputError(
            f"{where}: not a rigid pose in metres, with numbers up to {largest:.3g}; expected a rotation and a"
            " translation: correct them"
        )
    if not off_rigid(T_world_camera) <= RIGID_TOLERANCE:
        raise InputError(
            f"{where}: not a rigid pose; expected a camera-to-world matrix of a rotation and a translation with last"
            " row 0 0 0 1: remove scale, shear or mirroring"
        )


def off_rigid(T_a_b: Float64[np.ndarray, "*n 4 4"]) -> float:
    """Return how far poses are from rotations and translations at most; infinite where one mirrors or is not finite."""
    rotation = T_a_b[..., :3, :3]
    if not np.isfinite(T_a_b).all() or (np.linalg.det(rotation) < 0).any():
        return np.inf
    skew = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max(initial=0.0)
    return float(max(skew, np.abs(T_a_b[..., 3, :] - (0, 0, 0, 1)).max(initial=0.0)))


def rigid(T_world_camera: Transform, *, where: str) -> Transform:
    """Return a pose with the rotation nearest to its own, whose transpose is its inverse; an exact one stays as it is.

    Raises:
        InputError: as `check_rigid`.
    """
    check_rigid(T_world_camera, where=where)
    left, _, right = np.linalg.svd(T_world_camera[:3, :3])
    nearest = left @ right
    if np.abs(nearest - T_world_camera[:3, :3]).max() <= EXACT and (T_world_camera[3] == (0, 0, 0, 1)).all():
        return T_world_camera
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = nearest, T_world_camera[:3, 3]
    return pose


def rigid_if_finite(T_world_camera: Transform, *, where: str) -> Transform:
    """Return a pose as `rigid` does; one that is not finite stays as it is: its frame is left out."""
    return rigid(T_world_camera, where=where) if np.isfinite(T_world_camera).all() else T_world_camera


def rescale(intrinsics: Intrinsics, old: GridShape, new: GridShape) -> Intrinsics:
    """Return the intrinsics of the same camera for images of another size (height, width).

    Pixel centres are integers, so the image spans -0.5 … width - 0.5 and the principal point moves by half pixels.
    """
    along_u, along_v = new[1] / old[1], new[0] / old[0]
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    return np.array(
        [[fx * along_u, 0, (cx + 0.5) * along_u - 0.5], [0, fy * along_v, (cy + 0.5) * along_v - 0.5], [0, 0, 1]]
    )
