"""Calibrated cameras: intrinsics of each frame, and lens distortion taken out of what the frames bring.

Reference: the camera models of OpenCV (`calib3d`, `fisheye`), which COLMAP, nerfstudio and ROS name alike.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from fast_snow.cameras import Intrinsics, check_intrinsics, pinhole, rescale
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.recording import IGNORE, Recording
from fast_snow.types import GridShape

_COUNTS = {True: (4,), False: (4, 5, 8)}
"""How many coefficients OpenCV's models take: fisheye, and radial-tangential with up to six radial ones."""
_LARGEST = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """A camera with its distortion; pixel centres are integers.

    Attributes:
        focal: fx, fy in pixels.
        centre: cx, cy in pixels.
        size: height and width of the images that these refer to.
        distortion: k1, k2, p1, p2 and, where there are more, k3 … k6; k1 … k4 of a fisheye. Empty: none.
        fisheye: which of OpenCV's two models.
    """

    focal: tuple[float, float]
    centre: tuple[float, float]
    size: GridShape
    distortion: tuple[float, ...] = ()
    fisheye: bool = False

    @classmethod
    def of(cls, K: Intrinsics, size: GridShape, distortion: tuple[float, ...] = (), *, fisheye: bool = False) -> "Lens":
        """Return the camera of a pinhole matrix and coefficients, which are none where all are 0."""
        focal, centre = (float(K[0, 0]), float(K[1, 1])), (float(K[0, 2]), float(K[1, 2]))
        bends = distortion if any(distortion) else ()
        return cls(focal=focal, centre=centre, size=size, distortion=bends, fisheye=fisheye)

    def matrix(self, size: GridShape) -> Intrinsics:
        """Return the pinhole matrix for images of another size."""
        return rescale(pinhole(*self.focal, *self.centre), self.size, size)

    @property
    def bends(self) -> bool:
        """Whether straight lines are not straight in its images."""
        return any(self.distortion)


def calibrated(recording: Recording, lenses: Sequence[Lens], *, where: str) -> Recording:
    """Return a recording with the intrinsics of its lenses and without their distortion.

    Undistorted images keep size and matrix. Where they show what the camera did not see they are black, without depth,
    and of no known object. There is one lens per frame; depth and id maps show the view of the colour images.

    Raises:
        InputError: a lens is no camera for the images, or has a distortion that OpenCV does not know.

    Warns:
        FastSnowWarning: images are undistorted, by which model.
    """
    size = recording.color_size if recording.read_depth is None else recording.read_depth(0).shape
    used = dict.fromkeys(lenses)
    for lens in used:
        _check(lens, size, where)
    matrices = np.stack([lens.matrix(size) for lens in lenses])
    changed = replace(recording, intrinsics=matrices[0] if len(used) == 1 else matrices)
    bent = next((lens for lens in used if lens.bends), None)
    if bent is None:
        return changed
    model = "fisheye" if bent.fisheye else "radial-tangential"
    coefficients = ", ".join(f"{number:.4g}" for number in bent.distortion)
    warnings.warn(
        f"{where}: images are undistorted by OpenCV's {model} model ({coefficients}); black where nothing was seen",
        FastSnowWarning,
        stacklevel=3,
    )
    depth, ids = recording.read_depth, recording.read_ids
    return replace(
        changed,
        read_color=lambda index: _undistorted(recording.read_color(index), lenses[index], 0),
        read_depth=None if depth is None else lambda index: _undistorted(depth(index), lenses[index], 0),
        read_ids=None if ids is None else lambda index: _undistorted(ids(index), lenses[index], IGNORE),
    )


def _undistorted(image: np.ndarray, lens: Lens, outside: int) -> np.ndarray:
    """Return what a pinhole camera of the same matrix would have seen; depth and ids are taken, never mixed."""
    if not lens.bends:
        return image
    u, v = _sources(lens, (image.shape[0], image.shape[1]))
    if image.dtype == np.uint8:
        return np.asarray(cv2.remap(image, u, v, cv2.INTER_LINEAR, borderValue=outside))
    # `remap` knows no 32-bit integers; nearest neighbours are looked up instead.
    column, row = np.rint(u).astype(np.int64), np.rint(v).astype(np.int64)
    seen = (column >= 0) & (column < image.shape[1]) & (row >= 0) & (row < image.shape[0])
    found = np.full(image.shape, outside, image.dtype)
    found[seen] = image[row[seen], column[seen]]
    return found


@lru_cache(maxsize=6)
def _sources(lens: Lens, size: GridShape) -> tuple[np.ndarray, np.ndarray]:
    """Return for each undistorted pixel where it lies in the image: columns and rows."""
    K, coefficients = lens.matrix(size), np.array(lens.distortion)
    model = cv2.fisheye.initUndistortRectifyMap if lens.fisheye else cv2.initUndistortRectifyMap
    u, v = model(K, coefficients, np.eye(3), K, size[::-1], cv2.CV_32FC1)
    return np.nan_to_num(u, nan=-1e6), np.nan_to_num(v, nan=-1e6)


def _check(lens: Lens, size: GridShape, where: str) -> None:
    check_intrinsics(lens.matrix(size), size, where=where)
    if not lens.distortion:
        return
    counts = _COUNTS[lens.fisheye]
    if len(lens.distortion) not in counts or not all(math.isfinite(k) and abs(k) <= _LARGEST for k in lens.distortion):
        raise InputError(
            f"{where}: distortion {lens.distortion}; expected {' or '.join(map(str, counts))} finite coefficients of"
            " OpenCV's models: undistort the images and drop it"
        )
