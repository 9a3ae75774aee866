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


@dataclass(frozen=True, slots=True)
class Format:
    """A format of another tool; without a suffix it is a folder, without a package nothing must be installed."""

    content: str
    suffix: str
    package: str
    encode: Callable[[ExportSource], Files]
    extra: str = "formats"


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "coco": Format("masks of every frame (RLE) with track ids", ".json", "pycocotools", coco.coco),
        "youtube-vis": Format("one annotation per track, masks over time", ".json", "pycocotools", coco.vis),
        "mot": Format("MOTChallenge boxes with world centroids", ".txt", "", boxes.motchallenge),
        "mots": Format("MOTS masks without overlaps", ".txt", "pycocotools", coco.mots),
        "kitti": Format("KITTI tracking labels, 2D boxes", ".txt", "", boxes.kitti),
        "spark-dsg": Format("a dynamic scene graph: objects and camera poses", ".json", "spark_dsg", spark.scene_graph),
        "parquet": Format("tables of observations, camera, tracks, merges", "", "pyarrow", tables.parquet),
        "csv": Format("the same tables as text", "", "pyarrow", tables.csv),
        "glb": Format("3D scene: extents, trails, camera path (y up)", ".glb", "trimesh", meshes.glb),
        "ply": Format("extents as a mesh, trails and camera path as points", ".ply", "trimesh", meshes.ply),
        "graphml": Format(
            "objects as nodes, relations at --relations-at T as edges", ".graphml", "networkx", graphml.graphml
        ),
        "rerun": Format(
            "everything on one timeline, for the Rerun viewer",
            ".rrd",
            "rerun",
            lambda run: {"": rrd(run.shown())},
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
    """Refuse a path that something has; raises OutputError where it does."""
    if os.path.lexists(path):
        raise OutputError(f"{shown(path)}: exists already, and is not written over; move it away or choose with -o")
