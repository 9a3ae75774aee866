"""The HTML page of a run: one self-contained file, rendered from the templates in `page/`."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jinja2
import numpy as np
from jaxtyping import Shaped, UInt8

from fast_snow import untrusted_files
from fast_snow.atomic_files import store
from fast_snow.errors import OutputError
from fast_snow.keyframes import DEPTH_ONE, DEPTH_STEPS
from fast_snow.types import GridShape, LabelledMasks, SceneGraph
from fast_snow.viewing.page_pictures import (
    MAX_FRAMES,
    MAX_SIDE,
    Thumbnail,
    depth_pictures,
    outline_shapes,
    thumbnails,
)
from fast_snow.viewing.page_scene import scene_data
from fast_snow.viewing.page_text import (
    COLUMNS,
    flat_numbers,
    headline,
    run_facts,
    run_warnings,
    stage_times,
    table_rows,
)
from fast_snow.viewing.palette import PALETTE, color_of, ink_on

_SEAL: Final = b"<!-- fast-snow view, SHA-256 of the page above: "
GRAIN: Final = 2
"""Outlines are drawn to this part of a picture's pixel."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("fast_snow.viewing", "page"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}

FrameImages = Iterable[tuple[int, UInt8[np.ndarray, "height width 3"]]]
DepthImages = Iterable[tuple[int, Shaped[np.ndarray, "_ _"]]]


def require_writable(path: Path) -> None:
    """Refuse a path at which there is something else than a page as `write` wrote it.

    Raises:
        OutputError: there is.
    """
    if not os.path.lexists(path):
        return
    page, _, seal = path.read_bytes().rpartition(_SEAL) if path.is_file() and not path.is_symlink() else (b"", b"", b"")
    if not page or seal != _seal(page):
        raise OutputError(
            f"{untrusted_files.shown(path)}: not an unmodified page written by view, so not overwritten; move it away"
            " or choose another file with --page"
        )


def write_page(path: Path, text: str) -> None:
    """Write what `render_run_page` returned to a file, which is complete or absent at any time.

    A page that was written before is replaced while nobody changed it; nothing else is.

    Raises:
        OutputError: the folder is missing, full or not writable, or holds something else under that name.
    """
    page = text.encode()
    require_writable(path)
    store(path, page + _SEAL + _seal(page))


def _seal(page: bytes) -> bytes:
    return f"{hashlib.sha256(page).hexdigest()} -->\n".encode()


def render_run_page(
    graph: SceneGraph,
    masks: Iterable[LabelledMasks],
    images: FrameImages,
    run: Mapping[str, Any],
    images_of: str = "",
    moves: Mapping[int, tuple[str, str, float, float]] = MappingProxyType({}),
    depths: DepthImages = (),
) -> str:
    """Return the page of a run: frames with outlined objects, depth, the scene in 3D, a timeline and a table of tracks.

    Args:
        graph: the scene graph.
        masks: the objects of each frame; read once.
        images: `(t, RGB image)` of some or all frames; read once. Without any, outlines stand on an empty ground.
        run: the record of the run (`run.json`); what it lacks is left out.
        images_of: what the page says of the images' origin.
        moves: how far and how fast objects move, by their numbers: as text and as numbers.
        depths: `(t, values)` of depth images as `keyframes.encode_depth` writes them; read once.

    Returns:
        HTML that needs nothing else; at most `MAX_FRAMES` frames, evenly thinned.
    """
    known = set(graph.ego.t.tolist())
    shots = [picture for picture in thumbnails(images) if picture.t in known]
    shown = [picture.t for picture in shots] or _thinned(graph.ego.t.tolist())
    height, width = shots[0].size if shots else _empty_size(graph.analysis_grid)
    view = (GRAIN * height, GRAIN * width)
    data = {
        "view": view,
        "frames": _frames(graph, shown, shots, outline_shapes(graph, masks, shown, view)),
        "scene": scene_data(graph, shown),
        "depth": {
            "images": depth_pictures(depths, {t: i for i, t in enumerate(shown)}),
            "one": DEPTH_ONE,
            "steps": DEPTH_STEPS,
            "unit": graph.scale.metres_per_unit if graph.scale is not None else 1,
        },
        "palette": [{"fill": color, "ink": ink_on(i)} for i, color in enumerate(PALETTE)],
        "unit": "m" if graph.metric else "u",
    }
    return _TEMPLATES.get_template("page.html").render(
        title=headline(run),
        facts=run_facts(graph, run, len(shown), images_of),
        warnings=run_warnings(run),
        columns=COLUMNS,
        rows=table_rows(graph, moves),
        stages=stage_times(run),
        details=(("Settings", flat_numbers(run, "config")), ("Counts", flat_numbers(run, "health"))),
        dashed=any(track.unplaced for track in graph.tracks.values()),
        color_of=color_of,
        ink_on=ink_on,
        data=data,
    )


def _frames(
    graph: SceneGraph, shown: list[int], shots: list[Thumbnail], shapes: list[list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    time_s = dict(zip(graph.ego.t.tolist(), graph.ego.time_s.tolist(), strict=True))
    image = {picture.t: picture.data_uri() for picture in shots}
    return [
        {"t": t, "time": time_s[t] if np.isfinite(time_s[t]) else None, "image": image.get(t), "shapes": outlines}
        for t, outlines in zip(shown, shapes, strict=True)
    ]


def _thinned(t: list[int]) -> list[int]:
    return t[:: -(-len(t) // MAX_FRAMES) or 1]


def _empty_size(grid: GridShape) -> GridShape:
    """Return the size of a frame without picture: the shape of the analysis grid."""
    height, width = grid if min(grid) > 0 else (3, 4)
    scale = MAX_SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
