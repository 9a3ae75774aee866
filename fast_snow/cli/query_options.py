"""What can be asked of `fast-snow query`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Query:
    """Measure in a run's graph with a spatial tool; needs no model and no key.

    Without TOOL it lists them. Arguments follow the name: fast-snow query OUT distance --object-id 3 --t 12
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    tool: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TOOL")] = ""
    """Which tool; all are listed where none is given."""
    json: bool = False
    """Print one JSON object for programs."""
    debug: Annotated[bool, tyro.conf.arg(help="On an error, show where in the code it arose.")] = False
    arguments: tyro.conf.Suppress[tuple[str, ...]] = ()
    """The tool's arguments as they were typed."""
