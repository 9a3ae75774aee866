"""What all values that cross a module border share: read-only arrays, one line when printed, rows that are picked.

Conventions: `t` indexes the frames of a clip; `T_a_b` maps homogeneous coordinates of frame `b` to frame `a`; camera
axes are X right, Y down, Z forward; the world is the camera of the clip's first frame; pixel centres are integers;
boxes are `(x0, y0, x1, y1)` in pixels of the analysis grid, half-open (`x1` is one past the last column). Arrays are
read-only and C-contiguous, so that Numba compiles each kernel once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from enum import Enum
from functools import cache
from threading import Lock
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, UInt8

GridShape = tuple[int, int]
"""Height and width of a pixel grid."""

ImageStack = UInt8[np.ndarray, "n height width 3"]
DenseMasks = Bool[np.ndarray, "m h w"]
Transform = Float64[np.ndarray, "4 4"]

Rows = slice | Int[np.ndarray, " k"] | Bool[np.ndarray, " n"]
"""Which rows of a set: a slice, indices (repeats allowed), or whether to keep each."""

Unknown = Mapping[str, Callable[[Any], Any]]
"""By the name of a column, what makes it of a set in which nothing is known of it."""

NO_SOURCE = -1
"""Stands where an identity is not recorded in the input."""

AnyArray = TypeVar("AnyArray", bound=np.ndarray)
AnyColumns = TypeVar("AnyColumns", bound="Columns")
AnyRagged = TypeVar("AnyRagged", bound="Ragged")

_LONG = 3
"""Tuples of more members are printed as their number."""


def readonly(array: AnyArray) -> AnyArray:
    """Return a read-only, C-contiguous view of `array`, itself if it is both (a copy where it is not contiguous)."""
    flags = array.flags
    if flags.c_contiguous and not flags.writeable:
        return array
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view  # type: ignore[return-value]


def _names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 (a dataclass)
    return tuple(each.name for each in fields(kind))


def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    hints = get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}


_field_names: Callable[[Any], tuple[str, ...]] = cache(_names)
hints_of: Callable[[Any], dict[str, Any]] = cache(_hints)
"""Returns the types of the fields of a dataclass, by name and in order."""


class ReadOnlyArrays:
    """A frozen dataclass that sets its arrays read-only where it is built, and prints in one line."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for name in _field_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, readonly(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._summary()})"

    def _summary(self) -> str:
        """Return what stands between the brackets when the value is printed: counts, shapes, units and spans."""
        return ", ".join(f"{name}={_short(getattr(self, name))}" for name in _field_names(type(self)))


class Columns(ReadOnlyArrays):
    """Columns of equal length, one row per member: it has a length, and an index picks rows as in NumPy.

    Fields that are arrays or sets of columns are the columns; any other field belongs to the set and is kept.
    """

    __slots__ = ("_room",)
    unknown: ClassVar[Unknown] = {}
    """Of columns that may be left out (None)."""

    def __post_init__(self) -> None:
        for name, column_of in self.unknown.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, column_of(self))
        ReadOnlyArrays.__post_init__(self)

    @classmethod
    def none(cls: type[AnyColumns], **rest: Any) -> AnyColumns:  # noqa: ANN401 (what is no column)
        """Return the set of no rows, with columns as they are annotated; dimensions that have a name alone are 0."""
        columns: dict[str, Any] = {}
        for name, hint in hints_of(cls).items():
            if name in rest:
                continue
            if hasattr(hint, "dtypes"):
                row = (int(each) if each.isdecimal() else 0 for each in hint.dim_str.split()[1:])
                columns[name] = np.zeros((0, *row), hint.dtypes[0])
            elif isinstance(hint, type) and issubclass(hint, Columns):
                columns[name] = hint.none()
        return cls(**columns | rest)

    def extended(self, kind: type[AnyColumns], **more: Any) -> AnyColumns:  # noqa: ANN401 (of any type)
        """Return the set of another kind that has these columns and more."""
        return kind(**self._columns(), **more)

    def __len__(self) -> int:
        return len(next(iter(self._columns().values())))

    def __getitem__(self: AnyColumns, rows: Rows) -> AnyColumns:
        """Return the set of the rows picked, in the order asked for."""
        return replace(self, **{name: column[rows] for name, column in self._columns().items()})  # type: ignore[type-var]

    def followed_by(self: AnyColumns, *others: AnyColumns) -> AnyColumns:
        """Return one set of the rows of this and of the others, in order; what is no column is this one's."""
        columns = {}
        for name, column in self._columns().items():
            rest = self._rest(name, others)
            columns[name] = (
                np.concatenate([column, *rest]) if isinstance(column, np.ndarray) else column.followed_by(*rest)
            )
        return replace(self, **columns)  # type: ignore[type-var]

    def grown_by(self: AnyColumns, other: AnyColumns) -> AnyColumns:
        """Return what `followed_by` does, without copying this set again and again where it grows step by step.

        The rows are written into room behind those of this set, which it does not see: it stays as it is.
        """
        room: Mapping[str, _Room] = getattr(self, "_room", {})
        grown: dict[str, _Room] = {}
        columns = {}
        for name, column in self._columns().items():
            (more,) = self._rest(name, (other,))
            if isinstance(column, np.ndarray):
                grown[name], columns[name] = _extended(room.get(name), column, more)
            else:
                columns[name] = column.grown_by(more)
        longer = replace(self, **columns)  # type: ignore[type-var]
        object.__setattr__(longer, "_room", grown)
        return longer

    def _columns(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in _field_names(type(self))}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray | Columns)}

    def _rest(self, name: str, others: Sequence[Any]) -> list[Any]:
        """Return what of a column of others goes behind that of this set."""
        return [getattr(each, name) for each in others]


class Ragged(Columns):
    """A set whose members have any number of rows each (CSR): those of member `i` are `offset[i]:offset[i + 1]`."""

    __slots__ = ()
    offset: Int32[np.ndarray, " m_plus_1"]

    @classmethod
    def none(cls: type[AnyRagged], **rest: Any) -> AnyRagged:  # noqa: ANN401 (what is no column)
        """Return the set of no members."""
        return super().none(offset=np.zeros(1, np.int32), **rest)

    def __len__(self) -> int:
        return len(self.offset) - 1

    def __getitem__(self: AnyRagged, rows: Rows) -> AnyRagged:
        """Return the set of the members picked, in the order asked for."""
        picked = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.arange(len(self))[rows]
        begin = self.offset[picked]
        lengths = self.offset[picked + 1] - begin
        offset = offsets(lengths)
        row = np.arange(offset[-1]) + np.repeat(begin - offset[:-1], lengths)
        columns = {name: column[row] for name, column in self._columns().items() if name != "offset"}
        return replace(self, offset=offset, **columns)  # type: ignore[type-var]

    def _rest(self, name: str, others: Sequence[Any]) -> list[Any]:
        if name != "offset":
            return Columns._rest(self, name, others)
        begins = np.cumsum([each.offset[-1] for each in (self, *others)])
        return [each.offset[1:] + np.int32(begin) for each, begin in zip(others, begins, strict=False)]


def offsets(lengths: Int[np.ndarray, " m"] | Bool[np.ndarray, " m"]) -> Int32[np.ndarray, " m_plus_1"]:
    """Return where the rows of each member of a ragged set begin, from how many each has."""
    offset = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offset[1:])
    return offset


class _Room:
    """An array with room behind its rows; of the sets that share it, each sees the rows that were there for it."""

    __slots__ = ("array", "used")

    def __init__(self, array: np.ndarray, used: int) -> None:
        self.array, self.used = array, used


_EXTENDING = Lock()


def _extended(room: _Room | None, seen: np.ndarray, more: np.ndarray) -> tuple[_Room, np.ndarray]:
    """Return the room and the array of `seen` and `more`, copying `seen` only where no room is left behind it."""
    total = len(seen) + len(more)
    with _EXTENDING:
        if room is None or room.used != len(seen) or total > len(room.array):
            room = _Room(np.empty((2 * total, *seen.shape[1:]), seen.dtype), total)
            room.array[: len(seen)] = seen
        room.used = total
        room.array[len(seen) : total] = more
    return room, room.array[:total]


def span(t: Int[np.ndarray, " n"], time_s: Float64[np.ndarray, " n"]) -> str:
    """Return first and last frame and time, as values print them."""
    return f"t {t[0]}-{t[-1]}, {time_s[0]:.2f}-{time_s[-1]:.2f} s" if len(t) else "no time"


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _short(value: object) -> str:
    """Return a value in a few words."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]" if value.size > 4 else str(value.tolist())
    if isinstance(value, tuple | list | Mapping) and len(value) > _LONG:
        first = next(iter(value.values() if isinstance(value, Mapping) else value))
        return f"<{len(value):,} x {type(first).__name__}>"
    return value.name if isinstance(value, Enum) else repr(value)
