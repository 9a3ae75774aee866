"""The folder that a run leaves: graph, keyframes, masks and the record of the run.

Everything is written beside the folder's final place and renamed there at the end, so that a folder is complete or
absent, and an earlier run is replaced only by a finished one.
"""

import errno
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fast_snow import document
from fast_snow.errors import OutputError
from fast_snow.kernels.masks import concatenate
from fast_snow.keyframes import KeyframeImage
from fast_snow.output.layout import GRAPH, MASKS, RECORD
from fast_snow.types import LabelledMasks, SceneGraph


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Writes into a run folder that is not in place yet."""

    staging: Path

    def add(self, window: int, labelled: Iterable[LabelledMasks], keyframes: Iterable[KeyframeImage]) -> None:
        """Store what one window adds."""
        for each in keyframes:
            path = self.staging / each.path
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(each.jpeg)
        folder = self.staging / MASKS
        folder.mkdir(exist_ok=True)
        np.savez_compressed(folder / f"{window:06d}.npz", **_mask_arrays(list(labelled)))

    def finish(self, graph: SceneGraph, record: Mapping[str, Any]) -> None:
        """Store the graph and the record of the run."""
        (self.staging / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        document.write(graph, self.staging / GRAPH)


@contextmanager
def create(folder: Path, *, overwrite: bool = False) -> Iterator[RunWriter]:
    """Write a run folder: it appears when the block ends, and not at all where the block fails.

    Args:
        folder: where the run belongs; its parents are made.
        overwrite: whether a run that is already there may be replaced.

    Yields:
        The writer.

    Raises:
        OutputError: the place cannot be written, is full, or holds something that may not be replaced.
    """
    _check_free(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder with -o") from error
    try:
        yield RunWriter(staging)
        staging.chmod(0o755)  # mkdtemp's folder is the user's alone
        _put_in_place(staging, folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(f"{folder}: no space left; free some or choose another folder with -o") from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a folder; choose another with -o")
    if not any(folder.iterdir()):
        return
    if not (folder / GRAPH).is_file():
        raise OutputError(
            f"{folder}: holds files that are not a run's, which are never replaced; choose another with -o"
        )
    if not overwrite:
        raise OutputError(f"{folder}: already holds a run; replace it with --overwrite or choose another with -o")


def _put_in_place(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
        return
    replaced = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    folder.rename(replaced / "run")
    try:
        staging.rename(folder)
    except OSError:
        (replaced / "run").rename(folder)
        raise
    finally:
        shutil.rmtree(replaced, ignore_errors=True)


def _mask_arrays(labelled: list[LabelledMasks]) -> dict[str, Any]:
    """Return the masks of some frames as arrays: `t` and `object_id` per mask, and the runs of all masks."""
    shape = labelled[0].masks.shape if labelled else (0, 0)
    masks = concatenate([each.masks for each in labelled], shape)
    counts = [len(each.object_id) for each in labelled]
    return {
        "frame_t": np.array([each.t for each in labelled], dtype=np.int32),
        "t": np.repeat(np.array([each.t for each in labelled], dtype=np.int32), counts),
        "object_id": np.concatenate([np.zeros(0, np.int32), *(each.object_id for each in labelled)]),
        "start": masks.start,
        "stop": masks.stop,
        "offset": masks.offset,
        "shape": np.array(shape, dtype=np.int32),
    }
