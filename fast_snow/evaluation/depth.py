"""How far estimated depth is from measured depth, as it is and after what its kind leaves open is taken out."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64

from fast_snow.errors import InputError
from fast_snow.evaluation.truth import DepthReader
from fast_snow.types import Geometry

DepthAlignment = Literal["none", "scale", "scale and shift"]
_CLOSE = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthError:
    """Errors over all pixels that both sides know.

    Attributes:
        abs_rel: mean of |found - true| / true.
        rmse: root of the mean square difference, in metres.
        close: share of pixels whose ratio to the truth is below 1.25, either way.
        scale: what the found depth was multiplied by.
        shift: what was then added, in metres.
        pixels: how many were compared.
        share: of the pixels that the truth knows, how many the result knows.

    Reference:
        Eigen et al., Depth map prediction from a single image using a multi-scale deep network, NeurIPS 2014.
    """

    abs_rel: float
    rmse: float
    close: float
    scale: float
    shift: float
    pixels: int
    share: float


def compare(
    read_truth: DepthReader,
    source_frame: np.ndarray,
    found: Geometry,
    alignment: DepthAlignment = "scale",
    conf_thresh: float = 0.0,
) -> DepthError:
    """Compare the depth of a window with what was measured; one scale (and shift) for all its frames.

    Args:
        read_truth: metres of a frame by its index in the input, 0 where there is none.
        source_frame: index in the input of each frame of `found`.
        found: the geometry in question; each true pixel is compared with the found pixel whose centre is nearest.
        alignment: what may be taken out first: the ratio of medians, or the line of least squares.
        conf_thresh: found pixels of less confidence do not count.

    Raises:
        InputError: no pixel is known on both sides.
    """
    true, estimate, known = [], [], 0
    for index, frame in enumerate(source_frame.tolist()):
        depth = read_truth(frame)
        believed = np.isfinite(found.depth[index]) & (found.depth[index] > 0) & (found.confidence[index] >= conf_thresh)
        on_truth = _nearest(np.where(believed, found.depth[index], 0), depth.shape)
        measured = np.isfinite(depth) & (depth > 0)
        known += int(measured.sum())
        both: Bool[np.ndarray, "h w"] = measured & (on_truth > 0)
        true.append(depth[both].astype(np.float64))
        estimate.append(on_truth[both].astype(np.float64))
    truth, depths = np.concatenate(true), np.concatenate(estimate)
    if not len(truth):
        raise InputError(
            f"depth: of {known} measured pixels none has a found depth; check confidence and frame numbers"
        )
    scale, shift = _aligned(truth, depths, alignment)
    return _errors(truth, scale * depths + shift, scale, shift, known)


def _nearest(image: Float32[np.ndarray, "h w"], shape: tuple[int, ...]) -> Float32[np.ndarray, "p q"]:
    (height, width), (source_height, source_width) = shape, image.shape
    row = (2 * np.arange(height) + 1) * source_height // (2 * height)
    column = (2 * np.arange(width) + 1) * source_width // (2 * width)
    nearest: np.ndarray = image[row[:, None], column]
    return nearest


def _aligned(
    truth: Float64[np.ndarray, " n"], found: Float64[np.ndarray, " n"], alignment: DepthAlignment
) -> tuple[float, float]:
    if alignment == "scale":
        return float(np.median(truth) / np.median(found)), 0.0
    if alignment == "scale and shift":
        scale, shift = np.linalg.lstsq(np.stack([found, np.ones_like(found)], axis=1), truth, rcond=None)[0]
        return float(scale), float(shift)
    return 1.0, 0.0


def _errors(
    truth: Float64[np.ndarray, " n"], found: Float64[np.ndarray, " n"], scale: float, shift: float, known: int
) -> DepthError:
    difference = found - truth
    with np.errstate(divide="ignore"):
        ratio = np.maximum(found / truth, np.divide(truth, found, out=np.full_like(truth, np.inf), where=found > 0))
    return DepthError(
        abs_rel=float(np.mean(np.abs(difference) / truth)),
        rmse=float(np.sqrt(np.mean(difference**2))),
        close=float(np.mean(ratio < _CLOSE)),
        scale=scale,
        shift=shift,
        pixels=len(truth),
        share=len(truth) / known,
    )
