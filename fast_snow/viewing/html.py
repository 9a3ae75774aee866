"""The page that shows a run: one file without scripts, styles or pictures from elsewhere."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from fast_snow import untrusted_files
from fast_snow.atomic_files import store
from fast_snow.errors import OutputError
from fast_snow.types import GridShape, LabelledMasks, SceneGraph
from fast_snow.viewing.palette import PALETTE, ink_on
from fast_snow.viewing.text import facts, headline, table
from fast_snow.viewing.thumbnails import MAX_FRAMES, MAX_SIDE, Picture, outline_shapes, pictures
from fast_snow.viewing.top_view import plan

_SEAL: Final = b"<!-- fast-snow view, SHA-256 of the page above: "
GRAIN: Final = 2
"""Outlines are drawn to this part of a picture's pixel."""

Images = Iterable[tuple[int, UInt8[np.ndarray, "height width 3"]]]


def require_writable(path: Path) -> None:
    """Refuse a path at which there is something else than a page as `write` wrote it.

    Raises:
        OutputError: as said.
    """
    if not os.path.lexists(path):
        return
    page, _, seal = path.read_bytes().rpartition(_SEAL) if path.is_file() and not path.is_symlink() else (b"", b"", b"")
    if not page or seal != _seal(page):
        raise OutputError(
            f"{untrusted_files.shown(path)}: is not a page that view wrote, or was changed since, and stays; move it"
            " away or name another file with --page"
        )


def write(
    path: Path,
    graph: SceneGraph,
    masks: Iterable[LabelledMasks],
    images: Images,
    run: Mapping[str, Any],
    pictures_of: str = "",
) -> None:
    """Write the page of a run to a file, which is complete or absent at any time.

    A page that was written before is replaced while nobody changed it; nothing else is.

    Args:
        path: the page.
        graph: as `render`.
        masks: as `render`.
        images: as `render`.
        run: as `render`.
        pictures_of: as `render`.

    Raises:
        OutputError: the folder is missing, full or not writable, or holds something else under that name.
    """
    page = render(graph, masks, images, run, pictures_of).encode()
    require_writable(path)
    store(path, page + _SEAL + _seal(page))


def _seal(page: bytes) -> bytes:
    return f"{hashlib.sha256(page).hexdigest()} -->\n".encode()


def render(
    graph: SceneGraph,
    masks: Iterable[LabelledMasks],
    images: Images,
    run: Mapping[str, Any],
    pictures_of: str = "",
) -> str:
    """Return the page of a run: its frames with outlined objects, the scene from above, and a table of its tracks.

    Args:
        graph: the scene graph.
        masks: the objects of each frame; read once.
        images: `(t, RGB image)` of some or all frames; read once. Without any, outlines stand on an empty ground.
        run: the record of the run (`run.json`); what it lacks is left out.
        pictures_of: what the page says of the images' origin.

    Returns:
        HTML that needs nothing else; at most `MAX_FRAMES` frames, evenly thinned.
    """
    known = set(graph.ego.t.tolist())
    shots = [picture for picture in pictures(images) if picture.t in known]
    shown = [picture.t for picture in shots] or _thinned(graph.ego.t.tolist())
    height, width = shots[0].size if shots else _empty_size(graph.analysis_grid)
    view = (GRAIN * height, GRAIN * width)
    data = {
        "view": view,
        "frames": _frames(graph, shown, shots, outline_shapes(masks, shown, view)),
        "plan": plan(graph, shown),
        "palette": [{"fill": color, "ink": ink_on(i)} for i, color in enumerate(PALETTE)],
        "unit": "m" if graph.metric else "u",
    }
    return _fill(
        _part("page.html"),
        {
            "TITLE": escape(headline(run)),
            "STYLE": _part("page.css"),
            "FACTS": facts(graph, run, len(shown), pictures_of),
            "TABLE": table(graph),
            "DATA": _embedded(data),
            "SCRIPT": _part("page.js"),
        },
    )


def _frames(
    graph: SceneGraph, shown: list[int], shots: list[Picture], shapes: list[list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    time_s = dict(zip(graph.ego.t.tolist(), graph.ego.time_s.tolist(), strict=True))
    image = {picture.t: picture.data_uri() for picture in shots}
    return [
        {"t": t, "time": time_s[t] if np.isfinite(time_s[t]) else None, "image": image.get(t), "shapes": there}
        for t, there in zip(shown, shapes, strict=True)
    ]


def _thinned(t: list[int]) -> list[int]:
    return t[:: -(-len(t) // MAX_FRAMES) or 1]


def _empty_size(grid: GridShape) -> GridShape:
    """Return the size of a frame without picture: the shape of the analysis grid."""
    height, width = grid if min(grid) > 0 else (3, 4)
    scale = MAX_SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _part(name: str) -> str:
    return resources.files("fast_snow.viewing").joinpath("page", name).read_text(encoding="utf-8")


def _fill(template: str, parts: Mapping[str, str]) -> str:
    """Put the parts in place of their marks, in one pass: a mark inside a part is left alone."""
    return re.sub(r"<!--([A-Z]+)-->", lambda mark: parts[mark[1]], template)


def _embedded(data: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
