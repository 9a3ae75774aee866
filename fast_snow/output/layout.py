"""What a run's files are called, and which names may be joined to a folder."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

from fast_snow.errors import OutputError
from fast_snow.untrusted_files import shown

GRAPH: Final = "4dsg.json"
RECORD: Final = "run.json"
KEYFRAMES: Final = "keyframes"
MASKS: Final = "masks"
HIDDEN: Final = ".fast-snow"

NUMBERED: Final = re.compile(r"[0-9].*\.(jpg|npz)")
"""What keyframes and masks are called within their folders."""
_PLAIN: Final = re.compile(r"[^/\\:\x00]+(/[^/\\:\x00]+)*")


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder; the name may come from a stranger.

    Raises:
        OutputError: the name leads elsewhere, or a folder on the way is a link.
    """
    parts = PurePosixPath(name).parts
    if not _PLAIN.fullmatch(name) or "/".join(parts) != name or ".." in parts or parts[0] == HIDDEN:
        raise OutputError(f"{shown(folder)}: records a file {name[:80]!r}, expected a plain path inside the folder")
    for depth in range(1, len(parts)):
        if folder.joinpath(*parts[:depth]).is_symlink():
            raise OutputError(
                f"{shown(folder.joinpath(*parts[:depth]))}: is a link, expected a folder; replace it or choose another"
                " folder with -o"
            )
    return folder.joinpath(*parts)


def exists(path: Path) -> bool:
    """Return whether anything has this name, a dangling link included."""
    return os.path.lexists(path)
