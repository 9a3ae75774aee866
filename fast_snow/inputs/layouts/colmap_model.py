"""COLMAP models with their images: cameras and poses, read by pycolmap; in a unit that is not known.

Reference: COLMAP's output format. The centre of the first pixel is (0.5, 0.5).
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from fast_snow.cameras import rigid
from fast_snow.config import SourceConfig
from fast_snow.errors import InputError
from fast_snow.inputs.frame_files import FrameFiles, rate, recording_of
from fast_snow.inputs.image_files import natural
from fast_snow.inputs.lenses import Lens
from fast_snow.inputs.recording import Recording
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.types import Transform
from fast_snow.untrusted_files import inside, open_file, shown

_MODEL_FOLDERS: Final = ("sparse/0", "sparse", ".")
_MODEL_FILES: Final = ("cameras", "images", "points3D")
_DISTORTION: Final[dict[str, tuple[int, int]]] = {
    "SIMPLE_PINHOLE": (1, 0),
    "PINHOLE": (2, 0),
    "SIMPLE_RADIAL": (1, 1),
    "RADIAL": (1, 2),
    "OPENCV": (2, 4),
    "FULL_OPENCV": (2, 8),
    "SIMPLE_RADIAL_FISHEYE": (1, 1),
    "RADIAL_FISHEYE": (1, 2),
    "OPENCV_FISHEYE": (2, 4),
}
"""How many focal lengths and distortion coefficients the parameters of a camera model hold."""


def model_folder(folder: Path) -> Path | None:
    """Return where in a folder a COLMAP model lies; None where there is none."""
    found = (folder / name for name in _MODEL_FOLDERS)
    return next((each for each in found if _files(each) is not None), None)


def read_colmap_model(folder: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open the registered images of a COLMAP model, in the order of their names.

    Args:
        folder: holds `images/`, and the model in `sparse/0`, `sparse` or itself.
        options: frame rate, and whether the model was brought to metres.

    Raises:
        InputError: the model cannot be read, has no registered image or an unknown camera, or an image is missing.

    Warns:
        FastSnowWarning: nothing tells the frame rate; images are undistorted.
    """
    model = model_folder(folder)
    if model is None:
        raise InputError(f"{shown(folder)}: no COLMAP model; expected cameras, images and points3D as .bin or .txt")
    images = folder / "images" if (folder / "images").is_dir() else folder
    found = _registered(model, folder)
    if not found:
        raise InputError(f"{shown(model)}: no registered image; expected some: run the mapper again")
    names = sorted(found, key=natural)
    return recording_of(
        FrameFiles(
            folder=images,
            color={name: inside(images, name, shown(model)) for name in names},
            poses={name: found[name][0] for name in names},
            lenses={name: found[name][1] for name in names},
        ),
        times=rate(options.fps, folder),
        metric=bool(options.metric),
    )


def _files(folder: Path) -> tuple[Path, ...] | None:
    for suffix in (".bin", ".txt"):
        files = tuple(folder / f"{name}{suffix}" for name in _MODEL_FILES)
        if all(path.is_file() for path in files):
            return files
    return None


def _registered(model: Path, folder: Path) -> dict[str, tuple[Transform, Lens]]:
    """Return camera-to-world pose and camera of each registered image, by name."""
    import cv2  # noqa: F401 (before pycolmap: docs/bugs/001-opencv-before-pycolmap.md)
    import pycolmap

    for path in _files(model) or ():
        open_file(path, limit=DATASET_JSON_FILE, within=folder).close()
    try:
        reconstruction = pycolmap.Reconstruction(str(model))
        cameras = {key: _lens(camera, shown(model)) for key, camera in reconstruction.cameras.items()}
        return {
            image.name: (_pose(image, shown(model)), cameras[image.camera_id])
            for image in reconstruction.images.values()
            if image.has_pose
        }
    except (RuntimeError, ValueError, LookupError, TypeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1][:120]
        raise InputError(f"{shown(model)}: no COLMAP model that can be read ({reason}); export it again") from None


def _pose(image: Any, where: str) -> Transform:  # noqa: ANN401 (pycolmap has no stubs)
    pose = np.eye(4)
    pose[:3] = image.cam_from_world().inverse().matrix()
    return rigid(pose, where=f"{where}: {image.name[:80]}")


def _lens(camera: Any, where: str) -> Lens:  # noqa: ANN401
    name = camera.model.name
    if name not in _DISTORTION:
        raise InputError(
            f"{where}: camera model {name}; expected one of {', '.join(_DISTORTION)}: undistort the images"
        )
    focals, coefficients = _DISTORTION[name]
    numbers = [float(number) for number in camera.params]
    centre = numbers[focals : focals + 2]
    distortion = numbers[focals + 2 :]
    fisheye = name.endswith("FISHEYE")
    return Lens(
        focal=(numbers[0], numbers[focals - 1]),
        centre=(centre[0] - 0.5, centre[1] - 0.5),
        size=(int(camera.height), int(camera.width)),
        distortion=tuple(distortion + [0.0] * (4 - coefficients)) if any(distortion) else (),
        fisheye=fisheye,
    )
