"""The command that turns any input into a recording folder, and what `doctor INPUT` says of one."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.cli.options import Debug, Quiet
from fast_snow.config import Config, SamplingConfig, SourceConfig
from fast_snow.errors import FastSnowWarning, UserError

_EVERY_FRAME = SamplingConfig(target_fps=1000.0, max_side=0)


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write a video or what a robot or a scanner recorded as a recording folder, with depth, poses and masks.

    Images become PNG, depth TIFF in metres, without loss; every frame is written unless --sampling says otherwise.
    """

    input: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INPUT")]
    """A video, bag, dataset or scan: whatever infer reads."""
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """The recording folder to write; new or empty."""
    sampling: SamplingConfig = _EVERY_FRAME
    source: SourceConfig = SourceConfig()
    quiet: Quiet = False
    debug: Debug = False

    def run(self) -> int:
        """Write the folder and print how many frames it holds."""
        from fast_snow.api import collected_warnings
        from fast_snow.cli.terminal import print_warnings, shown_progress
        from fast_snow.inputs import open_input
        from fast_snow.inputs.recording_writer import write_recording

        with collected_warnings(show=False) as noticed, shown_progress(quiet=self.quiet) as progress:
            opened = open_input(self.input, self.sampling, self.source)
            count = write_recording(opened, self.folder.expanduser(), progress=progress)
        print_warnings(noticed)
        print(f"{count} frames in {self.folder}")
        return 0


def described(path: Path, config: Config) -> tuple[tuple[str, str], ...]:
    """Return what an input holds, in pairs of a name and a text; a bag's topics also where it cannot be used.

    Raises:
        UserError: nothing can be said of it.
    """
    from fast_snow.inputs import open_input
    from fast_snow.inputs.layouts import known
    from fast_snow.inputs.layouts.ros_reading import topics

    layout = next((each.name for each in known.LAYOUTS if each.is_at(path)), known.others(path))
    rows = [("kind", layout)]
    if layout == known.BAG:
        rows += [(f"topic {each.name}", f"{each.kind}, {each.count} messages") for each in topics(path)]
    every = replace(config.sampling, target_fps=_EVERY_FRAME.target_fps, max_frames=None)
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always", FastSnowWarning)
        try:
            opened = open_input(path, every, config.source)
        except UserError as error:
            if layout != known.BAG:
                raise
            return (*rows, ("problem", str(error)))
    recording = opened.recording
    rate = "unknown rate" if opened.source_fps is None else f"{opened.source_fps:.4g} frames per second"
    rows.append(("frames", f"{opened.expected_frames or 'unknown number'}, {opened.size[1]}x{opened.size[0]}, {rate}"))
    if recording is not None:
        brings = {
            "depth": recording.has_depth,
            "depth of some frames, for the scale": recording.read_some_depth is not None,
            "poses": recording.has_poses,
            "intrinsics": recording.intrinsics is not None,
            "masks": recording.has_masks,
        }
        rows.append(("brings", ", ".join(name for name, there in brings.items() if there) or "colour images alone"))
        if recording.has_poses or recording.has_depth:
            rows.append(("unit", "metres" if recording.metric else "not known (--source.metric tells it)"))
    return (*rows, *(("note", str(each.message)) for each in noticed))
