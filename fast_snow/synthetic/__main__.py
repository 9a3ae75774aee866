"""Renders the synthetic scene to a file: `python -m fast_snow.synthetic examples/scene.mp4`."""

from pathlib import Path
from typing import Annotated

import tyro

from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.render import render
from fast_snow.synthetic.scene import SceneConfig


def main(
    video: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    recording: Path | None = None,
    frames: int = SceneConfig().frames,
    seed: int = SceneConfig().seed,
) -> None:
    """Render a small moving scene.

    Args:
        video: MP4 file to write.
        recording: also write a recording folder with exact depth, poses and masks.
        frames: how many frames.
        seed: of the textures.
    """
    scene = render(SceneConfig(frames=frames, seed=seed))
    write_video(scene, video)
    if recording is not None:
        write_recording(scene, recording)


tyro.cli(main)
