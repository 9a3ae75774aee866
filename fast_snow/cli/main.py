"""Turn videos into 4D scene graphs, look at them and check them."""

import argparse
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import tyro

from fast_snow.cli import standard_streams
from fast_snow.cli.ask_commands import Ask, Mcp, Query
from fast_snow.cli.commands import Batch, Infer, Rebuild
from fast_snow.cli.doctor import Doctor
from fast_snow.cli.eval_commands import Eval
from fast_snow.cli.export_commands import Diff, Export, Rescale, Validate, View
from fast_snow.cli.input_commands import Convert
from fast_snow.cli.model_commands import ExportEngines, FetchModels
from fast_snow.config import Config
from fast_snow.errors import FastSnowError, UserError
from fast_snow.presets import BASE_URL, as_options, load_preset

Command = (
    Infer
    | Batch
    | Rebuild
    | Ask
    | Query
    | FetchModels
    | ExportEngines
    | View
    | Export
    | Diff
    | Rescale
    | Validate
    | Convert
    | Eval
    | Mcp
    | Doctor
)
_READS = {"ask": ("vlm.",), "fetch-models": FetchModels.settings, "export-engines": ExportEngines.settings}
"""Settings of a preset that these commands accept; the others accept all."""
_WITH_PRESET = (["infer"], ["batch"], ["ask"], ["fetch-models"], ["export-engines"], ["eval", "run"], ["eval", "qa"])


def _parse(arguments: list[str]) -> Command:
    """Read the command line."""
    if arguments == ["--version"]:
        print(f"fast-snow {version('fast-snow')}")
        raise SystemExit(0)
    boxed = io.StringIO()
    try:
        with redirect_stderr(boxed):
            if arguments[:1] == ["query"]:
                return _query(arguments)
            given = _with_preset(arguments) or ["--help"]
            command = tyro.cli(Command, args=given, prog="fast-snow", description=__doc__)
            return replace(command, typed=tuple(given[1:])) if isinstance(command, Rebuild) else command
    except SystemExit as end:
        if end.code in (None, 0):
            raise
        raise UserError(_one_line(boxed.getvalue())) from None


def _query(arguments: list[str]) -> Command:
    """Read `query OUT TOOL` and its own flags; all else are arguments of the tool, which the tool itself reads."""
    own = [each for each in arguments if each in ("--json", "--debug", "--help", "-h")]
    others = [each for each in arguments[1:] if each not in own]
    named = next((i for i, each in enumerate(others) if each.startswith("--")), len(others))
    places, typed = others[: min(named, 2)], others[min(named, 2) :]
    if places and not {"--help", "-h"}.isdisjoint(own):
        _print_tool_help(places[-1].replace("-", "_"))
    command = tyro.cli(Command, args=["query", *places, *own], prog="fast-snow", description=__doc__)
    return replace(command, arguments=tuple(typed)) if isinstance(command, Query) else command


def _print_tool_help(name: str) -> None:
    """Print the help of a spatial tool and exit; return where no tool has that name."""
    from fast_snow.cli.shell_tools import print_tool_help  # heavy: not for the help of other commands
    from fast_snow.reasoning.tools.catalogue import TOOLS

    if name in TOOLS:
        print_tool_help(TOOLS[name])
        raise SystemExit(0)


def _with_preset(arguments: list[str]) -> list[str]:
    """Put the settings of `--preset FILE` before the other options, which thus win over it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", type=Path)
    parser.add_argument("--vlm.base-url", "--vlm.base_url", dest="base_url", default=os.environ.get(BASE_URL))
    given = parser.parse_known_args(arguments)[0]
    command = 2 if arguments[:1] == ["eval"] else 1
    if arguments[:command] not in _WITH_PRESET:
        return arguments
    preset = Config() if given.preset is None else load_preset(given.preset, base_url=given.base_url)
    read = _READS.get(arguments[0], ("",))
    settings = as_options(preset, read)
    own = ["--vlm.base-url", given.base_url] if given.base_url and "vlm.base_url".startswith(read) else []
    return [*arguments[:command], *settings, *own, *arguments[command:]]


def _one_line(boxed: str) -> str:
    """Return the sentences of tyro's boxed message as one line."""
    lines = (line.strip("│╰╯─ ") for line in boxed.splitlines() if not line.startswith("╭"))  # the first is a title
    text = re.split(" For full helptext| Argument helptext", " ".join(line for line in lines if line))[0]
    return f"{text.rstrip('.')}; see --help"


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 2 a user's mistake, 1 a failure, 130 interrupted."""
    arguments = list(sys.argv[1:] if args is None else args)
    sys.exit(_guarded(arguments))


def _guarded(arguments: list[str]) -> int:
    """Run a command; whatever goes wrong becomes one line and an exit code."""
    debug = "--debug" in arguments
    standard_streams.prepare()
    try:
        return standard_streams.flushed(_parse(arguments).run())
    except FastSnowError as error:
        return _complain(str(error), error.exit_code, debug=debug)
    except KeyboardInterrupt as end:
        return _complain("; ".join(["interrupted", *map(str, end.args)]), 130, debug=debug)
    except BrokenPipeError:  # whoever read the output has had enough
        standard_streams.discard()
        return 0
    except Exception as error:  # noqa: BLE001 (the last border: nobody sees a bare traceback)
        standard_streams.discard_if_broken()
        what = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return _complain(f"failed: {what}; run again with --debug to see where", 1, debug=debug)


def _complain(message: str, exit_code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    standard_streams.complain(f"fast-snow: {' '.join(message.split())}")
    return exit_code
