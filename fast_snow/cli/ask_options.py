"""What can be asked of `fast-snow ask`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.config import VlmConfig


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Ask a vision-language model a question about a run.

    The model is sent the graph, keyframes with the objects' numbers, and the question, and may use the spatial tools.
    Its key comes from the environment: OPENAI_API_KEY or GEMINI_API_KEY. Answers are kept in OUT/answers.jsonl.
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The folder that infer wrote."""
    question: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTION")]
    """What you want to know, in any language; objects can be named by number, like object 7."""
    dry_run: bool = False
    """Print the exact prompt and how many tokens each part takes; send nothing. Needs no key."""
    json: bool = False
    """Print one JSON object for programs."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file of settings, of which the section vlm is used; options given here win over it."""
    quiet: bool = False
    """Show no progress."""
    debug: Annotated[bool, tyro.conf.arg(help="On an error, show where in the code it arose.")] = False
    vlm: VlmConfig = VlmConfig()
