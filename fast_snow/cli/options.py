"""Options that several commands share, and how paths are read; the others stand beside their command."""

from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.config import Config
from fast_snow.errors import OutputError

RunFolder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT", help="The folder that infer wrote.")]
Json = Annotated[bool, tyro.conf.arg(help="Print the result as JSON.")]
Preset = Annotated[
    Path | None,
    tyro.conf.arg(metavar="FILE", help="TOML file of settings; options on the command line take precedence."),
]
Settings = Annotated[Config, tyro.conf.arg(name="")]
Quiet = Annotated[bool, tyro.conf.arg(help="Show no progress.")]
Debug = Annotated[bool, tyro.conf.arg(help="Print the full traceback on error.")]


def expanded(path: Path) -> Path:
    """Return a path with a leading `~` replaced, which shells leave in `--out=~/x`, unless a folder has that name."""
    first = path.parts[0] if path.parts else ""
    if not first.startswith("~") or Path(first).exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:
        raise OutputError(f"{path}: no home folder of that name, expected a path; write it out") from None
