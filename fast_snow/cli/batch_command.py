"""`fast-snow batch`: many videos, on one machine or on a cluster."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from fast_snow.batching.resources import Resources
from fast_snow.cli.options import Debug, Preset, Quiet, Settings
from fast_snow.config import Config


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Turn many videos into 4D scene graphs, on the processors of this machine or on a Ray cluster.

    Writes DIR/NAME (as infer does) and DIR/NAME.log per video, DIR/batch.csv and DIR/batch.json. Finished videos are
    skipped and interrupted ones resumed by the same command. Exit code 1 if any video failed.
    """

    inputs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MANIFEST_OR_GLOB")]
    """A text file (.txt) with one path or URL per line, a quoted pattern such as 'clips/*.mp4', or the videos."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",), metavar="DIR")]
    """Folder for the results: a path or a URL such as s3://bucket/runs."""
    resources: Annotated[Resources, tyro.conf.arg(name="")] = Resources()
    preset: Preset = None
    overwrite: bool = False
    """Replace finished runs of other inputs, engines or settings."""
    quiet: Quiet = False
    debug: Debug = False
    config: Settings = Config()

    def run(self) -> int:
        """Run the batch and print what became of it.

        Raises:
            UserError: there is no video, or the folder cannot be written.
        """
        from fast_snow.batching.running import batch
        from fast_snow.cli.terminal import print_batch, shown_progress, terminable

        with shown_progress(quiet=self.quiet) as progress, terminable():
            result = batch(
                self.inputs,
                self.out,
                config=self.config,
                resources=self.resources,
                overwrite=self.overwrite,
                progress=progress,
            )
        print_batch(result, self.out)
        return 1 if result.count("failed", "interrupted") else 0
