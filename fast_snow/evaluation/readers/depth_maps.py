"""Depth images, one 16-bit PNG per frame, each read when it is asked for; 0 and 65535 are no measurement.

Reference:
    J. Shotton et al., Scene Coordinate Regression Forests, CVPR 2013: 7-Scenes marks missing depth by 65535.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import TruthSource
from fast_snow.evaluation.readers.data_files import numbered_files
from fast_snow.inputs.image_files import read_depth
from fast_snow.types import GridShape
from fast_snow.untrusted_files import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthImages:
    """Reads depth by index in the input.

    Attributes:
        files: one per annotated frame.
        depth_scale: stored units per metre.
        size: height and width of all.
    """

    files: dict[int, Path]
    depth_scale: float
    size: GridShape

    @property
    def frames(self) -> Collection[int]:
        """The annotated frames."""
        return self.files.keys()

    def __call__(self, index: int) -> Float32[np.ndarray, "h w"]:
        """Return metres along the optical axis, 0 where there is none.

        Raises:
            InputError: the frame has no depth image, or a damaged one.
        """
        if index not in self.files:
            first, last = min(self.files), max(self.files)
            raise InputError(f"no true depth of frame {index}, expected one of the annotated ones, {first} to {last}")
        return _read(self.files[index], self.depth_scale, self.size)


def read_depth_folder(folder: Path, source: TruthSource) -> DepthImages:
    """Open a folder of `000000.png` …; the first frame is number 0; raises as `read_7_scenes_depth`."""
    return _open(folder, source, ".png")


def read_7_scenes_depth(folder: Path, source: TruthSource) -> DepthImages:
    """Open a folder of `frame-000000.depth.png` ….

    Args:
        folder: that holds the files; the first frame is number 0.
        source: what is known of it; the first image is read at once and gives the size of all.

    Raises:
        InputError: a file is missing or damaged.
    """
    return _open(folder, source, ".depth.png")


def _open(folder: Path, source: TruthSource, ending: str) -> DepthImages:
    files = numbered_files(folder, ending, source)
    height, width = _read(next(iter(files.values())), source.depth_scale, None).shape
    return DepthImages(files=files, depth_scale=source.depth_scale, size=(height, width))


def _read(path: Path, scale: float, size: GridShape | None) -> Float32[np.ndarray, "h w"]:
    depth = read_depth(path, scale, within=path.parent)
    if size is not None and depth.shape != size:
        height, width = depth.shape
        raise InputError(
            f"{shown(path)}: {width}x{height} pixels, expected {size[1]}x{size[0]} like the first: bring all to"
            " one size"
        )
    return depth
