"""What can be asked of `fast-snow mcp`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Mcp:
    """Offer a run's spatial tools and keyframes to an assistant that speaks MCP, over standard input and output.

    Assistants start this command themselves: docs/assistants.md says how each is told.
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    debug: Annotated[bool, tyro.conf.arg(help="On an error, show where in the code it arose.")] = False
