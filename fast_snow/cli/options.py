"""Options that several commands share; the others stand beside their command."""

from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.config import Config

RunFolder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT", help="The folder that infer wrote.")]
Json = Annotated[bool, tyro.conf.arg(help="Print the result as JSON.")]
Preset = Annotated[
    Path | None,
    tyro.conf.arg(metavar="FILE", help="TOML file of settings; options on the command line take precedence."),
]
Settings = Annotated[Config, tyro.conf.arg(name="")]
Quiet = Annotated[bool, tyro.conf.arg(help="Show no progress.")]
Debug = Annotated[bool, tyro.conf.arg(help="Print the full traceback on error.")]
