"""One object in many frames: columns in place of an object per frame, which makes its STEP tokens when asked for one.

An hour of 50 objects has millions of observations. As columns they take a tenth of the memory, and grow without copies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, index
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, overload

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from fast_snow.types.tokens import ImageRegion, Sighting, StepToken
from fast_snow.types.values import Columns, Ragged, Rows, counted, offsets

AnyToken = TypeVar("AnyToken", bound=Sighting)
AnyPath = TypeVar("AnyPath", bound="_InTime[Any]")

_REGION: Final = {
    "area": "area",
    "box": "box",
    "uv": "centroid",
    "moments": "covariance",
    "rotation": "rotation",
    "growth": "growth",
}
"""What columns of the image are called in an `ImageRegion`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Cells(Ragged):
    """Cells of the grid that an object covers in each of `n` frames: tau of its STEP tokens.

    Attributes:
        offset: the cells of frame `i` are `offset[i]:offset[i + 1]`.
        row: rows of the cells.
        col: their columns.
        coverage: share of each cell's pixels inside the mask, in [0, 1].
    """

    offset: Int32[np.ndarray, " n_plus_1"]
    row: UInt8[np.ndarray, " cells"]
    col: UInt8[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]

    @classmethod
    def of(cls, tokens: Sequence[Sighting]) -> "Cells":
        """Gather the cells of tokens."""
        return cls(
            offset=offsets(np.array([len(each.row) for each in tokens], np.int64)),
            row=np.concatenate([np.zeros(0, np.uint8), *(each.row for each in tokens)]),
            col=np.concatenate([np.zeros(0, np.uint8), *(each.col for each in tokens)]),
            coverage=np.concatenate([np.zeros(0, np.float32), *(each.coverage for each in tokens)]),
        )

    def _summary(self) -> str:
        return counted(len(self.row), "cell")


if TYPE_CHECKING:
    _Tokens = Sequence
else:

    class _Tokens(Sequence):
        """A sequence whose entries are not checked at run time: each check would make one."""

        __slots__ = ()
        __class_getitem__ = classmethod(lambda cls, _: cls)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class _InTime(Columns, _Tokens[AnyToken]):
    """Columns of one object, a row per frame in time order, that are a sequence of values made on demand."""

    token: ClassVar[type[Sighting]] = Sighting
    t: Int32[np.ndarray, " n"]
    cells: Cells
    score: Float64[np.ndarray, " n"]
    area: Int32[np.ndarray, " n"]
    box: Int32[np.ndarray, "n 4"]
    uv: Float32[np.ndarray, "n 2"]
    moments: Float32[np.ndarray, "n 3"]
    rotation: Float32[np.ndarray, "n 3"]
    growth: Float32[np.ndarray, "n 2"]

    @classmethod
    def of(cls: type[AnyPath], tokens: Sequence[AnyToken]) -> AnyPath:
        """Gather the columns of values in time order."""
        columns: dict[str, Any] = {"cells": Cells.of(tokens)}
        for name, none in cls.none()._columns().items():
            if name not in columns:
                value = attrgetter(f"region.{_REGION[name]}" if name in _REGION else name)
                columns[name] = np.array([value(each) for each in tokens], none.dtype).reshape(-1, *none.shape[1:])
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.t)

    @overload
    def __getitem__(self, rows: int) -> AnyToken: ...
    @overload
    def __getitem__(self: AnyPath, rows: Rows) -> AnyPath: ...
    def __getitem__(self, rows: Any) -> Any:
        """Return one value for a number, or the columns of several frames."""
        if isinstance(rows, slice | np.ndarray):
            return Columns.__getitem__(self, rows)
        i = index(rows)
        if not -len(self) <= i < len(self):
            raise IndexError(f"observations: got index {i}, expected one of {len(self)}")
        return self._at(i % len(self))

    def __iter__(self) -> Iterator[AnyToken]:
        return map(self._at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence holds the same: the same columns, or as a tuple of tokens none either."""
        if isinstance(other, tuple):
            return not len(self) and not len(other)
        return type(other) is type(self) and _same(self, other)

    def __hash__(self) -> int:
        return hash(self.t.tobytes())

    def between(self: AnyPath, first: int, last: int) -> AnyPath:
        """Return the part from frame `first` to frame `last`, both included."""
        begin, end = np.searchsorted(self.t, (first, last + 1))
        return self[int(begin) : int(end)]

    def _at(self, i: int) -> Any:  # noqa: ANN401 (checked at run time as a sequence, by an entry of it)
        values = {name: column[i] for name, column in self._columns().items() if name != "cells"}
        values = {name: value if value.ndim else value.item() for name, value in values.items()}
        cells = slice(*self.cells.offset[i : i + 2].tolist())
        return self.token(
            row=self.cells.row[cells],
            col=self.cells.col[cells],
            coverage=self.cells.coverage[cells],
            region=ImageRegion(**{inner: values.pop(name) for name, inner in _REGION.items()}),
            **values,
        )

    def _summary(self) -> str:
        return counted(len(self), "frame") + (f", t {self.t[0]}-{self.t[-1]}" if len(self) else "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Sightings(_InTime[Sighting]):
    """Where one object was seen in the image alone, by columns of `Sighting`.

    Attributes:
        t: indices in the clip, ascending.
        cells: tau.
        score: the tracker's confidence in [0, 1]; NaN where not known.
        area: of the whole mask in pixels; -1 where not known.
        box: x0, y0, x1, y1 in pixels, half-open; -1 where not known.
        uv: mean u and v of the mask's pixels; NaN where not known.
        moments: their second central moments uu, uv, vv; NaN where not known.
        rotation: how far their texture turned since the frame before, as in `ImageRegion`; NaN where not known.
        growth: by how much it grew, likewise.
    """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Observations(_InTime[StepToken]):
    """The STEP tokens of one object by columns of `StepToken`; those of the image are as in `Sightings`.

    Attributes:
        centroid: mean of the object's measured points in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.
        num_points: how many pixels with usable depth were measured; -1 where not known.
        centroid_sigma: standard deviation of the centroid across the line of sight and along it; NaN where not known.
    """

    token: ClassVar[type[Sighting]] = StepToken
    centroid: Float32[np.ndarray, "n 3"]
    sigma: Float32[np.ndarray, "n 3"]
    low: Float32[np.ndarray, "n 3"]
    high: Float32[np.ndarray, "n 3"]
    num_points: Int32[np.ndarray, " n"]
    centroid_sigma: Float32[np.ndarray, "n 2"]


def _same(one: Columns, other: Columns) -> bool:
    pairs = ((column, getattr(other, name)) for name, column in one._columns().items())
    return all(
        _same(a, b) if isinstance(a, Columns) else a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs
    )
