"""A finished run in the formats of other tools: one module each, and the table of them.

What a format needs is imported where it is written; `fast-snow export OUT --to FORMAT` writes the files.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fast_snow.atomic_files import store
from fast_snow.errors import EngineError, OutputError
from fast_snow.formats import boxes, coco, graphml, meshes, spark, tables
from fast_snow.formats.source import ExportSource
from fast_snow.untrusted_files import shown
from fast_snow.viewing.rerun_recording import rrd

Files = Mapping[str, bytes]
"""The content of the files of an export by name; one file has the name ""."""

__all__ = ["FORMATS", "ExportSource", "Format", "export", "require_free"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of another tool.

    Attributes:
        content: what it holds, in a few words.
        suffix: of the file; empty where a folder is written.
        package: what writes it must be installed under this name; empty where nothing is needed.
        encode: makes the files of a run.
        extra: the package's extra of this project.
    """

    content: str
    suffix: str
    package: str
    encode: Callable[[ExportSource], Files]
    extra: str = "formats"


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "coco": Format(
            content="masks of every frame (RLE) with track ids", suffix=".json", package="pycocotools", encode=coco.coco
        ),
        "youtube-vis": Format(
            content="one annotation per track, masks over time", suffix=".json", package="pycocotools", encode=coco.vis
        ),
        "mot": Format(
            content="MOTChallenge boxes with world centroids", suffix=".txt", package="", encode=boxes.motchallenge
        ),
        "mots": Format(content="MOTS masks without overlaps", suffix=".txt", package="pycocotools", encode=coco.mots),
        "kitti": Format(content="KITTI tracking labels, 2D boxes", suffix=".txt", package="", encode=boxes.kitti),
        "spark-dsg": Format(
            content="a dynamic scene graph: objects and camera poses",
            suffix=".json",
            package="spark_dsg",
            encode=spark.scene_graph,
        ),
        "parquet": Format(
            content="tables of observations, camera, tracks, merges",
            suffix="",
            package="pyarrow",
            encode=tables.parquet,
        ),
        "csv": Format(content="the same tables as text", suffix="", package="pyarrow", encode=tables.csv),
        "glb": Format(
            content="3D scene: extents, trails, camera path (y up)", suffix=".glb", package="trimesh", encode=meshes.glb
        ),
        "ply": Format(
            content="extents as a mesh, trails and camera path as points",
            suffix=".ply",
            package="trimesh",
            encode=meshes.ply,
        ),
        "graphml": Format(
            content="objects as nodes, relations at --relations-at T as edges",
            suffix=".graphml",
            package="networkx",
            encode=graphml.graphml,
        ),
        "rerun": Format(
            content="everything on one timeline, for the Rerun viewer",
            suffix=".rrd",
            package="rerun",
            encode=lambda run: {"": rrd(run.graph, run.frames(), run.images(), run.record)},
            extra="view",
        ),
    }
)


def export(source: ExportSource, name: str, path: Path) -> tuple[Path, ...]:
    """Write a run in the format `name`; nothing that exists is written over.

    Args:
        source: the run.
        name: one of `FORMATS`.
        path: of the file, or of the folder where the format is a set of files.

    Returns:
        The files written.

    Raises:
        InputError: the run lacks what the format holds.
        EngineError: the format's package is not installed.
        OutputError: a file is in the way, or cannot be written.
    """
    chosen = FORMATS[name]
    require_free(path)
    try:
        files = chosen.encode(source)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != chosen.package:
            raise
        raise EngineError(
            f'export --to {name}: needs the package {chosen.package}: uv pip install -e ".[{chosen.extra}]"'
        ) from error
    if not chosen.suffix:
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"{shown(path)}: cannot be made ({error.strerror}); choose another with -o") from error
    written = {path / name if name else path: data for name, data in files.items()}
    for file, data in written.items():
        store(file, data)
    return tuple(written)


def require_free(path: Path) -> None:
    """Refuse a path that something has.

    Raises:
        OutputError: it does.
    """
    if os.path.lexists(path):
        raise OutputError(f"{shown(path)}: exists already, and is not written over; move it away or choose with -o")
