"""The scene graph as text of few tokens, without loss: one line per camera pose and per observation.

Tokenisers cut digits into groups of three and give nearly every other character between digits a token of its own. So
there are no names of fields, no brackets and no zero before a decimal point, and a cell of tau that an object covers
wholly costs nothing. Every line begins with a digit and ends with a line break: tokens never reach from one line into
the next, and the tokens of a text are the sum of the tokens of its lines.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int64

from fast_snow.errors import FastSnowError
from fast_snow.output.graph_json.writing import shortest, shortest_float64
from fast_snow.types import Ego, GridShape, Observations

FULL = "*"


def shortest_numbers(values: Float32[np.ndarray, " n"]) -> list[str]:
    """Write float32 numbers with the fewest digits that read back to them, without a zero before the point.

    Raises:
        FastSnowError: a number is not finite.
    """
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise FastSnowError(f"scene graph: got {bad}, expected finite numbers; drop what has no position")
    return [_pointed(text) for text in shortest(values)]


def _pointed(text: str) -> str:
    if text.startswith("0."):
        return text[1:]
    return f"-{text[2:]}" if text.startswith("-0.") else text


def camera_lines(ego: Ego) -> Iterator[str]:
    """Yield the camera's poses: `t|time_s|x y z|qx qy qz qw|fx fy cx cy`.

    What is not known is empty; intrinsics are given where they change; empty fields at the end are left out.
    """
    before = ""
    rows = zip(_rows(ego.position), _rows(ego.quaternion_xyzw), _rows(ego.intrinsics), strict=True)
    for t, time_s, (position, quaternion, intrinsics) in zip(ego.t.tolist(), ego.time_s.tolist(), rows, strict=True):
        time = "" if np.isnan(time_s) else _pointed(shortest_float64(time_s))
        fields = (str(t), time, position, quaternion, intrinsics if intrinsics != before else "")
        before = intrinsics or before
        yield f"{'|'.join(fields).rstrip('|')}\n"


def _rows(rows: Float32[np.ndarray, "n k"]) -> list[str]:
    """Return each row's numbers, separated by spaces; nothing where the whole row is unknown."""
    known = ~np.isnan(rows).all(axis=1)
    texts, width = iter(shortest_numbers(rows[known].ravel())), rows.shape[1]
    return [" ".join(next(texts) for _ in range(width)) if is_known else "" for is_known in known]


def observation_lines(observations: Observations, *, shape: bool, cells: Sequence[str]) -> Iterator[str]:
    """Yield observations: `t|x y z|sx sy sz|low x y z|high x y z|tau`, or without shape `t|tau`."""
    if not observations:
        return
    values = np.stack([observations.centroid, observations.sigma, observations.low, observations.high], axis=1)
    groups = _rows(values.reshape(-1, 3)) if shape else []
    for i, (t, tau) in enumerate(zip(observations.t.tolist(), cells, strict=True)):
        fields = (str(t), *groups[4 * i : 4 * i + 4], *([tau] if tau else []))
        yield f"{'|'.join(fields)}\n"


def cell_texts(observations: Observations, grid_size: int, analysis_grid: GridShape) -> list[str]:
    """Return tau of each observation as runs of adjacent cells, in raster order: `row:first-last=values`.

    Values are in column order. A whole number counts pixels of the cell inside the object, one with a point is a share
    of the cell; `*` stands for all cells of the run that the object covers wholly. A run without values is wholly
    covered. Where the size of the analysis grid is not known, (0, 0), all values are shares.
    """
    if not observations:
        return []
    tau = observations.cells
    order = np.lexsort((tau.col, tau.row, np.repeat(np.arange(len(tau)), np.diff(tau.offset))))
    row, col, coverage = tau.row[order].astype(np.int64), tau.col[order].astype(np.int64), tau.coverage[order]
    pixels = pixels_per_cell(grid_size, analysis_grid)[row, col]
    cells = list(zip(row.tolist(), col.tolist(), _values(coverage, pixels), strict=True))
    return [_runs(cells[start:stop]) for start, stop in pairwise(tau.offset.tolist())]


def pixels_per_cell(grid_size: int, analysis_grid: GridShape) -> Int64[np.ndarray, "g g"]:
    """Return how many pixels each cell of the grid of tau has."""
    rows, columns = (np.diff(np.arange(grid_size + 1) * side // grid_size) for side in analysis_grid)
    return np.asarray(rows[:, None] * columns, np.int64)


def _values(coverage: Float32[np.ndarray, " n"], pixels: Int64[np.ndarray, " n"]) -> list[str]:
    """Return `*` for a cell that is wholly covered, else its pixels where they give exactly this share, else this."""
    shares = [text if set(text) & set(".e") else f"{text}." for text in shortest_numbers(coverage)]
    inside = np.rint(coverage.astype(np.float64) * pixels).astype(np.int64)
    again = (inside / np.maximum(pixels, 1)).astype(np.float32)
    exact = (again.view(np.uint32) == coverage.view(np.uint32)) & (pixels > 0)
    columns = (coverage == 1).tolist(), exact.tolist(), inside.tolist(), shares
    return [
        FULL if full else str(count) if counted else share for full, counted, count, share in zip(*columns, strict=True)
    ]


def _runs(cells: Sequence[tuple[int, int, str]]) -> str:
    """Join cells into runs of one row; in each, the wholly covered cells are together, so that one `*` tells them."""
    runs: list[tuple[int, int, list[str]]] = []
    for row, col, value in cells:
        if runs:
            at, first, values = runs[-1]
            adjacent = at == row and first + len(values) == col
            if adjacent and (value != FULL or values[-1] == FULL or FULL not in values):
                values.append(value)
                continue
        runs.append((row, col, [value]))
    return " ".join(_run(*run) for run in runs)


def _run(row: int, first: int, values: Sequence[str]) -> str:
    columns = f"{first}-{first + len(values) - 1}" if len(values) > 1 else str(first)
    partly = [value for value in values if value != FULL]
    if not partly:
        return f"{row}:{columns}"
    if len(partly) == len(values):
        return f"{row}:{columns}={','.join(values)}"
    start = values.index(FULL)
    return f"{row}:{columns}={','.join(partly[:start])}{FULL}{','.join(partly[start:])}"
