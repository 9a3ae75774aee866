"""What happened in a clip, in time order: a sequence that grows without copies."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol, TypeVar, overload, runtime_checkable


@runtime_checkable
class Dated(Protocol):
    """Something that happened at some `t`."""

    @property
    def t(self) -> int:
        """Index in the clip."""


AnyDated = TypeVar("AnyDated", bound=Dated)


class Log(Sequence[AnyDated]):
    """An immutable sequence of what happened at some `t`, which shares its memory with what it grows into."""

    __slots__ = ("_entries", "_latest", "_length")

    def __init__(self, entries: Iterable[AnyDated] = ()) -> None:
        self._entries: list[AnyDated] = []
        self._latest: list[int] = []
        self._length = 0
        self._append(entries)

    def grown_by(self, entries: Iterable[AnyDated]) -> "Log[AnyDated]":
        """Return a sequence with more entries at its end; this one stays as it is."""
        if len(self._entries) > self._length:  # it has grown into another already
            return Log(chain(self, entries))
        longer: Log[AnyDated] = Log()
        longer._entries, longer._latest = self._entries, self._latest
        longer._append(entries)
        return longer

    def since(self, t: int) -> tuple[AnyDated, ...]:
        """Return the entries from the first at or after `t` on."""
        return tuple(self._entries[bisect_left(self._latest, t, hi=self._length) : self._length])

    @overload
    def __getitem__(self, index: int) -> AnyDated: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[AnyDated, ...]: ...
    def __getitem__(self, index: int | slice) -> AnyDated | tuple[AnyDated, ...]:
        """Return one entry, or several as a tuple."""
        if isinstance(index, slice):
            return tuple(self._entries[i] for i in range(self._length)[index])
        return self._entries[range(self._length)[index]]

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Log | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def _append(self, entries: Iterable[AnyDated]) -> None:
        for each in entries:
            self._entries.append(each)
            self._latest.append(max(each.t, self._latest[-1] if self._latest else 0))
        self._length = len(self._entries)
