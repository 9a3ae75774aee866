"""Arrays that a caller gives: what can mean but one thing is taken, everything else is refused in one line.

These checks hold without a type checker too: parameters are of any type, results are what their types say.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from fast_snow.cameras import Intrinsics, check_intrinsics, pinhole, rigid
from fast_snow.errors import InputError
from fast_snow.inputs.sampling import exact
from fast_snow.types import GridShape

PLAUSIBLE_M: Final = (1e-3, 1e3)
"""Median depths outside this range come of a unit that was mistaken."""
LOOKED_AT: Final = 10
"""So many depth images are looked at until one holds a measurement."""
_RATES: Final = (1e-6, 1e6)
"""Frames per second; beyond them, times are no numbers to reckon with."""
_CHANNELS_LAST: Final = "(frames, height, width, 3)"

Images = Sequence[UInt8[np.ndarray, "height width 3"]] | UInt8[np.ndarray, "n height width 3"]


def color_images(given: object, *, where: str) -> Images:
    """Return RGB images of one size; those of a list are not copied.

    Raises:
        InputError: there is none, or they are of another type, shape or of several sizes.
    """
    if isinstance(given, list | tuple):
        images: Images = tuple(_array(each, f"{where}: image[{index}]") for index, each in enumerate(given))
        for index, image in enumerate(images):
            if image.shape != images[0].shape:
                raise InputError(
                    f"{where}: image[{index}] of shape {image.shape} after {images[0].shape}; expected one shape:"
                    " bring all to one size"
                )
            _check_color(image, (len(images), *image.shape), where)
    else:
        images = stack = _array(given, f"{where}: image")
        _check_color(stack, stack.shape, where)
    if not len(images) or not images[0].size:
        raise InputError(f"{where}: no frame; expected at least one image: check what was read")
    return images


def depth_maps(given: object, *, where: str) -> np.ndarray:
    """Return depth in metres as floats of any precision; `measured` tells what in a frame of it is a measurement.

    Raises:
        InputError: the type or the shape is another, nothing was measured, or the unit cannot be the metre.
    """
    depth = _array(given, f"{where}: depth")
    if depth.dtype.kind != "f":
        raise InputError(
            f"{where}: depth of {depth.dtype}; expected metres as floats, 0 where there is none (millimetres? divide by"
            " 1000; an integer type's largest value is often no measurement)"
        )
    _check_maps(depth, "depth", where)
    some = (found[found > 0] for found in map(measured, depth[:LOOKED_AT]))
    first = next((each for each in some if each.size), None)
    if first is None:
        if any(not (np.isfinite(each) & (each >= 0)).all() for each in depth) and not any(map(_any_measured, depth)):
            raise InputError(f"{where}: depth holds no finite number above 0; expected metres: check what was read")
        return depth
    if not PLAUSIBLE_M[0] <= (median := float(np.median(first))) <= PLAUSIBLE_M[1]:
        raise InputError(
            f"{where}: depths of {median:,.4g} m (median); expected metres (millimetres? divide by 1000): convert them"
        )
    return depth


def measured(depth: np.ndarray) -> Float32[np.ndarray, "h w"]:
    """Return the depth of a frame in metres, 0 where it is not finite or not positive."""
    with np.errstate(over="ignore"):
        single = depth.astype(np.float32)
    return np.where(np.isfinite(single) & (single > 0), single, np.float32(0))


def metres(stored: np.ndarray, units_per_metre: float) -> Float32[np.ndarray, "h w"]:
    """Return a stored depth image in metres, 0 where there is none: 16 bits in units, or metres as floats.

    The largest value of 16 bits is no measurement.
    """
    if stored.dtype == np.uint16:
        stored = np.where(stored == np.iinfo(np.uint16).max, np.uint16(0), stored) / units_per_metre
    return measured(stored)


def id_maps(given: object, *, lowest: int, where: str) -> Int32[np.ndarray, "n h w"]:
    """Return id maps of any integer type, at least `lowest`; of booleans, which are one object of number 1.

    Raises:
        InputError: the type or the shape is another, or an id is beyond 32 bits or below `lowest`.
    """
    ids = _array(given, f"{where}: ids")
    if ids.dtype.kind not in "iub":
        raise InputError(f"{where}: ids of {ids.dtype}; expected whole numbers, 0 for background: convert them")
    _check_maps(ids, "ids", where)
    low, high = int(ids.min()), int(ids.max())
    if low < lowest or high > np.iinfo(np.int32).max:
        raise InputError(
            f"{where}: ids from {low} to {high}; expected {lowest} (neither), 0 (background) or object numbers of at"
            " most 32 bits: renumber them"
        )
    return ids.astype(np.int32, copy=False)


def camera_poses(given: object, *, where: str) -> Float64[np.ndarray, "n 4 4"]:
    """Return camera-to-world poses with exact rotations; the last row may be missing.

    Raises:
        InputError: the type or the shape is another, or a pose is not rigid.
    """
    poses = _numbers(given, f"{where}: T_world_camera")
    if poses.ndim != 3 or poses.shape[1:] not in ((4, 4), (3, 4)):
        raise InputError(
            f"{where}: T_world_camera of shape {poses.shape}; expected (frames, 4, 4) or (frames, 3, 4),"
            " camera-to-world matrices: reshape them"
        )
    complete = np.tile(np.eye(4), (len(poses), 1, 1))
    complete[:, : poses.shape[1]] = poses
    for index, pose in enumerate(complete):
        complete[index] = rigid(pose, where=f"{where}: T_world_camera[{index}]")
    return complete


def camera_intrinsics(given: object, size: GridShape, *, where: str) -> Intrinsics:
    """Return a pinhole matrix for images of a size, given as one or as fx, fy, cx, cy.

    Raises:
        InputError: the type or the shape is another, or it is no pinhole camera for that size.
    """
    numbers = _numbers(given, f"{where}: intrinsics")
    if numbers.shape not in ((3, 3), (4,)):
        raise InputError(
            f"{where}: intrinsics of shape {numbers.shape}; expected one pinhole matrix (3, 3) or fx, fy, cx, cy for"
            " all images: reduce them"
        )
    matrix = pinhole(*map(float, numbers)) if numbers.shape == (4,) else numbers
    check_intrinsics(matrix, size, where=where)
    return pinhole(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])


def frame_rate(given: object, *, where: str) -> Fraction:
    """Return frames per second.

    Raises:
        InputError: no number, or none that frames can have.
    """
    if isinstance(given, bool) or not isinstance(given, int | float | Fraction | np.integer | np.floating):
        raise InputError(
            f"{where}: fps is a {type(given).__name__}; expected a number of frames per second: correct it"
        )
    if not _RATES[0] <= given <= _RATES[1]:
        raise InputError(
            f"{where}: {str(given)[:20]} frames per second; expected a rate above 0, of at most a million: correct it"
        )
    return exact(float(given))


def _array(given: object, what: str) -> np.ndarray:
    if isinstance(given, np.ma.MaskedArray):
        raise InputError(f"{what} is a masked array; expected a plain one: fill it")
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # RuntimeError: a tensor of another device
        raise InputError(
            f"{what} is a {type(given).__name__} that NumPy cannot take as one array; expected an array, or a list of"
            " arrays of one shape: convert it"
        ) from None


def _numbers(given: object, what: str) -> Float64[np.ndarray, "..."]:
    numbers = _array(given, what)
    if numbers.dtype.kind not in "fiu":
        raise InputError(f"{what} of {numbers.dtype}; expected real numbers: convert them")
    return numbers.astype(np.float64)


def _check_color(image: np.ndarray, shape: tuple[int, ...], where: str) -> None:
    """Refuse images, one or all, that make no stack of RGB images of a shape."""
    if image.dtype != np.uint8:
        means = " (white is 1? multiply by 255)" if image.dtype.kind == "f" else ""
        raise InputError(f"{where}: image of {image.dtype}; expected RGB in 8 bits{means}: convert it to uint8")
    if len(shape) == 4 and shape[3] == 3:
        return
    remedy = "reshape it"
    if len(shape) == 4:
        by_channels = {1: "repeat the grey channel three times", 4: "drop the channel of opacity"}
        remedy = by_channels.get(shape[3], "move the channels to the end" if shape[1] in (1, 3, 4) else remedy)
    elif len(shape) == 3:
        remedy = "put a single image into a list, repeat the channel of grey images three times"
    raise InputError(f"{where}: image of shape {shape}; expected {_CHANNELS_LAST}: {remedy}")


def _check_maps(maps: np.ndarray, what: str, where: str) -> None:
    if maps.ndim != 3 or not maps.size:
        raise InputError(f"{where}: {what} of shape {maps.shape}; expected (frames, height, width): reshape it")


def _any_measured(depth: np.ndarray) -> bool:
    return bool((measured(depth) > 0).any())
