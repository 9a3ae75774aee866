"""Short runs of three windows, whose perception is stored whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fast_snow.cli.commands import Infer
from fast_snow.config import Config, OutputConfig, WindowConfig
from fast_snow.perception_files import PerceptionFiles
from fast_snow.synthetic.scene import SceneConfig
from tests.output.runs import files

SCENE = SceneConfig(size=(48, 64), frames=10)
CONFIG = Config(window=WindowConfig(length=4, overlap=1), output=OutputConfig(keyframe_every=4))
WINDOWS = 3


def infer(recording: Path, out: Path, config: Config = CONFIG, *, quiet: bool = True) -> None:
    Infer(input=str(recording), out=out, config=config, quiet=quiet).run()


def changed(setting: str, value: object) -> Config:
    """Return the settings of these runs with one changed."""
    section, _, name = setting.partition(".")
    return replace(CONFIG, **{section: replace(getattr(CONFIG, section), **{name: value})})


def results(out: Path) -> dict[str, bytes]:
    """Return the files of a run but its record, which holds times."""
    return {name: data for name, data in files(out).items() if name != "run.json"}


def all_stored(**values: Any) -> PerceptionFiles:
    """Return perception files that hold also what is recorded."""
    return PerceptionFiles(**{**values, "recorded": frozenset()})
