"""COLMAP models with their images: cameras and poses, read by pycolmap; in a unit that is not known.

Reference: COLMAP's output format. The centre of the first pixel is (0.5, 0.5).
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np

from fast_snow import untrusted_json
from fast_snow.cameras import pinhole, rigid
from fast_snow.config import SourceConfig
from fast_snow.errors import InputError
from fast_snow.inputs.frame_files import FrameFiles, rate, recording_of
from fast_snow.inputs.image_files import natural
from fast_snow.inputs.lenses import Lens
from fast_snow.inputs.recording import Recording
from fast_snow.limits import DATASET_JSON_FILE
from fast_snow.typed_json import at_least, build_dataclass, entries
from fast_snow.types import Transform
from fast_snow.untrusted_files import inside, open_file, shown

_READER: Final = Path(__file__).with_name("colmap_reader.py")
_LONGEST_S: Final = 120
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

    The folder holds `images/`, and the model in `sparse/0`, `sparse` or itself.

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
    """Return camera-to-world pose and camera of each registered image, by name.

    pycolmap believes the counts that a damaged file holds, and reads on for ever or until memory ends: it reads in a
    process of its own, for a limited time.
    """
    for path in _files(model) or ():
        open_file(path, limit=DATASET_JSON_FILE, within=folder).close()
    where = shown(model)
    try:
        answer = subprocess.run(
            [sys.executable, "-P", os.fspath(_READER), os.fspath(model)],
            capture_output=True,
            timeout=_LONGEST_S,
            check=True,
        ).stdout
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{where}: not read after {_LONGEST_S} s; expected a sound COLMAP model: export it again"
        ) from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode("utf-8", "replace").splitlines() or [f"exit code {error.returncode}"])[-1][:120]
        raise InputError(f"{where}: no COLMAP model that can be read ({reason}); export it again") from None
    parsed = build_dataclass(_Answer, untrusted_json.loads(answer.decode()), where)
    cameras = {number: _lens(camera, where) for number, camera in parsed.cameras.items()}
    return {
        image.name: (_pose(image, where), cameras[image.camera]) for image in parsed.images if image.camera in cameras
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Camera:
    model: str
    width: Annotated[int, at_least(1)]
    height: Annotated[int, at_least(1)]
    params: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    name: str
    camera: str
    T_camera_world: Annotated[tuple[tuple[float, ...], ...], entries(3, 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the process that reads a model prints."""

    cameras: Mapping[str, _Camera]
    images: tuple[_Image, ...]


def _pose(image: _Image, where: str) -> Transform:
    pose = np.eye(4)
    pose[:3] = np.array(image.T_camera_world)
    return np.linalg.inv(rigid(pose, where=f"{where}: {image.name[:80]}"))


def _lens(camera: _Camera, where: str) -> Lens:
    focals, coefficients = _DISTORTION.get(camera.model, (0, 0))
    if not focals or len(camera.params) != focals + 2 + coefficients:
        raise InputError(
            f"{where}: camera model {camera.model[:40]} of {len(camera.params)} parameters; expected one of"
            f" {', '.join(_DISTORTION)}: undistort the images"
        )
    numbers, distortion = camera.params, camera.params[focals + 2 :]
    K = pinhole(numbers[0], numbers[focals - 1], numbers[focals] - 0.5, numbers[focals + 1] - 0.5)
    distortion = (*distortion, *[0.0] * (4 - coefficients))
    return Lens.of(K, (camera.height, camera.width), distortion, fisheye=camera.model.endswith("FISHEYE"))
