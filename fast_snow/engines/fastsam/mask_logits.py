"""From coarse mask logits to runs on the analysis grid, without a dense mask in between."""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int64

from fast_snow.kernels.growth import grown
from fast_snow.types import GridShape, Masks


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Where the frame lies in maps of logits, enlarged 1, 2 or 4 times so that its border falls between pixels."""

    enlarged: int
    top: int
    left: int
    height: int
    width: int


def encode_positive(
    logits: Float32[np.ndarray, "m h w"], content: Content, box_xyxy: Float32[np.ndarray, "m 4"], grid: GridShape
) -> Masks:
    """Bring logits to a grid by bilinear interpolation and encode where they are positive inside a box.

    `content` is the part of a map that the grid covers. Pixels `(v, u)` of the grid with `x0 <= u < x1` and `y0 <= v <
    y1` are inside. A mask without a positive pixel is an empty entry.
    """
    span = np.ceil(box_xyxy.clip(0, [grid[1], grid[0], grid[1], grid[0]])).astype(np.int32)
    start, stop, offset = _encode_positive(
        np.ascontiguousarray(logits),
        content.enlarged,
        (content.top, content.left, content.height, content.width),
        span,
        _taps(content.height, grid[0]),
        _taps(content.width, grid[1]),
        _taps(logits.shape[1], logits.shape[1] * content.enlarged),
        _taps(logits.shape[2], logits.shape[2] * content.enlarged),
    )
    return Masks(start=start, stop=stop, offset=offset, shape=grid)


Taps = tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"], Float32[np.ndarray, " n"]]
"""Of each output pixel: the source pixels before and after it, and the weight of the later one."""


def _taps(source: int, output: int) -> Taps:
    """Return the taps of bilinear interpolation between pixel areas, in float32 as torch computes them."""
    scale = np.float32(source) / np.float32(max(output, 1))
    position = np.maximum(scale * (np.arange(output, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5), 0)
    before = np.minimum(position.astype(np.int64), source - 1)
    weight = (position - before.astype(np.float32)).clip(0, 1).astype(np.float32)
    return before, np.minimum(before + 1, source - 1), weight


@numba.njit(cache=True, nogil=True)
@no_type_check
def _blend_columns(row: np.ndarray, taps: tuple, first: int, out: np.ndarray) -> None:
    """Interpolate one row at the output columns from `first` on."""
    before, after, weight = taps
    for column in range(len(out)):
        later = weight[first + column]
        out[column] = row[before[first + column]] * (np.float32(1) - later) + row[after[first + column]] * later


@numba.njit(cache=True, nogil=True)
@no_type_check
def _interpolate(source: np.ndarray, rows: tuple, columns: tuple, out: np.ndarray) -> None:
    """Fill `out` from a map."""
    before, after, weight = rows
    upper, lower = np.empty(out.shape[1], np.float32), np.empty(out.shape[1], np.float32)
    for row in range(len(out)):
        _blend_columns(source[before[row]], columns, 0, upper)
        _blend_columns(source[after[row]], columns, 0, lower)
        later = weight[row]
        for column in range(out.shape[1]):
            out[row, column] = upper[column] * (np.float32(1) - later) + lower[column] * later


@numba.njit(cache=True, nogil=True)
@no_type_check
def _encode_positive(
    logits: np.ndarray,
    enlarged: int,
    window: tuple,
    span: np.ndarray,
    rows: tuple,
    columns: tuple,
    enlarged_rows: tuple,
    enlarged_columns: tuple,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walk each mask's box row by row; the source rows of neighbouring output rows are interpolated once."""
    top, left, height, width = window
    before, after, weight = rows
    large = np.empty((len(enlarged_rows[0]), len(enlarged_columns[0])), np.float32)
    out_width = len(columns[0])
    out_start, out_stop = np.empty(1024, np.int32), np.empty(1024, np.int32)
    offset = np.zeros(len(logits) + 1, np.int32)
    runs = 0
    for mask in range(len(logits)):
        source = logits[mask]
        if enlarged > 1:
            _interpolate(source, enlarged_rows, enlarged_columns, large)
            source = large
        source = source[top : top + height, left : left + width]
        x0, y0, x1, y1 = span[mask]
        box_width = max(x1 - x0, 0)
        upper, lower = np.empty(box_width, np.float32), np.empty(box_width, np.float32)
        upper_row, lower_row = -1, -1
        for row in range(y0, y1 if box_width > 0 else y0):
            if upper_row != before[row]:
                if lower_row == before[row]:
                    upper, lower = lower, upper
                    upper_row, lower_row = lower_row, -1
                else:
                    upper_row = before[row]
                    _blend_columns(source[upper_row], columns, x0, upper)
            if lower_row != after[row]:
                lower_row = after[row]
                _blend_columns(source[lower_row], columns, x0, lower)
            while runs + box_width > len(out_start):
                out_start, out_stop = grown(out_start), grown(out_stop)
            runs = _encode_row(upper, lower, weight[row], row * out_width + x0, out_start, out_stop, runs)
        offset[mask + 1] = runs
    return out_start[:runs].copy(), out_stop[:runs].copy(), offset


@numba.njit(cache=True, nogil=True)
@no_type_check
def _encode_row(
    upper: np.ndarray, lower: np.ndarray, later: float, origin: int, start: np.ndarray, stop: np.ndarray, runs: int
) -> int:
    """Append the runs of positive pixels between two rows and return how many runs there are now."""
    inside = False
    for column in range(len(upper)):
        positive = upper[column] * (np.float32(1) - later) + lower[column] * later > 0
        if positive != inside:
            if positive:
                start[runs] = origin + column
            else:
                stop[runs] = origin + column
                runs += 1
            inside = positive
    if inside:
        stop[runs] = origin + len(upper)
        runs += 1
    return runs
