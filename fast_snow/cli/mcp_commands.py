"""What `fast-snow mcp` does."""

from fast_snow.api import load
from fast_snow.cli.mcp_options import Mcp
from fast_snow.errors import EngineError, InputError


def serve(command: Mcp) -> int:
    """Serve a run until the assistant goes.

    Raises:
        InputError: the run is missing or damaged.
        EngineError: the package mcp is not installed.
    """
    if not command.out.is_dir():
        raise InputError(f"{command.out}: is no folder, expected the one that infer wrote")
    graph = load(command.out)
    try:
        from fast_snow.reasoning import mcp_server
    except ImportError as error:
        raise EngineError(f'mcp: serving needs it ({error}): pip install "fast-snow[vlm]"') from error
    mcp_server.serve(graph, command.out)
    return 0
