"""What a dead run had folded: stored after every window, each time what was added alone, and read again.

`state.npz` names all else and is stored last, so that it is complete or that of the window before.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fast_snow import packed_values
from fast_snow.errors import InputError
from fast_snow.graph import FoldState
from fast_snow.types import SceneGraph, StageSeconds, Track
from fast_snow.types.values import Columns

_STATE: Final = "state.npz"
_PARTS: Final = "graph"
_GROWING: Final = ("ego", "keyframes", "merges")
_GROWING_OF_TRACK: Final = ("observations", "unplaced")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """A file of the run, by its name within the run folder."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A run after some of its windows.

    Attributes:
        key: of the run (`RunKey.fold`).
        windows: how many are folded.
        seconds: that the stages took.
        warnings: that were given.
        files: that were written.
        parts: digests of the parts of the graph, by the number of the window after which each was stored.
        state: of the fold; without rows of the graph in the file.
    """

    key: str
    windows: int
    seconds: StageSeconds
    warnings: tuple[str, ...]
    files: tuple[WrittenFile, ...]
    parts: Mapping[int, str]
    state: FoldState


def store(folder: Path, checkpoint: Checkpoint, before: Checkpoint | None) -> Checkpoint:
    """Store a checkpoint in place of the one before.

    Args:
        folder: where checkpoints of the run lie.
        checkpoint: without `parts`.
        before: the one that is stored.

    Returns:
        The checkpoint with `parts`.

    Raises:
        OutputError: the disk is full, or the folder may not be written.
    """
    after, known = checkpoint.state.graph, before.state.graph if before is not None else None
    appended = known is not None and _only_grew(known, after)
    part = _added(known if appended else None, after)
    (folder / _PARTS).mkdir(parents=True, exist_ok=True)
    sha256 = packed_values.write(_part(folder, checkpoint.windows), part)
    parts = {**(before.parts if before is not None and appended else {}), checkpoint.windows: sha256}
    checkpoint = replace(checkpoint, parts=MappingProxyType(parts))
    state = replace(checkpoint.state, graph=_without_rows(after), labelled=())
    packed_values.write(folder / _STATE, replace(checkpoint, state=state), compressed=False)
    for number in set() if before is None else before.parts.keys() - parts.keys():
        with suppress(OSError):
            _part(folder, number).unlink()
    return checkpoint


def load(folder: Path, key: str) -> Checkpoint | None:
    """Read the checkpoint of a dead run.

    Args:
        folder: where its checkpoints lie, which may come from a stranger.
        key: of the run that would go on.

    Returns:
        The checkpoint; None where there is none, or that of another run.

    Raises:
        InputError: it is damaged.
    """
    if not (folder / _STATE).exists():
        return None
    checkpoint = packed_values.read(folder / _STATE, Checkpoint, within=folder)
    if checkpoint.key != key:
        return None
    parts = [
        packed_values.read(_part(folder, number), SceneGraph, within=folder, sha256=sha256)
        for number, sha256 in checkpoint.parts.items()
    ]
    if not parts:
        raise InputError(f"{folder}: a checkpoint without graph")
    _require_one_grid(checkpoint.state)
    return replace(checkpoint, state=replace(checkpoint.state, graph=_joined(parts)))


def _part(folder: Path, number: int) -> Path:
    return folder / _PARTS / f"{number:06d}.npz"


def _only_grew(before: SceneGraph, after: SceneGraph) -> bool:
    """Tell whether a graph has but more rows than before: where objects were joined, old ones changed."""
    return all(track_id in after.tracks for track_id in before.tracks) and all(
        _begins_with(getattr(after.tracks[track_id], name), getattr(track, name))
        for track_id, track in before.tracks.items()
        for name in _GROWING_OF_TRACK
    )


def _begins_with(rows: Any, first: Any) -> bool:  # noqa: ANN401 (rows: a tuple or columns)
    count = len(first)
    return len(rows) >= count and (count == 0 or _t(rows, count - 1) == _t(first, count - 1))


def _t(rows: Any, i: int) -> int:  # noqa: ANN401
    t = getattr(rows, "t", None)  # of columns
    return int(rows[i].t if t is None else t[i])


def _added(before: SceneGraph | None, after: SceneGraph) -> SceneGraph:
    """Return the rows that a graph has beyond an earlier one; tracks without more are left out."""
    rows = {name: getattr(after, name)[0 if before is None else len(getattr(before, name)) :] for name in _GROWING}
    tracks = {}
    for track_id, track in after.tracks.items():
        known = None if before is None else before.tracks.get(track_id)
        counts = [0 if known is None else len(getattr(known, name)) for name in _GROWING_OF_TRACK]
        if known is None or any(len(getattr(track, n)) > k for n, k in zip(_GROWING_OF_TRACK, counts, strict=True)):
            more = {n: getattr(track, n)[k:] for n, k in zip(_GROWING_OF_TRACK, counts, strict=True)}
            tracks[track_id] = replace(track, **more)
    return replace(after, tracks=MappingProxyType(tracks), **rows)


def _without_rows(graph: SceneGraph) -> SceneGraph:
    return replace(_added(graph, graph), tracks=MappingProxyType({}))


def _joined(parts: Sequence[SceneGraph]) -> SceneGraph:
    """Return one graph of all rows; what is no rows is that of the last part."""
    by_id: dict[int, list[Track]] = {}
    for part in parts:
        for track_id, track in part.tracks.items():
            by_id.setdefault(track_id, []).append(track)
    tracks = {
        track_id: replace(of_one[-1], **{n: _rows([getattr(each, n) for each in of_one]) for n in _GROWING_OF_TRACK})
        for track_id, of_one in by_id.items()
    }
    rows = {name: _rows([getattr(part, name) for part in parts]) for name in _GROWING}
    return replace(parts[-1], tracks=MappingProxyType(tracks), **rows)


def _rows(parts: Sequence[Any]) -> Any:  # noqa: ANN401
    first = parts[0]
    return first.followed_by(*parts[1:]) if isinstance(first, Columns) else tuple(chain.from_iterable(parts))


def _require_one_grid(state: FoldState) -> None:
    """Refuse masks that are not on the grid of the depth: kernels trust it."""
    grid = state.graph.analysis_grid
    if any(shape != grid for shape in _grids(state)):
        raise InputError("a checkpoint of several grids")


def _grids(state: FoldState) -> Iterator[tuple[int, int]]:
    if len(state.identity.last_seen):
        yield state.identity.last_seen.masks.shape
    if state.tail is not None:
        yield state.tail.geometry.grid
        yield from (frame.objects.masks.shape for frame in state.tail.frames)
