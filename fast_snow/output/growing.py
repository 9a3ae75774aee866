"""The graph of a run as it is now: of one that still grows, what it last published in its workspace.

Readers take no lock, recover nothing and write nothing: they may stand on a stranger's folder or a read-only disk.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.output.graph_json import read_graph
from fast_snow.output.record import GRAPH
from fast_snow.output.workspace import Workspace
from fast_snow.types import SceneGraph
from fast_snow.untrusted_files import shown

GROWING: Final = "growing.json"
"""In the folder where a new run grows: the view of its last frames. It is no part of the finished run."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A graph and where its files are.

    Attributes:
        graph: of a finished run, or the last frames of one that grows.
        folder: where its keyframes and masks are.
        growing: whether more is to come.
    """

    graph: SceneGraph
    folder: Path
    growing: bool = False

    def __str__(self) -> str:
        last = f", up to t = {self.graph.ego.t[-1]}" if self.graph.num_frames else ""
        return f"the run is still growing; this is from its last {self.graph.num_frames} frames{last}"


class Newest:
    """Reads the newest graph of a run folder, again only where it has changed."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._key: tuple[int, str] | None = None
        self._known: Snapshot | None = None

    def __call__(self) -> Snapshot:
        """Return the newest graph; the one before, while the run is just taking its place.

        Raises:
            InputError: there is none, or none that is valid and nothing was read before.
        """
        found = []
        for path in (self._out / GRAPH, Workspace(self._out).new / GROWING):
            with suppress(OSError):
                found.append((path.lstat().st_mtime_ns, str(path)))
        if not found and self._known is None and Workspace(self._out).new.is_dir():
            raise InputError(
                f"{shown(self._out)}: a run is at work in it, nothing is shown before a live run's first window"
            )
        newest = max(found, default=(0, str(self._out / GRAPH)))
        if self._known is None or newest != self._key:
            path = Path(newest[1])
            try:
                graph = read_graph(path, within=self._out)
            except InputError:
                if self._known is None:
                    raise
                return self._known
            self._key, self._known = newest, Snapshot(graph=graph, folder=path.parent, growing=path.name == GROWING)
        return self._known
